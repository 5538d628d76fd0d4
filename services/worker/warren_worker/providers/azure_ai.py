"""Azure AI Foundry: models of many vendors on a resource of one's own, or on an endpoint that serves one."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

from warren_worker.dialects.chat import Chat
from warren_worker.dialects.messages import Messages
from warren_worker.dialects.responses import Responses
from warren_worker.provider import Asked, Site
from warren_worker.providers.azure import V1, Resource, credentials, located, versioned

_KEYS = ("AZURE_AI_API_KEY",)
_RESOURCES = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_SERVERLESS = ".models.ai.azure.com"
_CLAUDE = re.compile(r"^claude")
_OPENAI = re.compile(r"^(gpt|o\d|codex|computer-use|model-router)")
_ANTHROPIC = "/anthropic"
_VERSION = "2023-06-01"


class AzureAI:
    def site(self, asked: Asked) -> Site:
        resource = located(asked, "AZURE_AI_API_BASE")
        if _CLAUDE.match(asked.model):
            return _claude(asked, resource)
        host = urlsplit(resource.root).hostname or ""
        if resource.v1 or host.endswith(_RESOURCES):
            return _of_resource(asked, resource)
        headers, credential = credentials(asked, *_KEYS)
        if "api-key" in headers:
            headers = {"authorization": f"Bearer {headers['api-key']}"}
        base = resource.root
        if host.endswith(_SERVERLESS) and not urlsplit(base).path:
            base += "/v1"
        return Site(
            base_url=base,
            model=asked.model,
            dialect=Chat(facts=asked.facts),
            headers=headers,
            credential=credential,
            query=versioned(asked.value(asked.params.api_version) or resource.version),
        )


def _of_resource(asked: Asked, resource: Resource) -> Site:
    """Foundry serves Chat Completions of all models below `/openai/v1`, and Responses of OpenAI's."""
    headers, credential = credentials(asked, *_KEYS)
    native = not asked.chat and (resource.v1 or _OPENAI.match(asked.model) is not None)
    chat = Chat(facts=asked.facts)
    if _OPENAI.match(asked.model):
        chat = replace(chat, limit="max_completion_tokens", hoists=False)
    site = Site(
        base_url=resource.root.removesuffix("/models") + V1,
        model=asked.model,
        dialect=Responses(bare=True) if native else chat,
        headers=headers,
        credential=credential,
        native=native,
    )
    version = asked.value(asked.params.api_version) or resource.version
    if native or resource.v1 or version in (None, "preview", "latest", "v1"):
        return site
    return replace(site, base_url=resource.root.removesuffix("/models") + "/models", query=versioned(version))


def _claude(asked: Asked, resource: Resource) -> Site:
    """Anthropic's own API, by Foundry's keys."""
    headers, credential = credentials(asked, *_KEYS)
    if key := headers.pop("api-key", None):
        headers = {"x-api-key": key, "api-key": key}
    root = resource.root.removesuffix("/messages").removesuffix("/v1").removesuffix(_ANTHROPIC).removesuffix("/models")
    return Site(
        base_url=root + _ANTHROPIC,
        model=asked.model,
        dialect=Messages(facts=asked.facts),
        headers={"anthropic-version": _VERSION, **headers},
        credential=credential,
    )


PROVIDER = AzureAI()
