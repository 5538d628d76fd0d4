"""Reports: what was spent, answered from the sums of days, and request by request."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import to_json

from warren.contracts import Calls, CallsOf, Fetched, Inspect, ListCalls, ListCharges, Page, ReportSpend
from warren.errors import InvalidRequest
from warren_ledger import lines
from warren_ledger.store import Store
from warren_ledger.store.charges import Question, Wanted
from warren_ledger.tallies import days, meant, periods, view


class Reports:
    """Handlers for what is asked about money."""

    def __init__(self, store: Store) -> None:
        self._find = store.find
        self._charges = store.charges
        self._entries = store.entries

    async def answer(self, asked: ReportSpend | ListCharges | ListCalls | Inspect) -> Page | Calls | Fetched:
        match asked:
            case ReportSpend():
                return await self._report(asked)
            case ListCharges():
                return await self._list(asked)
            case Inspect():
                return await self._inspect(asked)
        return await self._calls(asked)

    async def _inspect(self, asked: Inspect) -> Fetched:
        found = await self._charges.some([asked.response_id])
        if not found or asked.account not in (None, found[0].account):
            return Fetched(found=False)
        charge = found[0]
        record = await self._find(asked.response_id, charge.account, running=True)
        aliases = await self._aliases({charge.payer.key})
        told = lines.charged(charge, aliases.get(charge.payer.key)) | lines.recorded(record)
        return Fetched(found=True, payload=to_json({**told, "calls": [lines.called(call) for call in charge.calls]}))

    async def _report(self, asked: ReportSpend) -> Page:
        by, where = tuple(dict.fromkeys(asked.by)), _named(asked.where)
        columns = tuple(map(meant, by))
        split = days if "day" in by else periods
        question = Question(
            view=view({*columns, *where}),
            by=columns,
            periods=split(asked.first, asked.last),
            where=where,
            limit=asked.limit + 1,
        )
        rows = [(dict(zip(by, values, strict=True)), tally) for values, tally in await self._charges.report(question)]
        shown = rows[: asked.limit]
        aliases = await self._aliases({about["key"] for about, _ in shown if "key" in about})
        told = [_with_alias(about, aliases) | lines.summed(tally) for about, tally in shown]
        return Page(found=True, has_more=len(rows) > len(shown), payload=to_json(told))

    async def _list(self, asked: ListCharges) -> Page:
        wanted = Wanted(
            where=_named(asked.where),
            since=asked.since,
            until=asked.until,
            before=None if asked.after is None else await self._place(asked.after, asked.where),
            limit=asked.limit + 1,
        )
        found = await self._charges.page(wanted)
        shown = found[: asked.limit]
        aliases = await self._aliases({charge.payer.key for charge in shown})
        return Page(
            found=True,
            has_more=len(found) > len(shown),
            first_id=shown[0].response_id if shown else None,
            last_id=shown[-1].response_id if shown else None,
            payload=to_json([lines.charged(charge, aliases.get(charge.payer.key)) for charge in shown]),
        )

    async def _calls(self, asked: ListCalls) -> Calls:
        """Of responses that have ended: of others, there may be more calls in a moment."""
        before = None if asked.after is None else await self._place(asked.after, {})
        wanted = Wanted(where={}, since=asked.since, until=asked.until, before=before, limit=asked.limit + 1)
        found = await self._charges.page(wanted)
        shown = found[: asked.limit]
        return Calls(
            responses=tuple(
                CallsOf(response_id=one.response_id, calls=one.calls, corrections=one.corrections)
                for one in shown
                if one.status is not None
            ),
            has_more=len(found) > len(shown),
            last_id=shown[-1].response_id if shown else None,
        )

    async def _place(self, response_id: str, where: Mapping[str, str]) -> tuple[float, str]:
        """Where to go on; an account does not learn of responses of others."""
        of = {name: value for name, value in _named(where).items() if name == "account"}
        found = await self._charges.page(Wanted(where={**of, "response_id": response_id}, limit=1))
        if not found:
            raise InvalidRequest(f"There is no '{response_id}' to go on behind.", param="after", code="invalid_value")
        return found[0].created_at, response_id

    async def _aliases(self, keys: Collection[str]) -> dict[str, str]:
        """What people call these keys, as far as they are there and have a name."""
        found = await self._entries.some("virtual_keys", [key for key in keys if key])
        return {entry.id: alias for entry in found if (alias := entry.state.get("alias"))}


def _named(where: Mapping[str, str]) -> dict[str, str]:
    return {meant(name): value for name, value in where.items()}


def _with_alias(about: dict[str, str], aliases: Mapping[str, str]) -> dict[str, Any]:
    return about if "key" not in about else {**about, "key_alias": aliases.get(about["key"])}
