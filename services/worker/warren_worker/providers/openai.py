"""OpenAI, and with an `api_base` every server that speaks like it."""

from dataclasses import replace

from warren_worker.dialects.chat import Chat
from warren_worker.dialects.chat.search import Searching
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
        searches: Searching | None = "web_search_options" if asked.facts.web_search else None
        chat = replace(CHAT, facts=asked.facts, searches=searches) if own else Chat(facts=asked.facts)
        return Site(
            base_url=base,
            model=asked.model,
            dialect=chat if asked.chat else Responses(stores=own),
            headers=headers,
            native=not asked.chat,
            remembers=own and not asked.chat,
        )


PROVIDER = OpenAI()
