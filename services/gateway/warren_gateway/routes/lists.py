"""Lists of what is kept: the responses of an account, and what a response was asked with."""

from collections.abc import Collection

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic_core import to_json

from warren.bus import LEDGER_ASK
from warren.contracts import ListInputs, ListResponses, Page
from warren.errors import NotFound
from warren_gateway import queries
from warren_gateway.gateway import of
from warren_gateway.routes.conversations import owned

router = APIRouter()
_FILTERS: Collection[str] = frozenset({"model", "status", "conversation", "created_after", "created_before"})


@router.get("/responses")
async def list_responses(request: Request) -> Response:
    """The stored responses of this account, the newest first if nothing else is asked for."""
    gateway = of(request)
    account = gateway.keys.account(request)
    query = request.query_params
    queries.only(query, queries.PAGED, _FILTERS, metadata=True)
    conversation = query.get("conversation")
    if conversation is not None:
        owned(gateway, account, conversation)
    question = ListResponses(
        account=account,
        model=query.get("model"),
        status=queries.one_of(query, "status", queries.STATUSES),
        conversation=conversation,
        metadata=queries.metadata(query),
        created_after=queries.whole(query, "created_after"),
        created_before=queries.whole(query, "created_before"),
        **queries.paging(query)._asdict(),
    )
    page = await gateway.ask_ledger(LEDGER_ASK, question)
    assert isinstance(page, Page)
    return shown(page)


@router.get("/responses/{response_id}/input_items")
async def list_input_items(request: Request, response_id: str) -> Response:
    """What a response was asked with; what came before it in its chain is not part of that."""
    gateway = of(request)
    account = gateway.keys.account(request)
    query = request.query_params
    queries.only(query, queries.PAGED, queries.INCLUDED)
    queries.include(query)
    paging = queries.paging(query)
    unknown = NotFound(f"Response with id '{response_id}' not found.")
    if not gateway.owns(account, response_id, "resp"):
        raise unknown
    question = ListInputs(response_id=response_id, account=account, **paging._asdict())
    page = await gateway.ask_ledger(LEDGER_ASK, question)
    assert isinstance(page, Page)
    if not page.found:
        raise unknown
    return shown(page)


def shown(page: Page) -> Response:
    """A page in OpenAI's form; what is listed passes through as it is stored."""
    ends = to_json({"first_id": page.first_id, "last_id": page.last_id, "has_more": page.has_more})
    data = page.payload or b"[]"
    return Response(b'{"object":"list","data":' + data + b"," + ends[1:], media_type="application/json")
