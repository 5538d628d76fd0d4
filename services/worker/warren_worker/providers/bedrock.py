"""Amazon Bedrock.

What a deployment is called may begin as LiteLLM has it: with a region (`bedrock/us-west-2/…`), or with the API that is
meant. `converse/`, `converse_like/` and `invoke/` are all served by Converse, which has every model that converses.
OpenAI's own models are asked in OpenAI's own terms, as are those behind `openai/`; its open ones in Converse's, or by
Chat Completions for who wants those.
"""

import re
from collections.abc import Mapping

from warren_worker.credentials import Aws, Credential
from warren_worker.dialect import Dialect
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.converse import Converse, vendors
from warren_worker.dialects.responses import Responses
from warren_worker.parameters import Treatment
from warren_worker.provider import Asked, Site

REGION = "us-west-2"
"""Where nobody names one: LiteLLM's default."""

_ROUTES = re.compile(r"^(converse|converse_like|invoke|openai)/")
_REGION = re.compile(r"^([a-z]{2,3}(?:-[a-z]+){1,3}-\d)/")
_ARN = re.compile(r"^arn:aws[a-z-]*:[a-z-]+:([a-z0-9-]+):")
_NATIVE = re.compile(r"(?:^|[./])openai\.(?!gpt-oss)")
"""Models that Bedrock has Responses of."""
_NOT_THERE = (
    "tools:web_search", "tools:file_search", "tools:code_interpreter", "tools:image_generation", "tools:shell",
    "tools:local_shell",
)  # fmt: skip
"""What Bedrock's Responses refuse: it runs no tools itself."""
_APIS = re.compile(r"(/openai)?/v1(/chat/completions|/responses)?$")


class Bedrock:
    def site(self, asked: Asked) -> Site:
        route, region, model = _parts(asked.model)
        region = asked.value(asked.params.aws_region_name) or region or _region(asked)
        headers, credential = _access(asked, region)
        base, dialect = _base(asked, region), _dialect(asked, route, model)
        own = not isinstance(dialect, Converse)
        return Site(
            base_url=f"{base}/openai/v1" if own else base,
            model=model,
            dialect=dialect,
            headers=headers,
            credential=credential,
            native=isinstance(dialect, Responses),
            parameters=dict.fromkeys(_NOT_THERE, Treatment.DROPPABLE) if isinstance(dialect, Responses) else {},
        )


def _parts(name: str) -> tuple[str | None, str | None, str]:
    """Which API and which region a model's name begins with, in any order, and the model's id."""
    route: str | None = None
    region: str | None = None
    while True:
        if found := _ROUTES.match(name):
            route, name = found[1], name[found.end() :]
        elif found := _REGION.match(name):
            region, name = found[1], name[found.end() :]
        else:
            break
    if found := _ARN.match(name):
        region = region or found[1]
    return route, region, name


def _region(asked: Asked) -> str:
    names = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
    return next((asked.environ[name] for name in names if asked.environ.get(name)), REGION)


def _base(asked: Asked, region: str) -> str:
    given = asked.params.aws_bedrock_runtime_endpoint
    if given is not None or (asked.params.api_base or asked.params.base_url) is None:
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        base = asked.value(given, "AWS_BEDROCK_RUNTIME_ENDPOINT")
        if base is None and given is not None:
            raise asked.nowhere(given.variable)
        base = base or f"https://bedrock-runtime.{region}.{suffix}"
    else:
        base = asked.base()
    return _APIS.sub("", base.rstrip("/"))


def _dialect(asked: Asked, route: str | None, model: str) -> Dialect:
    if asked.chat:
        return Chat(limit="max_completion_tokens", developer="developer")
    if _NATIVE.search(model) or (route == "openai" and ":imported-model/" not in model):
        return Responses()
    known = vendors.vendor(model) or vendors.vendor(asked.deployment.info.base_model or "")
    return Converse(asked.facts, known or vendors.DEFAULT)


def _access(asked: Asked, region: str) -> tuple[Mapping[str, str], Credential | None]:
    """An API key, or else credentials to sign with. Those of the deployment go before a key of the environment."""
    params = asked.params
    credential = _credential(asked, region)
    if params.api_key is None and credential != Aws(region):
        return {}, credential
    key = asked.key() if params.api_key is not None else asked.environ.get("AWS_BEARER_TOKEN_BEDROCK")
    return ({"authorization": f"Bearer {key}"}, None) if key else ({}, credential)


def _credential(asked: Asked, region: str) -> Aws:
    params = asked.params
    named = {
        "access_key_id": params.aws_access_key_id,
        "secret_access_key": params.aws_secret_access_key,
        "session_token": params.aws_session_token,
        "profile": params.aws_profile_name,
        "role": params.aws_role_name,
        "role_session": params.aws_session_name,
        "external_id": params.aws_external_id,
        "web_identity_token": params.aws_web_identity_token,
        "sts_endpoint": params.aws_sts_endpoint,
    }
    given: dict[str, str] = {}
    for name, secret in named.items():
        if secret is not None:
            if (value := asked.value(secret)) is None:
                raise asked.missing(secret.variable)
            given[name] = value
    return Aws(region, environ=asked.environ, **given)


PROVIDER = Bedrock()
