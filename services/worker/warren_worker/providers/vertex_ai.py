"""Google's Vertex AI: Gemini, tuned or not, Claude, and the open models of its Model Garden."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic_core import from_json

from warren_worker.credentials import Google
from warren_worker.dialect import Dialect
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.gemini import Gemini
from warren_worker.dialects.messages import Messages
from warren_worker.facts import Facts
from warren_worker.provider import Asked, Site
from warren_worker.providers.gemini import versioned

VERSION = "v1beta1"
"""The one that Google's own SDK speaks."""


@dataclass(frozen=True, slots=True)
class Way:
    """How the models are spoken to whose name a regular expression finds. The first that does counts."""

    names: str
    below: str
    """Where they are, below the location. `{model}` is what `names` calls so."""
    dialect: Callable[[Facts], Dialect]
    model: str = "{model}"
    """What they are called there."""
    location: str = "global"
    """Where they are if nobody says it."""


def _chat(_: Facts) -> Dialect:
    return Chat()


def _claude(facts: Facts) -> Dialect:
    return Messages(facts=facts, vertex="vertex-2023-10-16")


def _gemini(facts: Facts) -> Dialect:
    return Gemini(facts, vertex=True)


def _tuned(facts: Facts) -> Dialect:
    return Gemini(facts, vertex=True, collection="endpoints")


WAYS = (
    Way(r"^(anthropic/)?(?P<model>claude-.*)", "/publishers/anthropic", _claude),
    Way(r"^(gemini/|endpoints/)?(?P<model>\d+)$", "", _tuned, location="us-central1"),
    Way(r"^openai/(?P<model>\d+)$", "/endpoints/{model}", _chat, location="us-central1"),
    Way(
        r"^(?P<model>(meta|deepseek-ai|openai|qwen|moonshotai|zai-org|minimaxai|xai|google/gemma-.*-maas$)(/.*|$))",
        "/endpoints/openapi",
        _chat,
        location="us-central1",
    ),
    Way(r"^((publishers/)?google/(models/)?|gemini/)?(?P<model>.*)", "/publishers/google", _gemini),
)
"""Facts: Vertex AI's documentation of partner and open models, and of tuned ones; names as LiteLLM has them."""


@dataclass(frozen=True, slots=True)
class _Access:
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    credential: Google | None = None
    project: str | None = None


class VertexAI:
    def site(self, asked: Asked) -> Site:
        way, match = next((way, found) for way in WAYS if (found := re.search(way.names, asked.model)))
        model = match["model"]
        access = _access(asked)
        location = _location(asked) or way.location
        place = f"/projects/{access.project}/locations/{location}" if access.project else ""
        return Site(
            base_url=versioned(_host(asked, location), VERSION) + place + way.below.format(model=model),
            model=way.model.format(model=model),
            dialect=way.dialect(asked.facts),
            headers=access.headers,
            credential=access.credential,
        )


def _access(asked: Asked) -> _Access:
    """By a key of Vertex AI's express mode, which knows its project itself, or by Google's credentials."""
    params = asked.params
    project = asked.value(
        params.vertex_project, "VERTEXAI_PROJECT", "VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT_ID"
    )
    if params.api_key is not None:
        return _Access({"x-goog-api-key": asked.key("VERTEXAI_API_KEY")}, project=project)
    given = asked.value(
        params.vertex_credentials, "VERTEXAI_CREDENTIALS", "VERTEX_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"
    )
    if given is None and params.vertex_credentials is not None:
        raise asked.missing(params.vertex_credentials.variable or "vertex_credentials")
    project = project or _project(given)
    if project is None:
        raise asked.nowhere("vertex_project or VERTEXAI_PROJECT")
    return _Access(credential=Google(given), project=project)


def _project(credentials: str | None) -> str | None:
    """That of a service account, if the credentials are not in a file."""
    try:
        known = from_json(credentials or "")
    except ValueError:
        return None
    project = known.get("project_id") if isinstance(known, dict) else None
    return project if isinstance(project, str) else None


def _location(asked: Asked) -> str | None:
    return asked.value(asked.params.vertex_location, "VERTEXAI_LOCATION", "VERTEX_LOCATION", "GOOGLE_CLOUD_LOCATION")


def _host(asked: Asked, location: str) -> str:
    return asked.base("VERTEXAI_API_BASE", "VERTEX_API_BASE", default=_own_host(location))


def _own_host(location: str) -> str:
    match location:
        case "global":
            return "https://aiplatform.googleapis.com"
        case "us" | "eu":
            return f"https://aiplatform.{location}.rep.googleapis.com"
        case _:
            return f"https://{location}-aiplatform.googleapis.com"


PROVIDER = VertexAI()
