"""Both stores against a dictionary: whatever comes in whatever order, they agree."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.making import outcome
from warren import ids
from warren.contracts import Claim, Outcome, Recorded
from warren_ledger.store import OPEN, Store

pytestmark = pytest.mark.anyio

RESPONSES = st.sampled_from("abc")
ATTEMPTS = st.sampled_from(["", "1", "2"])
PUT = st.lists(
    st.tuples(RESPONSES, ATTEMPTS, st.sampled_from(["completed", "failed"]), st.booleans()), min_size=1, max_size=4
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), PUT),
        st.tuples(st.just("claim"), RESPONSES, ATTEMPTS.filter(bool)),
        st.tuples(st.just("delete"), RESPONSES),
        st.tuples(st.just("again"), st.integers(0, 3)),
    ),
    max_size=12,
)


class Model:
    """What a store does, said as simply as it can be."""

    def __init__(self) -> None:
        self.rows: dict[str, str | Outcome] = {}
        self.kept: set[str] = set()

    def put(self, outcomes: Iterable[Outcome]) -> list[Recorded]:
        return [self._put(one) for one in outcomes]

    def _put(self, one: Outcome) -> Recorded:
        row = self.rows.get(one.response_id)
        if isinstance(row, Outcome):
            return Recorded(won=row.ended_at == one.ended_at, status=row.status)
        if row is not None and one.attempt not in {"", row}:
            return Recorded(won=False, status=OPEN)
        self.rows[one.response_id] = one
        if one.store:
            self.kept.add(one.response_id)
        return Recorded(won=True, status=one.status)

    def claim(self, claim: Claim) -> Outcome | None:
        row = self.rows.get(claim.response_id)
        if isinstance(row, Outcome):
            return row
        self.rows[claim.response_id] = claim.attempt
        return None

    def delete(self, response_id: str) -> bool | None:
        if not isinstance(self.rows.get(response_id), Outcome):
            return None
        there = response_id in self.kept
        self.kept.discard(response_id)
        return there


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_a_store_does_as_the_model_does(store: Store, steps: list[tuple[object, ...]]) -> None:
    model, account, put = Model(), ids.new("acct"), [list[Outcome]()]
    for step in steps:
        match step:
            case ("put", list(rows)):
                outcomes = [
                    outcome(f"{account}.{id_}", account=account, attempt=attempt, status=status, store=keep)
                    for id_, attempt, status, keep in rows
                ]
                put.append(outcomes)
                assert await store.put(outcomes) == model.put(outcomes)
            case ("again", int(which)):
                outcomes = put[which % len(put)]
                assert await store.put(outcomes) == model.put(outcomes)
            case ("claim", str(id_), str(attempt)):
                claim = Claim(response_id=f"{account}.{id_}", account=account, attempt=attempt)
                record, expected = await store.claim(claim), model.claim(claim)
                assert (record and record.ended_at) == (expected and expected.ended_at)
            case ("delete", str(id_)):
                assert await store.delete(f"{account}.{id_}", account) == model.delete(f"{account}.{id_}")
    for response_id, row in model.rows.items():
        record = await store.find(response_id, account, content=True)
        if isinstance(row, str):
            assert record is None
        else:
            assert record is not None
            assert (record.attempt, record.status, record.ended_at) == (row.attempt, row.status, row.ended_at)
            assert record.body == (row.response if response_id in model.kept else None)
