"""The contract of blobs in the store, and of records that are in them: every test runs against both."""

from datetime import timedelta
from hashlib import sha256

import pytest

from tests.ledger.making import ACCOUNT, Clock, fresh, line, outcome
from warren.contracts import Blob, Deposit, Outcome
from warren.errors import ContextLengthExceeded
from warren_ledger import store as port
from warren_ledger.store import Store
from warren_ledger.store.blobs import content

pytestmark = pytest.mark.anyio


def piece(response_id: str, number: int, data: bytes, until: float, name: str = "outcome") -> Deposit:
    return Deposit(response_id=response_id, account=ACCOUNT, name=name, number=number, until=until, payload=data)


async def deposited(store: Store, one: Outcome, until: float) -> Outcome:
    """This outcome, its payload in two pieces of the store."""
    half = len(one.payload) // 2
    for number, data in enumerate((one.payload[:half], one.payload[half:])):
        await store.blobs.deposit(piece(one.response_id, number, data, until))
    blob = Blob(name="outcome", size=len(one.payload), sha256=sha256(one.payload).hexdigest(), pieces=2)
    return one.model_copy(update={"payload": b"", "blob": blob})


async def test_a_piece_is_there_for_its_account_and_its_time(store: Store, clock: Clock) -> None:
    id_ = fresh()
    await store.blobs.deposit(piece(id_, 0, b"data", clock() + 60))
    assert await store.blobs.withdraw(id_, ACCOUNT, "outcome", 0) == b"data"
    assert await store.blobs.withdraw(id_, "other", "outcome", 0) is None
    assert await store.blobs.withdraw(id_, ACCOUNT, "request", 0) is None
    assert await store.blobs.withdraw(id_, ACCOUNT, "outcome", 1) is None
    clock.ahead = 61
    assert await store.blobs.withdraw(id_, ACCOUNT, "outcome", 0) is None


async def test_pieces_are_whole_only_together(store: Store, clock: Clock) -> None:
    one = await deposited(store, outcome(), clock() + 60)
    assert one.blob is not None
    assert len(await content(store.blobs, one.response_id, ACCOUNT, one.blob) or b"") == one.blob.size
    more = one.blob.model_copy(update={"pieces": 3, "sha256": "0"})
    assert await content(store.blobs, one.response_id, ACCOUNT, more) is None


async def test_a_record_in_a_blob_reads_like_any_other(store: Store, clock: Clock) -> None:
    first, second = line(2)
    for one in (await deposited(store, first, clock() + 60), second):
        assert [answer.won for answer in await store.put([one, one])] == [True, True]
    record = await store.find(first.response_id, ACCOUNT, content=True)
    assert record is not None
    assert (record.body, record.input, record.kept) == (first.response, first.input, True)
    lean = await store.find(first.response_id, ACCOUNT)
    assert lean is not None
    assert lean.body is None
    chain = await store.chain(second.response_id, ACCOUNT)
    assert chain is not None
    assert [(turn.body, turn.input) for turn in chain.turns] == [(one.response, one.input) for one in (first, second)]


async def test_a_blob_lives_and_dies_with_its_record(store: Store, clock: Clock) -> None:
    one = outcome()
    await store.put([await deposited(store, one, clock() + 60)])
    clock.ahead = timedelta(days=1).total_seconds()
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert record.body == one.response
    assert await store.delete(one.response_id, ACCOUNT)
    assert await store.blobs.withdraw(one.response_id, ACCOUNT, "outcome", 0) is None
    clock.ahead = port.KEEP.total_seconds() + 1
    assert await store.find(one.response_id, ACCOUNT) is None


async def test_what_a_record_is_in_is_not_written_over(store: Store, clock: Clock) -> None:
    one = outcome()
    await store.blobs.deposit(piece(one.response_id, 0, b"of an attempt that died", clock() + 60))
    await store.put([await deposited(store, one, clock() + 60)])
    await store.blobs.deposit(piece(one.response_id, 0, b"late", clock() + 60))
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert record.body == one.response


async def test_content_that_is_not_what_it_was_is_not_shown(store: Store, clock: Clock) -> None:
    one = await deposited(store, outcome(), clock() + 60)
    await store.blobs.deposit(piece(one.response_id, 1, b"another's", clock() + 60))
    await store.put([one])
    record = await store.find(one.response_id, ACCOUNT, content=True)
    assert record is not None
    assert (record.body, record.input) == (None, None)


async def test_blobs_count_in_the_size_of_a_chain(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mongo", "sqlite"):
        monkeypatch.setattr(f"warren_ledger.store.{module}.MAX_HISTORY", 1000)
    one = outcome(said=b'["' + b"x" * 1000 + b'"]')
    await store.put([await deposited(store, one, clock() + 60)])
    with pytest.raises(ContextLengthExceeded):
        await store.chain(one.response_id, ACCOUNT)


async def test_a_blob_of_what_is_not_stored_goes_in_its_time(store: Store, clock: Clock) -> None:
    one = await deposited(store, outcome(store=False), clock() + 60)
    assert (await store.put([one]))[0].won
    assert await store.blobs.withdraw(one.response_id, ACCOUNT, "outcome", 0) is not None
    clock.ahead = 61
    assert await store.blobs.withdraw(one.response_id, ACCOUNT, "outcome", 0) is None
