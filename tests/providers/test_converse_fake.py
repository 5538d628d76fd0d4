"""The fake Bedrock is held to its vendor's ways by the vendor's own SDK, which signs and reads frames."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from anyio import to_thread
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError, EventStreamError  # type: ignore[import-untyped]

from tests.rig.vendors import Fake, converse, fake
from tests.rig.vendors.script import ANSWER, THOUGHT, URLS, Think

pytestmark = pytest.mark.anyio
LOOKUP = {
    "toolSpec": {
        "name": "lookup",
        "description": "Look something up.",
        "inputSchema": {"json": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}},
    }
}
TOOLS = {"toolConfig": {"tools": [LOOKUP]}}
THINKS = {"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}
HI = [{"role": "user", "content": [{"text": "Does it rain?"}]}]
SCRIPTS = ("text", "think", "tool", "parallel", "bare", "loop", "json", "search", "length", "filter", "refuse", "echo",
           "remember", "usage")  # fmt: skip


@pytest.fixture
async def vendor() -> AsyncIterator[Fake]:
    async with fake(converse.mount) as made:
        yield made


@contextmanager
def client(vendor: Fake, key: str = "AKIDEXAMPLE", path: str = "") -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=vendor.url + path,
        aws_access_key_id=key,
        aws_secret_access_key="secretEXAMPLE",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with closing(made):
        yield made


async def called(vendor: Fake, operation: str, key: str = "AKIDEXAMPLE", path: str = "", **given: Any) -> Any:
    def call() -> Any:
        with client(vendor, key, path) as one:
            answer = getattr(one, operation)(**given)
            if operation != "converse_stream":
                return answer
            with closing(answer["stream"]) as events:
                return list(events)

    return await to_thread.run_sync(call)


async def ask(vendor: Fake, script: str, **more: Any) -> Any:
    return await called(vendor, "converse", **{"modelId": f"us.anthropic.claude-{script}-v1:0", "messages": HI, **more})


async def streamed(vendor: Fake, script: str, **more: Any) -> Any:
    given = {"modelId": f"us.anthropic.claude-{script}-v1:0", "messages": HI, **more}
    return await called(vendor, "converse_stream", **given)


def folded(events: list[Any]) -> dict[str, Any]:
    """The blocks that these events make, and how it ended."""
    blocks: dict[int, dict[str, Any]] = {}
    made: dict[str, Any] = {"blocks": blocks}
    for event in events:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": at, "start": start}}:
                blocks[at] = {"name": start["toolUse"]["name"], "input": ""}
            case {"contentBlockDelta": {"contentBlockIndex": at, "delta": delta}}:
                (key,) = delta
                said = delta[key] if isinstance(delta[key], dict) else {key: delta[key]}
                block = blocks.setdefault(at, {})
                for name, value in said.items():
                    block[name] = block[name] + value if name in block else value
            case {"messageStop": {"stopReason": reason}}:
                made["stop"] = reason
            case {"metadata": metadata}:
                made["usage"] = metadata["usage"]
    return made


@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_script_says_the_same_in_a_stream(script: str, vendor: Fake) -> None:
    given: dict[str, Any] = {**(TOOLS if script in ("tool", "parallel", "bare", "loop") else {})}
    given |= THINKS if script in ("think", "loop") else {}
    whole, parts = await ask(vendor, script, **given), folded(await streamed(vendor, script, **given))
    assert (whole["stopReason"], whole["usage"]) == (parts["stop"], parts["usage"])
    said = whole["output"]["message"]["content"]
    assert [block.get("text") for block in said if "text" in block] == [
        block["text"] for block in parts["blocks"].values() if "text" in block and {*block} == {"text"}
    ]
    names = [block["toolUse"]["name"] for block in said if "toolUse" in block]
    assert names == [block["name"] for block in parts["blocks"].values() if "name" in block]
    assert vendor.refused == []


async def test_all_that_can_be_said_is_read(vendor: Fake) -> None:
    thought, redacted, text = folded(await streamed(vendor, "think", **THINKS))["blocks"].values()
    assert thought == {"text": THOUGHT, "signature": Think("").signature}
    assert redacted == {"redactedContent": b"Redacted"}
    assert text == {"text": ANSWER}
    (cited,) = folded(await streamed(vendor, "search"))["blocks"].values()
    assert (cited["text"], cited["location"]["web"]["url"]) == (ANSWER, URLS[0])
    said, use = folded(await streamed(vendor, "tool", **TOOLS))["blocks"].values()
    assert (use["name"], use["input"]) == ("lookup", '{"q": "rain"}')
    assert said == {"text": "Let me look."}


async def test_tokens_are_counted(vendor: Fake) -> None:
    given: Any = {"modelId": "anthropic.claude-text-v1:0", "input": {"converse": {"messages": HI}}}
    answer = await called(vendor, "count_tokens", **given)
    assert answer["inputTokens"] == 31


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("error-400", "ValidationException"),
        ("error-404", "ResourceNotFoundException"),
        ("error-408", "ModelTimeoutException"),
        ("error-424", "ModelErrorException"),
        ("error-429", "ThrottlingException"),
        ("error-500", "InternalServerException"),
        ("error-503", "ServiceUnavailableException"),
        ("error-context", "ValidationException"),
        ("error-key", "UnrecognizedClientException"),
        ("error-quota", "ServiceQuotaExceededException"),
        ("error-overload", "ServiceUnavailableException"),
    ],
)
async def test_its_errors_are_those_of_the_sdk(script: str, kind: str, vendor: Fake) -> None:
    for way in (ask, streamed):
        with pytest.raises(ClientError) as caught:
            await way(vendor, script)
        assert caught.value.response["Error"]["Code"] == kind


async def test_an_error_may_come_inside_of_a_stream(vendor: Fake) -> None:
    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        await streamed(vendor, "inside")


@pytest.mark.parametrize("path", ["", "/a/proxy/of/ours"])
async def test_signatures_are_checked(path: str, vendor: Fake) -> None:
    model = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-text-v1:0"
    answer = await called(vendor, "converse", path=path, modelId=model, messages=HI)
    assert answer["output"]["message"]["content"] == [{"text": ANSWER}]
    with pytest.raises(ClientError) as caught:
        await called(vendor, "converse", "ASIAROLE", path, modelId=model, messages=HI)
    assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"


USED = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "lookup", "input": {}}}]}
RESULT = {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "wet"}]}}]}
FOREIGN = {"reasoningContent": {"reasoningText": {"text": "x", "signature": "b3RoZXI="}}}


@pytest.mark.parametrize(
    "given",
    [
        {"messages": [{"role": "assistant", "content": [{"text": "x"}]}]},
        {"messages": [*HI, *HI]},
        {"messages": [{"role": "user", "content": [{"text": " "}]}]},
        {"messages": [*HI, USED, RESULT]},
        {"messages": [*HI, USED], **TOOLS},
        {"messages": [*HI, USED, {"role": "user", "content": [{"text": "x"}]}], **TOOLS},
        {"messages": [*HI, {"role": "assistant", "content": [FOREIGN, {"text": "x"}]}, *HI]},
        {"inferenceConfig": {"temperature": 1.5}},
        {"inferenceConfig": {"temperature": 0.5}, **THINKS},
        {"toolConfig": {"tools": [LOOKUP], "toolChoice": {"any": {}}}, **THINKS},
    ],
)
async def test_what_bedrock_refuses_is_refused(given: dict[str, Any], vendor: Fake) -> None:
    with pytest.raises(ClientError) as caught:
        await ask(vendor, "text", **given)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert len(vendor.refused) == 1
