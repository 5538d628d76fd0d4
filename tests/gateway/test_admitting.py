"""Who gives up while something is being held for him leaves nothing held."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from warren.contracts import Message, Party, Payer, Permit, Permitted, Reserve, Reserved
from warren.errors import LedgerUnavailable
from warren.spending import Spending
from warren_gateway.admitting import Asked, pay
from warren_gateway.auth import Caller

pytestmark = pytest.mark.anyio
KEY = Party(what="key", id="k", max_budget=Decimal(10), max_parallel_requests=1)


class Gateway:
    """One with a deployment, behind which a ledger answers when it is told to; what it was asked, and told."""

    def __init__(self, slow: type[Message]) -> None:
        params = SimpleNamespace(max_budget=None, budget_duration=None)
        one = SimpleNamespace(id="d", group="m", params=params)
        self.config = SimpleNamespace(spending=Spending(), deployments={"d": one}, group=lambda _: [one])
        self.keys = SimpleNamespace(caller=lambda _: Caller("a", KEY, None))
        self.dispatch = self
        self.answers = asyncio.Event()
        self.asked = asyncio.Event()
        self.said: list[str] = []
        self._slow = slow

    def price(self, *_: object) -> Decimal:
        return Decimal(1)

    async def ask_ledger(self, _to: str, question: Message, *_: float) -> Message:
        if isinstance(question, self._slow):
            self.asked.set()
            await self.answers.wait()
        self.said.append(question.kind)
        return Permitted(granted=True, seconds=1) if isinstance(question, Permit) else Reserved()

    async def unreserve(self, _id: str, payer: Payer) -> None:
        self.said.append(f"unreserve {' '.join((*payer.budgets, *payer.limits))}")


@pytest.mark.parametrize(
    ("slow", "said"),
    [
        (Permit, ["permit", "unreserve key:k"]),
        (Reserve, ["permit", "reserve", "unreserve key:k key:k", "unreserve key:k"]),
    ],
)
async def test_what_nobody_waits_for_is_let_go_of_behind_the_answer(slow: type[Message], said: list[str]) -> None:
    gateway: Any = Gateway(slow)
    connection: Any = SimpleNamespace(headers={})
    asked = Asked("r", ("d",), 2e9, 100)
    paying = asyncio.create_task(pay(gateway, connection, SimpleNamespace(model="m", input="x"), asked))
    await gateway.asked.wait()
    paying.cancel()
    await asyncio.sleep(0)
    assert gateway.said == said[: said.index(slow.model_fields["kind"].default)]
    gateway.answers.set()
    with pytest.raises(asyncio.CancelledError):
        await paying
    assert gateway.said == said


async def test_a_ledger_that_does_not_say_whether_it_is_held_is_told_to_let_go() -> None:
    gateway: Any = Gateway(Reserve)

    async def away(_to: str, question: Message, *_: float) -> Message:
        if isinstance(question, Permit):
            return Permitted(granted=True, seconds=1)
        raise LedgerUnavailable("away")

    gateway.ask_ledger = away
    connection: Any = SimpleNamespace(headers={})
    with pytest.raises(LedgerUnavailable):
        await pay(gateway, connection, SimpleNamespace(model="m", input="x"), Asked("r", ("d",), 2e9, 100))
    assert gateway.said[0] == "unreserve key:k key:k"
