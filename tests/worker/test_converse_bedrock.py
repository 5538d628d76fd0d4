"""Bedrock: from a deployment to its address, its keys and its dialect; and what becomes of a call there."""

import json
from collections.abc import AsyncIterator
from time import time
from typing import Any

import pytest

from tests.rig.vendors import Fake, converse, fake
from tests.rig.vendors.script import ANSWER
from warren import errors
from warren.config import parse
from warren.errors import UpstreamAuth, UpstreamUnreachable, WarrenError
from warren.objects import items
from warren_worker.credentials import Aws
from warren_worker.dialect import Conversation, Stop, Text, Tokens
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.converse import Converse
from warren_worker.dialects.converse.vendors import base, vendor
from warren_worker.dialects.responses import Responses
from warren_worker.parameters import Treatment
from warren_worker.provider import Endpoint, endpoint
from warren_worker.upstream import Patience, connect

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = f"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/{CLAUDE}"
SCRIPT = "us.anthropic.claude-text-v1:0"
KEYS = "aws_access_key_id: AKIDEXAMPLE, aws_secret_access_key: secretEXAMPLE"
USER = {"model": "m", "input": "hi"}


def reached(params: str, environ: dict[str, str] | None = None, info: str = "") -> Endpoint:
    text = f"model_list: [{{model_name: m, litellm_params: {{{params}}}, model_info: {{{info}}}}}]"
    (deployment,) = parse(text).deployments.values()
    return endpoint(deployment, environ or {})


def host(region: str) -> str:
    return f"https://bedrock-runtime.{region}.amazonaws.com"


@pytest.mark.parametrize(
    ("params", "environ", "address", "model"),
    [
        (f"model: 'bedrock/{CLAUDE}'", {}, host("us-west-2"), CLAUDE),
        (f"model: 'bedrock/{CLAUDE}', aws_region_name: eu-west-1", {}, host("eu-west-1"), CLAUDE),
        (f"model: 'bedrock/{CLAUDE}', aws_region_name: os.environ/R", {"R": "eu-west-3"}, host("eu-west-3"), CLAUDE),
        (f"model: 'bedrock/{CLAUDE}'", {"AWS_REGION": "a-b-1", "AWS_REGION_NAME": "c-d-2"}, host("c-d-2"), CLAUDE),
        (f"model: 'bedrock/{CLAUDE}'", {"AWS_DEFAULT_REGION": "a-b-1"}, host("a-b-1"), CLAUDE),
        (f"model: 'bedrock/converse/{CLAUDE}'", {}, host("us-west-2"), CLAUDE),
        (f"model: 'bedrock/converse_like/{CLAUDE}'", {}, host("us-west-2"), CLAUDE),
        (f"model: 'bedrock/invoke/{CLAUDE}'", {}, host("us-west-2"), CLAUDE),
        (f"model: 'bedrock/eu-central-1/{CLAUDE}'", {"AWS_REGION": "us-east-1"}, host("eu-central-1"), CLAUDE),
        (f"model: 'bedrock/converse/us-gov-west-1/{CLAUDE}'", {}, host("us-gov-west-1"), CLAUDE),
        (f"model: 'bedrock/{PROFILE}'", {"AWS_REGION": "us-east-1"}, host("eu-west-1"), PROFILE),
        (f"model: 'bedrock/cn-north-1/{CLAUDE}'", {}, host("cn-north-1") + ".cn", CLAUDE),
        (f"model: 'bedrock/{CLAUDE}', api_base: 'http://a/b/'", {}, "http://a/b", CLAUDE),
        (f"model: 'bedrock/{CLAUDE}', aws_bedrock_runtime_endpoint: 'http://a'", {}, "http://a", CLAUDE),
        (f"model: 'bedrock/{CLAUDE}'", {"AWS_BEDROCK_RUNTIME_ENDPOINT": "http://a"}, "http://a", CLAUDE),
        ("model: bedrock/us.openai.gpt-5.4", {}, host("us-west-2") + "/openai/v1", "us.openai.gpt-5.4"),
        ("model: bedrock/openai/x, api_base: 'http://a/openai/v1/responses'", {}, "http://a/openai/v1", "x"),
    ],
)
def test_a_deployment_is_where_its_region_is(params: str, environ: dict[str, str], address: str, model: str) -> None:
    one = reached(params, environ)
    assert (one.base_url, one.model) == (address, model)


@pytest.mark.parametrize(
    ("params", "info", "dialect"),
    [
        (f"model: 'bedrock/{CLAUDE}'", "", "anthropic"),
        (f"model: 'bedrock/{PROFILE}'", "", "anthropic"),
        ("model: 'bedrock/amazon.nova-pro-v1:0'", "", "amazon"),
        ("model: 'bedrock/us-east-1/eu.amazon.nova-lite-v1:0'", "", "amazon"),
        ("model: 'bedrock/openai.gpt-oss-120b-1:0'", "", "openai"),
        ("model: 'bedrock/us.deepseek.r1-v1:0'", "", "deepseek"),
        ("model: 'bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/x'", "", "anthropic"),
        (
            "model: 'bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/x'",
            "base_model: amazon.nova-pro-v1:0",
            "amazon",
        ),
        ("model: 'bedrock/openai/arn:aws:bedrock:us-east-1:1:imported-model/x'", "", "anthropic"),
    ],
)
def test_a_model_is_its_vendors(params: str, info: str, dialect: str) -> None:
    one = reached(params, info=info).dialect
    assert isinstance(one, Converse)
    assert one.vendor == dialect


def test_openais_own_models_are_asked_in_its_own_terms() -> None:
    native = reached("model: bedrock/global.openai.gpt-5.4")
    assert native.native
    assert isinstance(native.dialect, Responses)
    assert native.parameters["tools:web_search"] is Treatment.DROPPABLE
    chat = reached("model: 'bedrock/openai.gpt-oss-20b-1:0', use_chat_completions_api: true")
    assert isinstance(chat.dialect, Chat)
    assert chat.base_url == host("us-west-2") + "/openai/v1"
    assert not chat.native


def test_the_name_of_a_model_says_who_made_it() -> None:
    assert vendor("us.anthropic.claude-x-v1:0") == "anthropic"
    assert vendor("deepseek.v3.2") == "deepseek"
    assert vendor("my-own-model") is None
    assert base("us-gov.anthropic.claude-x-v1:0") == "anthropic.claude-x-v1:0"
    assert base("deepseek.v3.2") == "deepseek.v3.2"
    assert base("global.amazon.nova-2-lite-v1:0") == "amazon.nova-2-lite-v1:0"


def test_keys_of_the_deployment_go_before_those_of_the_environment() -> None:
    bearer = {"AWS_BEARER_TOKEN_BEDROCK": "token"}
    one = reached(f"model: 'bedrock/{CLAUDE}'", bearer)
    assert (one.headers, one.credential) == ({"authorization": "Bearer token"}, None)
    one = reached(f"model: 'bedrock/{CLAUDE}', api_key: key", bearer)
    assert one.headers == {"authorization": "Bearer key"}
    one = reached(f"model: 'bedrock/{CLAUDE}', {KEYS}, aws_session_token: os.environ/T", {**bearer, "T": "t"})
    assert one.headers == {}
    assert one.credential == Aws("us-west-2", "bedrock", "AKIDEXAMPLE", "secretEXAMPLE", "t")
    one = reached(f"model: 'bedrock/{CLAUDE}'")
    assert one.credential == Aws("us-west-2")


def test_all_that_says_who_asks_is_read() -> None:
    one = reached(
        f"model: 'bedrock/{CLAUDE}', aws_profile_name: p, aws_role_name: r, aws_session_name: s, aws_external_id: e,"
        "aws_web_identity_token: w, aws_sts_endpoint: 'http://sts', aws_region_name: eu-west-1",
        {"A": "b"},
    )
    assert one.credential == Aws(
        "eu-west-1",
        profile="p",
        role="r",
        role_session="s",
        external_id="e",
        web_identity_token="w",
        sts_endpoint="http://sts",
    )
    assert isinstance(one.credential, Aws)
    assert one.credential.environ == {"A": "b"}
    assert "secretEXAMPLE" not in repr(reached(f"model: 'bedrock/{CLAUDE}', {KEYS}").credential)


@pytest.mark.parametrize("params", ["api_key: os.environ/K", "aws_secret_access_key: os.environ/K"])
def test_a_key_that_is_not_there_is_missed(params: str) -> None:
    with pytest.raises(UpstreamAuth, match="K is not set"):
        reached(f"model: 'bedrock/{CLAUDE}', {params}", {"AWS_BEARER_TOKEN_BEDROCK": "token"})


@pytest.mark.parametrize("name", ["api_base", "aws_bedrock_runtime_endpoint"])
def test_an_address_that_is_not_there_is_missed(name: str) -> None:
    with pytest.raises(UpstreamUnreachable, match="B is not set"):
        reached(f"model: 'bedrock/{CLAUDE}', {name}: os.environ/B", {"AWS_BEARER_TOKEN_BEDROCK": "token"})


ARN = "arn:aws:iam::123456789012:user/us"
REFUSALS: list[tuple[int, str, str, type[WarrenError], int, str | None]] = [
    (400, "ValidationException", "Bad.", errors.UpstreamRefused, 400, "upstream_refused"),
    (400, "ValidationException", "Input is too long for requested model.", errors.ContextLengthExceeded, 400, None),
    (400, "ValidationException", "Output blocked by content filtering policy", errors.UpstreamRefused, 400, None),
    (400, "ServiceQuotaExceededException", "x", errors.UpstreamQuotaExceeded, 429, None),
    (403, "AccessDeniedException", f"{ARN} is not authorized", errors.UpstreamAuth, 502, None),
    (403, "ExpiredTokenException", "The security token is expired", errors.UpstreamAuth, 502, None),
    (403, "UnrecognizedClientException", "The security token is invalid", errors.UpstreamAuth, 502, None),
    (403, "InvalidSignatureException", "x", errors.UpstreamAuth, 502, None),
    (404, "ResourceNotFoundException", f"No {ARN}", errors.UpstreamRefused, 404, None),
    (408, "ModelTimeoutException", "x", errors.UpstreamTimeout, 504, None),
    (424, "ModelErrorException", "x", errors.UpstreamError, 502, None),
    (429, "ThrottlingException", "Too many requests", errors.UpstreamRateLimited, 429, None),
    (429, "ThrottlingException", "Too many tokens per day", errors.UpstreamQuotaExceeded, 429, None),
    (429, "ModelNotReadyException", "x", errors.UpstreamError, 502, None),
    (500, "InternalServerException", "x", errors.UpstreamError, 502, None),
    (503, "ServiceUnavailableException", "x", errors.UpstreamError, 502, None),
    (403, "", "x", errors.UpstreamAuth, 502, None),
    (418, "TeapotException", "x", errors.UpstreamRefused, 400, None),
]


@pytest.mark.parametrize(("status", "kind", "said", "error", "told", "code"), REFUSALS)
def test_what_aws_says_has_our_names(
    status: int, kind: str, said: str, error: type[WarrenError], told: int, code: str | None
) -> None:
    body = json.dumps({"message": said}).encode()
    named = json.dumps({"__type": f"com.amazon.coral.service#{kind}", "Message": said}).encode()
    header = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/", "retry-after": "3"}
    for made in (Converse().refusal(status, header, body), Converse().refusal(status, {}, named)):
        assert type(made) is error
        assert made.status == told
        assert code is None or made.code == code
        assert "arn:" not in made.message
    assert Converse().refusal(status, header, b"<html>").status == made.status or said in ("Bad.", "x")


def test_what_is_no_error_of_awss_is_one_by_its_status() -> None:
    assert type(Converse().refusal(502, {}, b"<html>")) is errors.UpstreamError
    assert type(Converse().refusal(401, {}, b"")) is errors.UpstreamAuth


@pytest.fixture
async def bedrock() -> AsyncIterator[Fake]:
    async with fake(converse.mount) as made:
        yield made


async def said(one: Endpoint, request: dict[str, Any]) -> list[Any]:
    conversation = Conversation(request, items(request["input"]))
    made = []
    async with connect(Patience(), 4) as upstream:
        call = one.dialect.call(conversation, one.model)
        async with upstream.ask(one, call, time() + 30) as answer:
            reader = one.dialect.reader(conversation)
            async for batch in answer:
                made += [delta for event in batch for delta in reader.feed(event)]
    return made


@pytest.mark.anyio
@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-text-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-text-v1:0",
    ],
)
@pytest.mark.parametrize("keys", [KEYS, "api_key: sk-of-ours"])
async def test_a_signed_call_is_answered(model: str, keys: str, bedrock: Fake) -> None:
    one = reached(f"model: 'bedrock/us-east-1/{model}', api_base: '{bedrock.url}/some/proxy', {keys}")
    deltas = await said(one, USER)
    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == ANSWER
    assert [delta.usage.input_tokens for delta in deltas if isinstance(delta, Tokens)] == [31]
    assert Stop() in deltas
    assert bedrock.refused == []
    assert bedrock.calls[0].model == model


@pytest.mark.anyio
@pytest.mark.parametrize("keys", ["aws_access_key_id: AKIDEXAMPLE, aws_secret_access_key: other", "api_key: other"])
async def test_a_call_with_a_bad_key_is_our_own_affair(keys: str, bedrock: Fake) -> None:
    one = reached(f"model: 'bedrock/{SCRIPT}', api_base: '{bedrock.url}', {keys}")
    with pytest.raises(UpstreamAuth):
        await said(one, USER)
