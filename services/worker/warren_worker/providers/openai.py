"""OpenAI, and with an `api_base` every server that speaks like it."""

from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.provider import Asked, Site

BASE_URL = "https://api.openai.com/v1"
CHAT = Chat(
    limit="max_completion_tokens",
    developer="developer",
    hoists=False,
    knows=frozenset({"moderation", "prompt_cache_options"}),
)


class OpenAI:
    def site(self, asked: Asked) -> Site:
        base = asked.base("OPENAI_BASE_URL", "OPENAI_API_BASE", default=BASE_URL)
        own = base == BASE_URL
        headers = {"authorization": f"Bearer {asked.key('OPENAI_API_KEY')}"}
        if organization := asked.value(asked.params.organization, "OPENAI_ORGANIZATION", "OPENAI_ORG_ID"):
            headers["openai-organization"] = organization
        schemas = asked.facts.schemas is not False
        chat = CHAT if own else Chat(schemas=schemas)
        return Site(
            base_url=base,
            model=asked.model,
            dialect=chat if asked.chat else Responses(stores=own),
            headers=headers,
            native=not asked.chat,
            remembers=own and not asked.chat,
        )


PROVIDER = OpenAI()
