"""Converse against golden files: a conversation and the call it makes; events and the answer they make.

The files were read before they were kept. Calls are also held against what the vendor's own SDK sends for them.
"""

import json
from base64 import b64decode
from copy import deepcopy
from functools import cache
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from tests.rig.legal import TERMINAL, check_stream
from tests.rig.vendors.converse_rules import check, model
from tests.worker.goldens import conversation, golden
from tests.worker.telling import REQUEST, assembler, wire
from warren import sse
from warren.errors import WarrenError
from warren.objects import items
from warren_worker.dialect import Conversation, Counting
from warren_worker.dialects.converse import Converse
from warren_worker.facts import Facts
from warren_worker.parameters import NAMES

Item = dict[str, Any]


def dialect(case: Item) -> Converse:
    facts: Any = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in case.get("facts", {}).items()}
    return Converse(Facts(**facts), case.get("vendor", "anthropic"))


@pytest.mark.parametrize("case", golden("bedrock", "calls"))
def test_a_conversation_becomes_a_call(case: Item) -> None:
    before = to_json(case["request"])
    made = dialect(case).call(conversation(case), case["model"])
    assert (made.path, made.body, made.schema) == (case["path"], case["body"], case.get("schema"))
    assert to_json(case["request"]) == before


@pytest.mark.parametrize("case", golden("bedrock", "calls"))
def test_a_call_is_one_that_the_vendor_takes(case: Item) -> None:
    kept = [one for given_ in case.get("kept", {}).values() for one in given_ if one["by"] == "anthropic"]
    signatures = [one["block"]["signature"] for one in kept if "signature" in one.get("block", {})]
    check("ConverseStream", case["model"], case["body"], frozenset(signatures))


@pytest.mark.parametrize("case", golden("bedrock", "calls"))
def test_a_call_is_what_the_vendors_sdk_sends(case: Item) -> None:
    shape = model().operation_model("ConverseStream").input_shape
    path, body = sent_by_sdk(modelId=case["model"], **given_to_sdk(shape, case["body"]))
    assert (path, body) == (case["path"], case["body"])


@cache
def sdk() -> Any:
    return boto3.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id="A", aws_secret_access_key="s")


def sent_by_sdk(**asked: Any) -> tuple[str, Item]:
    """Path and body of what boto3 would send."""
    caught: list[Any] = []

    def catch(request: Any, **_: Any) -> AWSResponse:
        caught.append(request)
        return AWSResponse(request.url, 418, {}, None)

    sdk().meta.events.register_first("before-send.bedrock-runtime", catch, "catch")
    try:
        sdk().converse_stream(**asked)
    except AttributeError:
        pass  # that was no answer
    finally:
        sdk().meta.events.unregister("before-send.bedrock-runtime", catch, "catch")
    return caught[0].url.partition(".amazonaws.com")[2], json.loads(caught[0].body)


def given_to_sdk(shape: Any, value: Any) -> Any:
    """The same for a programmer, for whom bytes are bytes."""
    match shape.type_name:
        case "structure" if isinstance(value, dict) and shape.members:
            return {name: given_to_sdk(shape.members[name], inner) for name, inner in value.items()}
        case "list":
            return [given_to_sdk(shape.member, inner) for inner in value]
        case "blob":
            return b64decode(value)
        case _:
            return value


def events(case: Item) -> list[sse.Event]:
    """Text stands for itself."""
    return [sse.Event(name, data.encode() if isinstance(data, str) else to_json(data)) for name, data in case["events"]]


def outcome(case: Item) -> Item:
    """What an answer of these events comes to; its stream must be legal."""
    one = assembler({**REQUEST, **case.get("asks", {})}, read=10)
    sent = wire(one.start())
    error: WarrenError | None = None
    try:
        reader = dialect(case).reader(Conversation(REQUEST, []))
        for event in events(case):
            for delta in reader.feed(event):
                sent += wire(one.feed(delta))
        sent += wire(one.finish(at=9))
    except WarrenError as failed:
        error = failed
        sent += wire(one.fail(failed))
    final = check_stream(sent)
    return {
        "status": final["status"],
        "error": None if error is None else {"kind": type(error).__name__, "status": error.status, **error.detail()},
        "incomplete_details": final["incomplete_details"],
        "output": final["output"],
        "kept": one.kept,
        "usage": final["usage"],
        "usage_source": one.usage_source,
        "service_tier": final.get("service_tier"),
    }


@pytest.mark.parametrize("case", golden("bedrock", "answers"))
def test_an_answer_becomes_a_response(case: Item) -> None:
    assert outcome(case) == case["outcome"]


@pytest.mark.parametrize("vendor", ["anthropic", "amazon", "openai", "deepseek", "nobody"])
def test_every_parameter_has_its_treatment(vendor: str) -> None:
    assert Converse(vendor=vendor).parameters.keys() == NAMES.keys()


def test_tokens_are_counted_by_the_model_wherever_it_runs() -> None:
    one: Counting = Converse()
    call = one.count(Conversation({**REQUEST, "temperature": 0.5}, items("hi")), "us.anthropic.claude-x-v1:0")
    assert call.path == "/model/anthropic.claude-x-v1%3A0/count-tokens"
    messages = [{"role": "user", "content": [{"text": "hi"}]}]
    assert call.body == {"input": {"converse": {"messages": messages}}}
    check("CountTokens", "anthropic.claude-x-v1:0", call.body, frozenset())
    assert one.counted({"inputTokens": 7}) == 7


ANSWERS: list[Item] = [param.values[0] for param in golden("bedrock", "answers")]
JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@given(data=st.data())
def test_no_event_brings_a_reader_down(data: st.DataObject) -> None:
    """Whatever is wrong with an answer, its stream is legal, and what is wrong with it has a name."""
    case = deepcopy(data.draw(st.sampled_from(ANSWERS)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(case["events"]) - 1))
        match data.draw(st.sampled_from(["drop", "again", "swap", "spoil"])):
            case "drop" if len(case["events"]) > 1:
                del case["events"][at]
            case "again":
                case["events"].insert(at, case["events"][at])
            case "swap":
                other = data.draw(st.integers(0, len(case["events"]) - 1))
                case["events"][at], case["events"][other] = case["events"][other], case["events"][at]
            case _:
                name, payload = case["events"][at]
                case["events"][at] = [name, spoiled(data, payload)]
    assert outcome(case)["status"] in set().union(*TERMINAL.values())


def spoiled(data: st.DataObject, value: Any) -> Any:
    """The same, with something else somewhere in it."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: spoiled(data, value[key])}
    return data.draw(JUNK)
