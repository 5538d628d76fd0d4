"""Azure OpenAI: deployments of OpenAI's models on a resource of one's own."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from warren_worker.credentials import ClientCredentials
from warren_worker.dialect import Dialect
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.provider import Asked, Site

V1 = "/openai/v1"
SCOPE = "https://cognitiveservices.azure.com/.default"
_AUTHORITY = "https://login.microsoftonline.com"
_PREVIEW = "preview"
_UNDATED = frozenset({"preview", "latest", "v1"})
_DATED_PREVIEW = re.compile(r"\d{4}-\d\d-\d\d-preview")
_ENDPOINTS = ("/chat/completions", "/responses")
_FAMILIES = ("o_series/", "gpt5_series/")
"""LiteLLM's hints at the model behind a deployment."""
_DEPLOYMENTS = "/openai/deployments/"


class Azure:
    def site(self, asked: Asked) -> Site:
        resource = located(asked, "AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT")
        headers, credential = credentials(asked, "AZURE_API_KEY", "AZURE_OPENAI_API_KEY")
        place = _chat(asked, resource) if asked.chat else _responses(asked, resource)
        return Site(
            base_url=place.base_url,
            model=resource.deployment or _deployment(asked),
            dialect=dialect(asked),
            headers=headers,
            credential=credential,
            query=place.query,
            native=not asked.chat,
        )


def dialect(asked: Asked) -> Dialect:
    if asked.chat:
        return Chat(limit="max_completion_tokens", hoists=False, facts=asked.facts)
    return Responses(bare=True)


@dataclass(frozen=True, slots=True)
class Resource:
    """What an address says: with its path up to the API, and a deployment and a version if it names any."""

    root: str
    deployment: str | None = None
    version: str | None = None
    v1: bool = False
    """It ends in `/openai/v1`."""


@dataclass(frozen=True, slots=True)
class Place:
    base_url: str
    query: str = ""


def located(asked: Asked, *variables: str) -> Resource:
    """The resource at the deployment's address. Users also write the whole of an endpoint's address there."""
    given = urlsplit(asked.base(*variables))
    path = given.path.rstrip("/")
    for endpoint in _ENDPOINTS:
        path = path.removesuffix(endpoint)
    version = parse_qs(given.query).get("api-version", [None])[0]
    host = f"{given.scheme}://{given.netloc}"
    before, named, deployment = path.partition(_DEPLOYMENTS)
    if named:
        return Resource(host + before, deployment.partition("/")[0] or None, version)
    if path.endswith(V1):
        return Resource(host + path.removesuffix(V1), None, version, v1=True)
    return Resource(host + path.removesuffix("/openai"), None, version)


def credentials(asked: Asked, *keys: str) -> tuple[dict[str, str], ClientCredentials | None]:
    """The headers and the credential: what the configuration names goes before what the environment holds, and there a
    key before a token of Microsoft Entra's, and that before a client that gets one.
    """
    params = asked.params
    if params.api_key is not None:
        return {"api-key": asked.key(*keys)}, None
    if params.azure_ad_token is None and (client := _client(asked, given=True)) is not None:
        return {}, client
    if params.azure_ad_token is None and (key := asked.value(None, *keys)):
        return {"api-key": key}, None
    if token := asked.value(params.azure_ad_token, "AZURE_AD_TOKEN"):
        return {"authorization": f"Bearer {token}"}, None
    if params.azure_ad_token is None and (client := _client(asked, given=False)) is not None:
        return {}, client
    variable = params.azure_ad_token.variable if params.azure_ad_token is not None else None
    raise asked.missing(variable or " or ".join(keys))


def _client(asked: Asked, *, given: bool) -> ClientCredentials | None:
    """The one that the configuration names, or that of the environment alone."""
    params = asked.params
    if given and params.client_id is None and params.client_secret is None:
        return None
    tenant = asked.value(params.tenant_id, "AZURE_TENANT_ID")
    id_ = asked.value(params.client_id, "AZURE_CLIENT_ID")
    secret = asked.value(params.client_secret, "AZURE_CLIENT_SECRET")
    if not (tenant and id_ and secret):
        if given:
            raise asked.missing("tenant_id, client_id or client_secret")
        return None
    authority = (asked.value(None, "AZURE_AUTHORITY_HOST") or _AUTHORITY).rstrip("/")
    if "://" not in authority:
        authority = f"https://{authority}"
    scope = asked.value(params.azure_scope, "AZURE_SCOPE") or SCOPE
    return ClientCredentials(f"{authority}/{quote(tenant)}/oauth2/v2.0/token", id_, secret, scope)


def versioned(version: str | None) -> str:
    return urlencode({"api-version": version}) if version else ""


def _responses(asked: Asked, resource: Resource) -> Place:
    """Only dated previews had Responses outside of `/openai/v1`; for versions without them the API's own is taken. A
    `responses_api_version` is taken at its word, but for the address's own.
    """
    version = asked.value(asked.params.responses_api_version) if resource.version is None else None
    if version is not None and version not in _UNDATED and not resource.v1:
        return Place(f"{resource.root}/openai", versioned(version))
    version = version or _version(asked, resource)
    if resource.v1:
        return Place(resource.root + V1, versioned(version if version in _UNDATED - {"v1"} else None))
    if version is not None and _DATED_PREVIEW.fullmatch(version):
        return Place(f"{resource.root}/openai", versioned(version))
    default = asked.value(None, "AZURE_DEFAULT_RESPONSES_API_VERSION") or _PREVIEW
    if _DATED_PREVIEW.fullmatch(default):
        return Place(f"{resource.root}/openai", versioned(default))
    return Place(resource.root + V1, versioned(version if version in _UNDATED else default))


def _chat(asked: Asked, resource: Resource) -> Place:
    version = _version(asked, resource)
    if resource.v1 or version is None or version in _UNDATED:
        return Place(resource.root + V1, versioned(version if version in _UNDATED - {"v1"} else None))
    deployment = quote(resource.deployment or _deployment(asked), safe="")
    return Place(f"{resource.root}{_DEPLOYMENTS}{deployment}", versioned(version))


def _version(asked: Asked, resource: Resource) -> str | None:
    return asked.value(asked.params.api_version) or resource.version or asked.value(None, "AZURE_API_VERSION")


def _deployment(asked: Asked) -> str:
    model = asked.model
    for family in _FAMILIES:
        model = model.removeprefix(family)
    return model


PROVIDER = Azure()
