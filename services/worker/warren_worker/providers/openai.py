"""OpenAI, and with an `api_base` every server that speaks like it."""

from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.provider import Provider

PROVIDER = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    base_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    key_variables=("OPENAI_API_KEY",),
    native=Responses(stores=True),
    chat=Chat(
        limit="max_completion_tokens",
        developer="developer",
        hoists=False,
        knows=frozenset({"moderation", "prompt_cache_options"}),
    ),
    compatible_native=Responses(),
    compatible_chat=Chat(),
    remembers=True,
)
