"""What an outcome means for whoever pays for it: budgets are charged, and what counts against limits is let go."""

from collections.abc import Sequence

from warren.contracts import Done, Outcome, Recorded, Release, Unreserve, UpstreamCall
from warren_ledger.budgets import Budgets
from warren_ledger.permits import Permits


class Charging:
    """Both can be done again, and are once."""

    def __init__(self, budgets: Budgets, permits: Permits) -> None:
        self._budgets = budgets
        self._permits = permits

    async def settle(self, outcome: Outcome, answer: Recorded) -> None:
        await self._budgets.settle(outcome, answer.won, answer.known)
        if answer.won:
            for limited in outcome.payer.limits:
                await self._release(limited, outcome.response_id, _tokens(outcome.calls))

    async def unreserve(self, asked: Unreserve) -> Done:
        """Of a response that will not run. That it was asked for counts."""
        for limited in asked.limits:
            await self._release(limited, asked.response_id, 0)
        return await self._budgets.unreserve(asked)

    async def _release(self, limited: str, response_id: str, tokens: int | None) -> None:
        await self._permits.answer(Release(permit_id=response_id, deployment=limited, tokens=tokens))


def _tokens(calls: Sequence[UpstreamCall]) -> int | None:
    """What was used, as far as anybody knows."""
    used = [call.usage.input_tokens + call.usage.output_tokens for call in calls if call.usage is not None]
    return sum(used) if used or not calls else None
