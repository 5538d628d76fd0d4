"""What travels on the bus keeps its form: every kind has the bytes of its first release here, and they still decode.

A golden file is never changed. A new field has a default, so the old bytes lack it and mean the same.
"""

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from warren import contracts
from warren.contracts import (
    AddItems,
    AddParty,
    AnyMessage,
    Ask,
    Begun,
    Blob,
    Calls,
    CallsOf,
    Cancel,
    CancelBackground,
    ChangeParty,
    Check,
    Checked,
    Chunks,
    Claim,
    Claimed,
    ConversationState,
    Cooldown,
    Correction,
    CostLine,
    Delete,
    DeleteConversation,
    Deleted,
    DeleteItem,
    Deposit,
    Done,
    Enter,
    Entered,
    Failed,
    Fault,
    Fetch,
    FetchConversation,
    Fetched,
    FetchItem,
    FindParty,
    Flag,
    Gauge,
    Head,
    Held,
    Identified,
    Identify,
    Inspect,
    Job,
    Leave,
    Limits,
    ListCalls,
    ListCharges,
    ListConversations,
    ListInputs,
    ListItems,
    ListParties,
    ListResponses,
    Locate,
    Located,
    Logged,
    Message,
    Open,
    OpenConversation,
    Opened,
    Outcome,
    Page,
    Part,
    Party,
    PartyState,
    Payer,
    Permit,
    Permitted,
    Ping,
    Pong,
    Price,
    Pulse,
    Rebuild,
    Rebuilt,
    Recorded,
    Recount,
    Release,
    RemoveParty,
    ReportSpend,
    Reprice,
    Reservation,
    Reserve,
    Reserved,
    Resume,
    Revoked,
    Slice,
    Survey,
    Surveyed,
    Tail,
    Tailed,
    Traffic,
    Turn,
    Undecodable,
    Unreserve,
    UpdateConversation,
    UpstreamCall,
    Usage,
    Want,
    Withdraw,
    decode,
    encode,
)

GOLDEN = Path(__file__).parent / "golden"
KINDS: list[type[Message]] = list(get_args(get_args(AnyMessage)[0]))
ID, ATTEMPT, CONVERSATION = "resp_0ch3k5q0", "att_0ch3k5q1", "conv_0ch3k5q2"
PRICE = Price(
    cost=Decimal("0.00105"),
    provider_cost=Decimal("0.00095"),
    cost_lines=(
        CostLine("input", Decimal(100), Decimal("0.00001")),
        CostLine("discount", Decimal("0.001"), Decimal("-0.05")),
        CostLine("fee", Decimal(1), Decimal("0.0001")),
    ),
    price_source="prices.json",
    price_date="2026-11-20",
)
REPRICED = UpstreamCall(
    call_id="att_1.1",
    deployment="gpt-5-0123456789ab",
    provider="openai",
    model="gpt-5",
    started_at=1763000000.25,
    seconds=1.5,
    status=200,
    usage=Usage(input_tokens=100),
    usage_source="reported",
    search_size="low",
    region="eu",
    unpriced=("input",),
).priced(PRICE)
COOLDOWN = Cooldown(deployment="gpt-5-0123456789ab", until=1763000600.25, code="insufficient_quota")
CHECK = Check(
    deployment="gpt-5-0123456789ab",
    up=False,
    at=1763000000.25,
    until=1763000600.25,
    seconds=1.5,
    code="upstream_auth",
    status=401,
)

KEY = Party(
    what="key",
    id="key_0ch3k5q0",
    account="acme",
    alias="ci",
    hint="sk-...1234",
    models=("gpt-5", "openai/*"),
    routes=("/responses",),
    rpm_limit=1,
    tpm_limit=2,
    max_parallel_requests=3,
    max_budget=Decimal("10.50"),
    budget_duration="30d",
    expires=1763000600.25,
    blocked=True,
    tags=("a",),
    metadata={"$a.b": {"": [1]}},
    created_at=1763000000.25,
    updated_at=1763000001.25,
)

MESSAGES: list[Message] = [
    Job(
        response_id=ID,
        account="acme",
        plan=("gpt-5-0123456789ab", "gpt-5-ba9876543210"),
        reply_to="inbox.gateway_1",
        stream=True,
        created_at=1763000000.25,
        deadline=1763000600.25,
        held=Held(deployment="gpt-5-0123456789ab", upstream_id="resp_68af"),
        again=True,
        payload=b'{"model":"gpt-5","input":"line\\nline"}\n\x00',
    ),
    Chunks(
        parts=(
            Part(ID, ATTEMPT, 0, 0, 1, 5, 0, Head(status=200, worker="inbox.worker_1", deployment="d", tries=2)),
            Part(ID, ATTEMPT, 1, 2, 7, 4, int(Flag.CONTENT | Flag.LAST)),
            Part("resp_other", ATTEMPT, 3, 0, -1, 0, int(Flag.ECHO), Head(headers={"a": "b"}, worker="w")),
        ),
        payload=b"ev\n\nxda\nt",
    ),
    Resume(reply_to="inbox.gateway_1", wants=(Want(ID, ATTEMPT, 7), Want("resp_other", None, 0))),
    Claim(response_id=ID, account="acme", attempt=ATTEMPT),
    Claimed(verdict="ended", sequence=2, payload=b'{"id":"resp_0ch3k5q0"}'),
    Outcome(
        response_id=ID,
        account="acme",
        attempt=ATTEMPT,
        status="completed",
        store=True,
        model="gpt-5",
        created_at=1763000000.25,
        ended_at=1763000001.5,
        split=6,
        previous_response_id="resp_before",
        deployment="gpt-5-0123456789ab",
        upstream_id="resp_68af",
        error="interrupted",
        calls=(
            UpstreamCall(
                call_id=f"{ATTEMPT}.1",
                deployment="gpt-5-0123456789ab",
                provider="openai",
                model="gpt-5",
                started_at=1763000000.5,
                seconds=0.75,
                first_event_seconds=0.25,
                status=200,
                error="upstream_truncated",
                upstream_request_id="req_1",
                usage=Usage(input_tokens=9, cached_tokens=4, cache_write_tokens=1, output_tokens=3, reasoning_tokens=2),
                usage_source="reported",
                cost=Decimal("0.000012300"),
            ),
        ),
        payload=b'{"a":1}[{"b":2}]'.replace(b"1", b""),
    ),
    Recorded(won=False, status="completed"),
    Locate(response_id=ID, account="acme"),
    Located(found=True, status="completed", held=Held(deployment="d", upstream_id="u")),
    Fetch(response_id=ID, account="acme"),
    Fetched(found=True, payload=b'{"id":"resp_0ch3k5q0"}'),
    Rebuild(response_id=ID, account="acme"),
    Rebuilt(found=True, hole="resp_gone", payload=b"[]"),
    Delete(response_id=ID, account="acme"),
    Deleted(found=True),
    Cancel(response_id=ID, attempt=ATTEMPT),
    Ping(),
    Pong(states={"store": "up"}),
    Fault(
        status=429,
        detail={"message": "No.", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"},
        retry_after=2.5,
    ),
    Open(
        response_id=ID,
        account="acme",
        provider="openai",
        background=True,
        key="5f2d",
        fingerprint="9a3c",
        payload=b'{"kind":"job"}\n{}',
    ),
    Opened(verdict="known", response_id=ID),
    Tail(response_id=ID, account="acme", after=7),
    Tailed(
        found=True,
        kept=True,
        background=True,
        stream=True,
        parts=(Part(ID, ATTEMPT, 1, 2, 7, 4, int(Flag.CONTENT | Flag.LAST)),),
        payload=b"da\nt",
    ),
    Logged(response_ids=(ID, "resp_other")),
    CancelBackground(response_id=ID, account="acme"),
    ListInputs(response_id=ID, account="acme", limit=5, ascending=True, after="msg_1"),
    ListResponses(
        account="acme",
        limit=5,
        ascending=True,
        after=ID,
        model="gpt-5",
        status="failed",
        conversation=CONVERSATION,
        metadata={"team": "a.b$c"},
        created_after=1763000000.25,
        created_before=1763000600.25,
    ),
    Page(found=True, has_more=True, first_id="msg_1", last_id="msg_2", payload=b"[{},{}]"),
    OpenConversation(
        conversation_id=CONVERSATION, account="acme", created_at=1763000000.25, metadata={"a": "b"}, payload=b"[{}]"
    ),
    FetchConversation(conversation_id=CONVERSATION, account="acme"),
    UpdateConversation(conversation_id=CONVERSATION, account="acme", metadata={"a": "b"}),
    DeleteConversation(conversation_id=CONVERSATION, account="acme"),
    ConversationState(found=True, created_at=1763000000.25, metadata={"a": "b"}),
    AddItems(conversation_id=CONVERSATION, account="acme", request_id="add_1", payload=b"[{}]"),
    ListItems(conversation_id=CONVERSATION, account="acme", limit=5, ascending=True, after="msg_1"),
    FetchItem(conversation_id=CONVERSATION, account="acme", item_id="msg_1"),
    DeleteItem(conversation_id=CONVERSATION, account="acme", item_id="msg_1"),
    Enter(conversation_id=CONVERSATION, account="acme", response_id=ID, until=1763000600.25),
    Entered(verdict="locked"),
    Leave(conversation_id=CONVERSATION, account="acme", response_id=ID),
    Deposit(response_id=ID, account="acme", name="request", number=1, until=1763000600.25, payload=b"\n\x00"),
    Withdraw(response_id=ID, account="acme", name="request", number=1),
    Done(),
    Ask(
        what="compact",
        response_id="cmpr_1",
        account="acme",
        plan=("gpt-5-0123456789ab",),
        created_at=1763000000.25,
        deadline=1763000600.25,
        held=Held(deployment="d", upstream_id="u"),
        conversation=CONVERSATION,
        blob=Blob(name="request", size=9, sha256="00", pieces=1),
        payload=b"{}",
    ),
    Identify(digests=("5f2d", "9a3c")),
    Identified(key=KEY, account=Party(what="account", id="acme", blocked=True), any=True),
    FindParty(what="end_user", names=("alice",)),
    PartyState(party=KEY, any=False, spent=Decimal("0.1"), reserved=Decimal("1E-9"), resets_at=1763000600.25),
    AddParty(party=KEY, digest="5f2d"),
    ChangeParty(what="key", names=("5f2d",), changes={"max_budget": "1.5", "$set": None}, digest="9a3c", make=True),
    RemoveParty(what="account", names=("acme",)),
    ListParties(what="key", account="acme", limit=5, after="key_0ch3k5q0"),
    ListConversations(account="acme", limit=5, after="conv_0ch3k5q0"),
    ReportSpend(by=("day", "model"), first="2026-11-01", last="2026-11-30", where={"user": "alice"}, limit=50),
    ListCharges(where={"account": "acme"}, since=1794000000.0, until=1794086400.0, after="resp_0ch3k5q0", limit=5),
    ListCalls(since=1794000000.0, until=1794086400.0, after="resp_0ch3k5q0", limit=5),
    Calls(responses=(CallsOf(response_id=ID, calls=(REPRICED,), corrections=1),), has_more=True, last_id=ID),
    Reprice(corrections=(Correction(response_id=ID, number=2, at=1794000000.25, prices={"att_1.1": PRICE}),)),
    Inspect(response_id=ID, account="acme"),
    Traffic(
        address="inbox.ledger_1",
        slices=(
            Slice(
                at=1763000000,
                requests=3,
                failed=1,
                background=1,
                input_tokens=9,
                output_tokens=3,
                cost=Decimal("0.000012300"),
                seconds={80: 1, 91: 1},
                first={63: 2},
                errors={"interrupted": 1},
                refused={"rate_limit_exceeded": 2},
            ),
        ),
    ),
    Recount(),
    Revoked(what="key", ids=("key_0ch3k5q0",)),
    Reserve(
        response_id=ID,
        until=1763000600.25,
        reservations=(
            Reservation(budget="key:key_0ch3k5q0", amount=Decimal("0.25"), limit=Decimal(10), duration="30d"),
            Reservation(budget="deployment:d", amount=Decimal("0.25"), limit=Decimal(1), needed=False),
        ),
    ),
    Reserved(refused=("deployment:d",)),
    Unreserve(response_id=ID, budgets=("key:key_0ch3k5q0",), limits=("key:key_0ch3k5q0",)),
    Pulse(
        address="inbox.worker_1",
        service="worker",
        version="0.1.0",
        slots=256,
        in_flight=2,
        gauges=(
            Gauge(
                deployment="gpt-5-0123456789ab",
                in_flight=1,
                requests=12,
                succeeded=11,
                tokens=3456,
                first_event=0.25,
                per_token=0.0125,
                samples=11,
            ),
        ),
    ),
    Failed(
        deployment="gpt-5-0123456789ab",
        address="inbox.worker_1",
        status=429,
        code="rate_limit_exceeded",
        retry_after=2.5,
    ),
    COOLDOWN,
    Checked(checks=(CHECK,)),
    Turn(name="health of openai", seconds=300.0),
    Survey(),
    Surveyed(cooldowns=(COOLDOWN,), checks=(CHECK,)),
    Permit(
        permit_id="permit_1",
        deployment="gpt-5-0123456789ab",
        limits=Limits(rpm=60, tpm=10_000, parallel=4),
        tokens=120,
        granted=True,
    ),
    Permitted(granted=False, seconds=60.0, retry_after=2.5),
    Release(permit_id="permit_1", deployment="gpt-5-0123456789ab", tokens=345),
    Begun(
        response_id=ID,
        account="acme",
        attempt=ATTEMPT,
        worker="inbox.worker_1",
        model="gpt-5",
        created_at=1763000000.25,
        deadline=1763000600.25,
        payer=Payer(key="key_1", end_user="alice", tags=("a",), budgets=("key:key_1",)),
        calls=(
            UpstreamCall(
                call_id=f"{ATTEMPT}.1",
                deployment="gpt-5-0123456789ab",
                provider="openai",
                model="gpt-5",
                started_at=1763000000.5,
                seconds=0.0,
                usage=Usage(input_tokens=9, output_tokens=1),
                usage_source="estimated",
                cost=Decimal("0.00002125"),
                cost_lines=(
                    CostLine("input", Decimal(9), Decimal("0.00000125")),
                    CostLine("output", Decimal(1), Decimal("0.00001")),
                ),
                price_source="config",
            ),
        ),
    ),
]


def of_kind(message: Message) -> str:
    return message.kind


def test_every_kind_has_a_golden_file() -> None:
    kinds = {kind.model_fields["kind"].default for kind in KINDS}
    assert kinds == {message.kind for message in MESSAGES} == {path.name for path in GOLDEN.iterdir()}


def test_every_message_of_the_module_is_in_the_union() -> None:
    found = {kind for kind in vars(contracts).values() if isinstance(kind, type) and issubclass(kind, Message)}
    assert found - {Message} == set(KINDS)


@pytest.mark.parametrize("message", MESSAGES, ids=of_kind)
def test_the_bytes_of_the_first_release_still_say_the_same(message: Message) -> None:
    assert decode((GOLDEN / message.kind).read_bytes()) == message


@pytest.mark.parametrize("message", MESSAGES, ids=of_kind)
def test_what_is_encoded_decodes_to_the_same(message: Message) -> None:
    again = decode(encode(message))
    assert again == message
    assert type(again) is type(message)
    assert again.payload == message.payload


@pytest.mark.parametrize("message", MESSAGES, ids=of_kind)
def test_the_header_is_one_line_that_never_holds_the_payload(message: Message) -> None:
    header, _, payload = encode(message).partition(b"\n")
    assert from_json(header)["kind"] == message.kind
    assert "payload" not in from_json(header)
    assert payload == message.payload


@pytest.mark.parametrize("message", MESSAGES, ids=of_kind)
def test_what_a_newer_sender_adds_is_ignored(message: Message) -> None:
    header, end, payload = (GOLDEN / message.kind).read_bytes().partition(b"\n")
    assert decode(to_json(_grown(from_json(header))) + end + payload) == message


def _grown(value: object, *, tuples: bool = False) -> object:
    """As a newer sender might write it: one more field in every object, one more place in every tuple of places."""
    match value:
        case dict():
            free = (
                "headers", "states", "detail", "metadata", "where", "prices", "tools", "seconds", "first", "errors",
                "refused",
            )  # fmt: skip  # free mappings hold what they hold
            grown = {
                key: inner if key in free else _grown(inner, tuples=key in ("parts", "wants", "cost_lines"))
                for key, inner in value.items()
            }
            return grown | {"new_field": {"deep": [1]}}
        case list() if tuples:
            return [[*(_grown(inner) for inner in one), "new"] for one in value]
        case list():
            return [_grown(inner) for inner in value]
        case _:
            return value


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Ping(), "payload", b"x")  # noqa: B010  # the type checker sees it, too


def test_chunks_split_into_their_parts() -> None:
    chunks = decode((GOLDEN / "chunks").read_bytes())
    assert isinstance(chunks, Chunks)
    assert [(part.number, data) for part, data in chunks.split()] == [(0, b"ev\n\nx"), (1, b"da\nt"), (3, b"")]


def test_an_outcome_splits_into_response_and_input() -> None:
    outcome = decode((GOLDEN / "outcome").read_bytes())
    assert isinstance(outcome, Outcome)
    assert (outcome.response, outcome.input) == (b'{"a":}', b'[{"b":2}]')


@pytest.mark.parametrize(
    ("store", "conversation", "status", "kept"),
    [
        (True, None, "completed", True), (True, None, "failed", True), (False, None, "completed", False),
        (False, "conv_1", "completed", True), (False, "conv_1", "failed", False),
    ],
)  # fmt: skip
def test_beside_items_is_kept_what_belongs_to_those_that_are(
    store: bool, conversation: str | None, status: str, kept: bool
) -> None:
    job = decode((GOLDEN / "job").read_bytes()).model_copy(update={"conversation": conversation})
    assert isinstance(job, Job)
    said = {"id": ID, "status": status, "output": []}
    made = Outcome.of(
        job, {"model": "m", "store": store}, said, attempt=ATTEMPT, kept={"rs_1": [{"by": "them", "data": "é\n"}]}
    )
    assert made.kept == ({"rs_1": '[{"by":"them","data":"é\\n"}]'} if kept else {})
    assert decode(encode(made)) == made
    assert "them" not in repr(made)


def test_of_too_much_that_is_kept_the_newest_stays() -> None:
    kept = {"a": "12", "b": "345", "c": "6"}
    assert list(contracts.newest(kept, 6)) == ["a", "b", "c"]
    assert list(contracts.newest(kept, 5)) == ["b", "c"]
    assert list(contracts.newest(kept, 3)) == ["c"]


def test_money_is_exact() -> None:
    for cost in ("0.1", "0.000001230", "12345678901234567890.123456789", "0E-10"):
        call = UpstreamCall(
            call_id="a.1", deployment="d", provider="p", model="m", started_at=0, seconds=0, cost=Decimal(cost)
        )
        outcome = MESSAGES[5].model_copy(update={"calls": (call,)})
        again = decode(encode(outcome))
        assert isinstance(again, Outcome)
        assert str(again.calls[0].cost) == cost


@pytest.mark.parametrize(
    ("costs", "charge"),
    [
        ([], "0"),
        (["0.1", "0.2"], "0.3"),
        (["0.1", "nothing came of it"], "0.1"),
        (["nothing came of it"], "0"),
        (["0.1", "unknown"], None),
        (["unknown", "nothing came of it"], None),
        (["0"], "0"),
    ],
)
def test_a_response_costs_what_its_calls_do_together(costs: list[str], charge: str | None) -> None:
    calls = [
        UpstreamCall(
            call_id=f"a.{number}", deployment="d", provider="p", model="m", started_at=0, seconds=0,
            usage=None if cost == "nothing came of it" else Usage(input_tokens=1),
            cost=Decimal(cost) if cost[0].isdigit() else None,
        )
        for number, cost in enumerate(costs, 1)
    ]  # fmt: skip
    made = MESSAGES[5].model_copy(update={"calls": tuple(calls)})
    assert isinstance(made, Outcome)
    assert made.charge == (None if charge is None else Decimal(charge))


def test_a_prompt_does_not_show_in_a_log() -> None:
    assert "nline" not in repr(MESSAGES[0])


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n",
        b"\n\n{}",
        b"{}",
        b"null",
        b"[]",
        b"[]\nx",
        b"1\nx",
        b'"ping"',
        b'{"kind":"nobody knows"}',
        b'{"kind":null}',
        b'{"kind":"claim"}',
        b'{"kind":"claim","response_id":1,"account":"a","attempt":"b"}',
        b'{"kind":"chunks","parts":[["r"]]}',
        b'{"kind":"chunks","parts":[7]}',
        b'{"kind":"resume","reply_to":"a","wants":{}}',
        b'{"kind":"ping"',
        b"[" * 5000,
        b"\xff\xfe",
        bytes(range(256)),
    ],
)
def test_garbage_is_undecodable_and_not_repeated(garbage: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(garbage)
    assert str(caught.value) == "not a message"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(body)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_cut_message_is_a_message_or_undecodable(tail: bytes, at: int) -> None:
    whole = encode(MESSAGES[0])[:at] + tail
    with suppress(Undecodable):
        assert isinstance(decode(whole), Message)


@given(st.binary())
def test_any_payload_arrives_as_it_was(payload: bytes) -> None:
    assert decode(encode(Fetched(found=True, payload=payload))).payload == payload
