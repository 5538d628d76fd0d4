"""End users, as LiteLLM's `/customer/…` and `/end_user/…`, and accounts (`/account/…`): what is known of those that
requests are made for. Only the master key may do this.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request

from warren.contracts import AddParty, Party
from warren.errors import InvalidRequest
from warren.requests.management import AccountTerms, Customer, Managed, SomeAccounts, SomeCustomers
from warren_gateway import managing, queries

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Spenders:
    """The routes of one kind."""

    what: Literal["end_user", "account"]
    one: type[Managed]
    some: type[Managed]
    field: str
    """What the body of one names it by; with an `s`, that of some."""
    query: str
    plural: str

    async def new(self, request: Request) -> Answer:
        wanted = await managing.read(request, self.one)
        given = {name: value for name, value in self._changes(wanted).items() if value is not None}
        party = Party(what=self.what, id=getattr(wanted, self.field), **given)
        return managing.told(await managing.write(request, AddParty(party=party)), self.what)

    async def info(self, request: Request) -> Answer:
        queries.only(request.query_params, {self.query})
        name = request.query_params.get(self.query)
        if not name:
            raise InvalidRequest(
                f"Missing required parameter: '{self.query}'.", param=self.query, code="missing_required_parameter"
            )
        return managing.told(await managing.find(request, self.what, (name,)), f"such {self.field}")

    async def list(self, request: Request) -> Answer:
        queries.only(request.query_params, managing.LISTED)
        made, more = await managing.listed(request, self.what)
        return {self.plural: made, "has_more": more}

    async def update(self, request: Request) -> Answer:
        """Change what is given; null takes a limit away. One that is not there is made."""
        wanted = await managing.read(request, self.one)
        name = getattr(wanted, self.field)
        changed = await managing.change(request, self.what, (name,), self._changes(wanted), make=True)
        return managing.told(changed, f"such {self.field}")

    async def block(self, request: Request) -> Answer:
        """Block some, whether or not anything was known of them."""
        return await self._block(request, blocked=True)

    async def unblock(self, request: Request) -> Answer:
        return await self._block(request, blocked=False)

    async def delete(self, request: Request) -> Answer:
        """Forget what is known of some; what they have cost stays known."""
        wanted = await managing.read(request, self.some)
        names = getattr(wanted, f"{self.field}s")
        states = [await managing.remove(request, self.what, (name,)) for name in names]
        return {f"deleted_{self.plural}": [state.party.id for state in states if state.party is not None]}

    async def _block(self, request: Request, *, blocked: bool) -> Answer:
        wanted = await managing.read(request, self.some)
        states = [
            await managing.change(request, self.what, (name,), {"blocked": blocked}, make=blocked)
            for name in getattr(wanted, f"{self.field}s")
        ]
        return {self.plural: [managing.shown(state.party, state) for state in states if state.party is not None]}

    def _changes(self, wanted: Managed) -> Answer:
        return managing.changes(wanted, {}, frozenset({self.field}))


_END_USERS = _Spenders("end_user", Customer, SomeCustomers, "user_id", "end_user_id", "users")
_ACCOUNTS = _Spenders("account", AccountTerms, SomeAccounts, "account", "account", "accounts")

router = APIRouter()


def _serve(prefix: str, spenders: _Spenders) -> None:
    endpoints: dict[str, tuple[str, Callable[[Request], Awaitable[Answer]]]] = {
        "new": ("POST", spenders.new),
        "info": ("GET", spenders.info),
        "list": ("GET", spenders.list),
        "update": ("POST", spenders.update),
        "block": ("POST", spenders.block),
        "unblock": ("POST", spenders.unblock),
        "delete": ("POST", spenders.delete),
    }
    for name, (method, endpoint) in endpoints.items():
        router.add_api_route(f"{prefix}/{name}", endpoint, methods=[method])


_serve("/customer", _END_USERS)
_serve("/end_user", _END_USERS)
_serve("/account", _ACCOUNTS)
