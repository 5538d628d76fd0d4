"""The items of a conversation."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic_core import to_json

from warren import ids, requests
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.contracts import AddItems, ConversationState, DeleteItem, Fetched, FetchItem, ListItems, Page
from warren.errors import NotFound
from warren_gateway import queries
from warren_gateway.creating import read_body, reading, unknown_conversation
from warren_gateway.gateway import of
from warren_gateway.routes.conversations import distinct, owned, shown
from warren_gateway.routes.lists import shown as listed

router = APIRouter(prefix="/conversations/{conversation_id}/items")


@router.post("")
async def add_items(request: Request, conversation_id: str) -> Response:
    """Add items at the end; the answer lists them with their ids."""
    gateway = of(request)
    account = gateway.keys.account(request)
    queries.only(request.query_params, queries.INCLUDED)
    queries.include(request.query_params)
    items = await reading(requests.new_items, await read_body(request))
    owned(gateway, account, conversation_id)
    command = AddItems(
        conversation_id=conversation_id, account=account, request_id=ids.new("req"), payload=to_json(distinct(items))
    )
    page = await gateway.ask_ledger(LEDGER_WRITE, command)
    assert isinstance(page, Page)
    if not page.found:
        raise unknown_conversation(conversation_id)
    return listed(page)


@router.get("")
async def list_items(request: Request, conversation_id: str) -> Response:
    gateway = of(request)
    account = gateway.keys.account(request)
    query = request.query_params
    queries.only(query, queries.PAGED, queries.INCLUDED)
    queries.include(query)
    paging = queries.paging(query)
    owned(gateway, account, conversation_id)
    question = ListItems(conversation_id=conversation_id, account=account, **paging._asdict())
    page = await gateway.ask_ledger(LEDGER_ASK, question)
    assert isinstance(page, Page)
    if not page.found:
        raise unknown_conversation(conversation_id)
    return listed(page)


@router.get("/{item_id}")
async def retrieve_item(request: Request, conversation_id: str, item_id: str) -> Response:
    gateway = of(request)
    account = gateway.keys.account(request)
    queries.only(request.query_params, queries.INCLUDED)
    queries.include(request.query_params)
    owned(gateway, account, conversation_id)
    question = FetchItem(conversation_id=conversation_id, account=account, item_id=item_id)
    answer = await gateway.ask_ledger(LEDGER_ASK, question)
    assert isinstance(answer, Fetched)
    if not answer.found:
        raise _no_item(item_id, conversation_id)
    return Response(answer.payload, media_type="application/json")


@router.delete("/{item_id}")
async def delete_item(request: Request, conversation_id: str, item_id: str) -> dict[str, Any]:
    """Take an item out; the answer is the conversation."""
    gateway = of(request)
    account = gateway.keys.account(request)
    owned(gateway, account, conversation_id)
    command = DeleteItem(conversation_id=conversation_id, account=account, item_id=item_id)
    state = await gateway.ask_ledger(LEDGER_WRITE, command)
    assert isinstance(state, ConversationState)
    if not state.found:
        raise _no_item(item_id, conversation_id)
    return shown(conversation_id, state)


def _no_item(item_id: str, conversation_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id}' not found in conversation '{conversation_id}'.")
