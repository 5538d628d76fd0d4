"""Anthropic."""

from warren_worker.dialects.messages import Messages
from warren_worker.provider import Asked, Site

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"


class Anthropic:
    def site(self, asked: Asked) -> Site:
        base = asked.base("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE", default=BASE_URL)
        return Site(
            base_url=base.removesuffix("/messages").removesuffix("/v1"),
            model=asked.model,
            dialect=Messages(facts=asked.facts),
            headers={"anthropic-version": VERSION, **_key(asked)},
        )


def _key(asked: Asked) -> dict[str, str]:
    """The API key, or else a token, of which there is a variable only."""
    token = asked.environ.get("ANTHROPIC_AUTH_TOKEN")
    if token and asked.params.api_key is None and not asked.environ.get("ANTHROPIC_API_KEY"):
        return {"authorization": f"Bearer {token}"}
    return {"x-api-key": asked.key("ANTHROPIC_API_KEY")}


PROVIDER = Anthropic()
