"""Cohere."""

from warren_worker.dialects.cohere import Cohere as Dialect
from warren_worker.provider import Asked, Site

BASE_URL = "https://api.cohere.com"


class Cohere:
    def site(self, asked: Asked) -> Site:
        base = asked.base("COHERE_API_BASE", "CO_API_URL", default=BASE_URL)
        return Site(
            base_url=base.removesuffix("/chat").removesuffix("/v2"),  # what LiteLLM calls the base is the whole URL
            model=asked.model,
            dialect=Dialect(asked.facts),
            headers={"authorization": f"Bearer {asked.key('COHERE_API_KEY', 'CO_API_KEY')}"},
        )


PROVIDER = Cohere()
