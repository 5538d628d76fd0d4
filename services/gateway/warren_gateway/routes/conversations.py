"""Conversations: items that are kept together, whoever added them. Their items are the next module's."""

from collections.abc import Sequence
from time import time
from typing import Any

from fastapi import APIRouter, Request
from pydantic_core import to_json

from warren import requests
from warren.bus import LEDGER_ASK, LEDGER_WRITE
from warren.contracts import (
    ConversationState,
    DeleteConversation,
    Deleted,
    FetchConversation,
    OpenConversation,
    UpdateConversation,
)
from warren.errors import InvalidRequest
from warren.objects import Item
from warren_gateway import queries
from warren_gateway.creating import read_body, reading, unknown_conversation
from warren_gateway.gateway import Gateway, of

router = APIRouter(prefix="/conversations")


@router.post("")
async def create_conversation(request: Request) -> dict[str, Any]:
    """Make a conversation, with its first items if there are any."""
    gateway = of(request)
    account = gateway.keys.account(request)
    queries.only(request.query_params)
    wanted = await reading(requests.new_conversation, await read_body(request))
    command = OpenConversation(
        conversation_id=gateway.signer.new("conv", account),
        account=account,
        created_at=time(),
        metadata=wanted.metadata or {},
        payload=to_json(distinct(wanted.items or [])),
    )
    state = await gateway.ask_ledger(LEDGER_WRITE, command)
    return shown(command.conversation_id, state)


@router.get("/{conversation_id}")
async def retrieve_conversation(request: Request, conversation_id: str) -> dict[str, Any]:
    gateway = of(request)
    account = gateway.keys.account(request)
    owned(gateway, account, conversation_id)
    question = FetchConversation(conversation_id=conversation_id, account=account)
    return shown(conversation_id, await gateway.ask_ledger(LEDGER_ASK, question))


@router.post("/{conversation_id}")
async def update_conversation(request: Request, conversation_id: str) -> dict[str, Any]:
    """Replace the metadata."""
    gateway = of(request)
    account = gateway.keys.account(request)
    metadata = await reading(requests.update_conversation, await read_body(request))
    owned(gateway, account, conversation_id)
    command = UpdateConversation(conversation_id=conversation_id, account=account, metadata=metadata)
    return shown(conversation_id, await gateway.ask_ledger(LEDGER_WRITE, command))


@router.delete("/{conversation_id}")
async def delete_conversation(request: Request, conversation_id: str) -> dict[str, Any]:
    gateway = of(request)
    account = gateway.keys.account(request)
    owned(gateway, account, conversation_id)
    command = DeleteConversation(conversation_id=conversation_id, account=account)
    answer = await gateway.ask_ledger(LEDGER_WRITE, command)
    assert isinstance(answer, Deleted)
    if not answer.found:
        raise unknown_conversation(conversation_id)
    return {"id": conversation_id, "object": "conversation.deleted", "deleted": True}


def shown(conversation_id: str, state: object) -> dict[str, Any]:
    """The conversation in OpenAI's form.

    Raises:
        NotFound: there is none.
    """
    assert isinstance(state, ConversationState)
    if not state.found:
        raise unknown_conversation(conversation_id)
    return {
        "id": conversation_id,
        "object": "conversation",
        "created_at": int(state.created_at),
        "metadata": state.metadata,
    }


def distinct(items: Sequence[Item]) -> Sequence[Item]:
    """
    Raises:
        InvalidRequest: an id stands for two of them.
    """
    known: set[str] = set()
    for item in items:
        if (id_ := item.get("id")) is None:
            continue
        if id_ in known:
            raise InvalidRequest(
                f"Duplicate item found with id {id_}. Remove duplicate items from your input and try again.",
                param="items",
            )
        known.add(id_)
    return items


def owned(gateway: Gateway, account: str, conversation_id: str) -> None:
    """Refuse an id that this account was never given.

    Raises:
        NotFound: without a look-up.
    """
    if not gateway.owns(account, conversation_id, "conv"):
        raise unknown_conversation(conversation_id)
