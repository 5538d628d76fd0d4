"""A run from the job to the outcome: what it is asked with, what it makes of a refusal, how it ends."""

import asyncio
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from tests.worker.staging import ACCOUNT, SEALER, Stage, stage
from warren import ids
from warren.blobs import INLINE
from warren.contracts import Claim, Held, Message, Outcome, Rebuild, Rebuilt, Withdraw
from warren.errors import LedgerUnavailable
from warren.objects import Item

pytestmark = pytest.mark.anyio


def said(role: str, text: str) -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def told(call: Any) -> list[str]:
    """The texts of the messages that the provider was sent."""
    return [str(message["content"]) for message in call.body["messages"]]


def turns(count: int, size: int = 400) -> list[Item]:
    """A conversation whose every message has its number in it."""
    return [said(role, f"{at}{role[0]} " + "x" * size) for at in range(count) for role in ("user", "assistant")]


async def test_a_request_by_itself_asks_the_ledger_nothing() -> None:
    async with stage("words-3") as on:
        outcome = await on.ran(on.job({"model": "words-3"}))
        assert on.answer() == (200, from_json(outcome.response))
        assert outcome.status == "completed"
        assert on.ledger.received == [outcome]


async def test_a_request_that_the_bus_does_not_carry_is_fetched_from_the_ledger() -> None:
    async with stage("words-3") as on:
        job = on.job({"model": "words-3", "input": "long " * 1_000_000})
        outcome = await on.ran(await on.kept(job))
        assert len(on.ledger.all(Withdraw)) == 2
        (call,) = on.upstream.calls
        assert told(call)[-1] == "long " * 1_000_000
        assert int(call.headers["content-length"]) > 5_000_000
        assert "transfer-encoding" not in call.headers
        assert outcome.status == "completed"


async def test_an_outcome_that_the_bus_does_not_carry_is_deposited() -> None:
    async with stage("words-3") as on:
        job = on.job({"model": "words-3", "input": "x" * (INLINE + 1)})
        outcome = await on.ran(job)
        assert outcome.payload == b""
        assert outcome.blob is not None
        data = b"".join(on.ledger.blobs[outcome.blob.name, at] for at in range(outcome.blob.pieces))
        assert from_json(data[: outcome.split])["id"] == job.response_id
        assert len(from_json(data[outcome.split :])[0]["content"][0]["text"]) == INLINE + 1


async def test_what_a_socket_remembers_goes_before_the_input_and_the_ledger_is_not_asked() -> None:
    async with stage("remember") as on:
        request = {"model": "remember", "previous_response_id": "resp_only_there", "store": False}
        before = to_json([said("user", "one"), said("assistant", "two")])
        size = len(to_json({"input": "hi", **request}))
        await on.ran(on.job(request, before=before, split=size))
        assert told(on.upstream.calls[0]) == ["one", "two", "hi"]
        assert not on.ledger.all(Rebuild)


async def test_references_and_history_are_one_question() -> None:
    async with stage("remember") as on:
        history, named = [said("user", "first"), said("assistant", "second")], [said("user", "third")]
        payload = to_json(history)
        on.ledger.rebuilt = Rebuilt(found=True, split=len(payload), payload=payload + to_json(named))
        reference = {"type": "item_reference", "id": "msg_1"}
        outcome = await on.ran(
            on.job({"model": "remember", "input": [reference, said("user", "fourth")]}, conversation="conv_1")
        )
        assert on.ledger.all(Rebuild) == [Rebuild(account=ACCOUNT, conversation="conv_1", references=("msg_1",))]
        assert told(on.upstream.calls[0]) == ["first", "second", "third", "fourth"]
        assert from_json(outcome.input) == [*named, said("user", "fourth")]
        assert outcome.conversation == "conv_1"


async def test_what_is_kept_beside_items_of_the_input_is_asked_for_and_kept_on() -> None:
    thought, unsaid = ids.new("rs"), ids.new("rs")
    given = [
        {"type": "reasoning", "id": thought, "summary": []}, {**said("assistant", "yes"), "id": "own"},
        {"type": "reasoning", "id": unsaid, "summary": [], "encrypted_content": "brought along"},
    ]  # fmt: skip
    async with stage("words-3") as on:
        on.ledger.rebuilt = Rebuilt(found=True, payload=b"[]", kept={thought: '[{"by":"them"}]'})
        outcome = await on.ran(on.job({"model": "words-3", "input": [*given, said("user", "go on")]}))
        assert on.ledger.all(Rebuild) == [Rebuild(account=ACCOUNT, kept=(thought,))]
        assert outcome.kept == {thought: '[{"by":"them"}]'}


async def test_for_items_that_were_not_to_be_stored_the_ledger_is_not_asked() -> None:
    given = [{"type": "reasoning", "id": ids.new("rs"), "summary": []}, said("user", "go on")]
    async with stage("words-3") as on:
        outcome = await on.ran(on.job({"model": "words-3", "input": given, "store": False}))
        assert on.ledger.received == [outcome]


async def test_a_reference_to_nothing_is_not_found() -> None:
    async with stage("words-3") as on:
        on.ledger.rebuilt = Rebuilt(found=True, missing="msg_1")
        await on.ran(on.job({"model": "words-3", "input": [{"type": "item_reference", "id": "msg_1"}]}))
        status, body = on.answer()
        assert (status, body["error"]["message"]) == (404, "Item with id 'msg_1' not found.")
        assert not on.upstream.calls


async def test_a_conversation_that_is_gone_is_not_found() -> None:
    async with stage("words-3") as on:
        await on.ran(on.job({"model": "words-3"}, conversation="conv_1"))
        assert on.answer()[0] == 404


async def test_an_output_without_its_call_is_refused() -> None:
    async with stage("words-3") as on:
        output = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
        await on.ran(on.job({"model": "words-3", "input": [output]}))
        status, body = on.answer()
        assert (status, body["error"]["param"]) == (400, "input")
        assert "call_1" in body["error"]["message"]


async def test_truncation_leaves_out_the_middle_until_the_provider_takes_it() -> None:
    async with stage("short-5") as on:
        request = {"model": "short-5", "input": [*turns(10), said("user", "now")], "truncation": "auto", "stream": True}
        outcome = await on.ran(on.job(request))
        assert outcome.status == "completed"
        assert on.events()[-1]["type"] == "response.completed"
        last = told(on.upstream.calls[-1])
        assert len(last) <= 5
        assert last[0].startswith("0u")
        assert last[-1] == "now"
        assert [call.error for call in outcome.calls] == ["context_length_exceeded"] * (len(outcome.calls) - 1) + [None]


async def test_without_truncation_a_conversation_that_is_too_long_is_refused() -> None:
    async with stage("short-5") as on:
        await on.ran(on.job({"model": "short-5", "input": turns(10)}))
        status, body = on.answer()
        assert (status, body["error"]["code"]) == (400, "context_length_exceeded")
        assert len(on.upstream.calls) == 1


async def test_what_is_known_to_be_too_long_is_refused_without_a_call() -> None:
    async with stage("words-3", info={"max_input_tokens": 500}) as on:
        outcome = await on.ran(on.job({"model": "words-3", "input": turns(10)}))
        status, body = on.answer()
        assert (status, body["error"]["code"], body["error"]["param"]) == (400, "context_length_exceeded", "input")
        assert not on.upstream.calls
        assert outcome.calls == ()


async def test_what_is_known_to_be_too_long_is_cut_beforehand() -> None:
    async with stage("words-3", info={"max_input_tokens": 500}) as on:
        outcome = await on.ran(on.job({"model": "words-3", "input": turns(10), "truncation": "auto"}))
        assert outcome.status == "completed"
        assert len(on.upstream.calls) == 1
        assert len(told(on.upstream.calls[0])) < 20


async def test_a_long_conversation_is_compacted_and_goes_on_from_the_summary() -> None:
    async with stage("words-3") as on:
        request = {
            "model": "words-3", "input": [*turns(10), said("user", "now")], "stream": True,
            "context_management": [{"type": "compaction", "compact_threshold": 1000}],
        }  # fmt: skip
        outcome = await on.ran(on.job(request))
        summary, answer = on.upstream.calls
        assert told(answer)[-2].endswith("c0w0 c0w1 c0w2 ")
        assert told(answer)[-1] == "now"
        assert len(told(answer)) < len(told(summary))
        response = from_json(outcome.response)
        compaction, message = response["output"]
        assert compaction["type"] == "compaction"
        opened = SEALER.open(compaction["encrypted_content"], account=ACCOUNT, purpose="compaction")
        assert opened == b"c0w0 c0w1 c0w2 "
        assert message["content"][0]["text"] == "c1w0 c1w1 c1w2 "
        assert [call.usage_source for call in outcome.calls] == ["reported", "reported"]
        assert on.events()[-1]["response"] == response


async def test_a_short_conversation_is_not_compacted() -> None:
    async with stage("words-3") as on:
        rule = {"type": "compaction", "compact_threshold": 1000}
        await on.ran(on.job({"model": "words-3", "input": turns(1), "context_management": [rule]}))
        assert len(on.upstream.calls) == 1


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"include": ["reasoning.encrypted_content"]}, "include"),
        ({"context_management": [{"type": "compaction", "compact_threshold": 1000}]}, "context_management"),
    ],
)
async def test_without_a_secret_what_must_be_sealed_is_refused(more: Item, param: str) -> None:
    async with stage("words-3", sealer=None) as on:
        await on.ran(on.job({"model": "words-3", "input": turns(10), **more}))
        status, body = on.answer()
        assert (status, body["error"]["param"]) == (400, param)
        assert not on.upstream.calls


async def test_a_foreground_job_is_claimed_at_no_ledger() -> None:
    async with stage("words-3") as on:
        await on.ran(on.job({"model": "words-3", "stream": True}))
        assert not on.ledger.all(Claim)
        assert [event["type"] for event in on.events()][-1] == "response.completed"
        assert isinstance(on.ledger.received[-1], Outcome)


async def test_of_what_the_provider_holds_the_ledger_is_not_asked() -> None:
    async with stage("words-3") as on:
        held = Held(deployment="elsewhere", upstream_id="resp_up")
        on.ledger.rebuilt = Rebuilt(found=True, payload=to_json([said("user", "first")]))
        await on.ran(on.job({"model": "words-3", "previous_response_id": "resp_1"}, held=held))
        assert on.ledger.all(Rebuild) == [Rebuild(account=ACCOUNT, response_id="resp_1")]
        assert told(on.upstream.calls[0]) == ["first", "hi"]


async def test_the_outcome_of_a_conversation_is_in_it_before_the_client_sees_the_end() -> None:
    async with stage("words-3") as on:
        on.ledger.rebuilt = Rebuilt(found=True, payload=b"[]")
        seen: list[int] = []

        async def slow(message: Message) -> None:
            if isinstance(message, Outcome):
                await asyncio.sleep(0.1)
                seen.append(sum(part.size for part, _ in on.parts))

        on.ledger.first = slow
        await on.ran(on.job({"model": "words-3"}, conversation="conv_1"))
        assert seen == [0]
        assert on.answer()[0] == 200


def recording_takes(on: Stage, seconds: float) -> None:
    """Of a conversation, a run waits until its outcome is on record."""
    on.ledger.rebuilt = Rebuilt(found=True, payload=b"[]")

    async def slow(message: Message) -> None:
        if isinstance(message, Outcome):
            await asyncio.sleep(seconds)

    on.ledger.first = slow


async def test_a_sign_of_life_while_the_outcome_waits_comes_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_worker.handler.KEEP_ALIVE", 0.2)
    async with stage("words-3") as on:
        recording_takes(on, 2.5)
        await on.ran(on.job({"model": "words-3", "stream": True}, conversation="conv_1"))
        kinds = [event["type"] for event in on.events()]
        assert "keepalive" in kinds
        assert kinds[-1] == "response.completed"


async def test_a_refusal_whose_outcome_waits_stays_an_http_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_worker.run.HELD_BACK", 0.5)
    async with stage("status-400-999") as on:
        recording_takes(on, 1.0)
        await on.ran(on.job({"model": "status-400-999", "stream": True}, conversation="conv_1"))
        assert on.events() == []
        status, body = on.answer()
        assert (status, body["error"]["type"]) == (400, "invalid_request_error")


async def test_an_outcome_that_the_ledger_does_not_confirm_waits_in_its_queue() -> None:
    async with stage("words-3") as on:
        on.ledger.rebuilt = Rebuilt(found=True, payload=b"[]")
        tries = 0

        async def failing(message: Message) -> None:
            nonlocal tries
            if isinstance(message, Outcome) and (tries := tries + 1) == 1:
                raise LedgerUnavailable("The store cannot be reached.")

        on.ledger.first = failing
        await on.ran(on.job({"model": "words-3"}, conversation="conv_1"))
        assert on.answer()[0] == 200
        assert tries == 2


FORMAT = {"type": "json_schema", "name": "n", "schema": {"type": "object", "required": ["a"]}}


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_does_not_fit_its_schema_fails(stream: bool) -> None:
    async with stage("words-3", info={"supports_response_schema": False}) as on:
        outcome = await on.ran(on.job({"model": "words-3", "text": {"format": FORMAT}, "stream": stream}))
        assert (outcome.status, outcome.error) == ("failed", "invalid_structured_output")
        assert [call.usage_source for call in outcome.calls] == ["reported"]
        if stream:
            *_, error, failed = on.events()
            assert error["code"] == "invalid_structured_output"
            assert failed["response"] == from_json(outcome.response)
        else:
            status, body = on.answer()
            assert (status, body["error"]["code"]) == (502, "invalid_structured_output")


async def test_an_answer_that_fits_its_schema_is_one() -> None:
    async with stage("echo", info={"supports_response_schema": False}) as on:
        request = {"model": "echo", "input": '{"a": 1}', "text": {"format": FORMAT}, "stream": True}
        outcome = await on.ran(on.job(request))
        assert outcome.status == "completed"
        assert on.events()[-1]["type"] == "response.completed"


async def test_a_schema_that_is_none_is_refused() -> None:
    async with stage("echo", info={"supports_response_schema": False}) as on:
        wrong = {**FORMAT, "schema": {"type": "no such type"}}
        await on.ran(on.job({"model": "echo", "text": {"format": wrong}}))
        status, body = on.answer()
        assert (status, body["error"]["param"]) == (400, "text.format.schema")
        assert not on.upstream.calls


async def test_a_stream_of_large_events_goes_in_parts_that_the_bus_carries() -> None:
    async with stage("echo") as on:
        request = {"model": "echo", "input": "x" * 900_000, "stream": True, "instructions": "y" * 3_000_000}
        await on.ran(on.job(request))
        assert [part.number for part, _ in on.parts] == list(range(len(on.parts)))
        assert on.events()[-1]["type"] == "response.completed"
        assert all(part.size <= 5_000_000 for part, _ in on.parts)
        assert sum(part.size for part, _ in on.parts) > 10_000_000
