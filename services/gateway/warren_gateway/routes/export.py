"""All that is kept of an account: `GET /account/export`. Only the master key may have it."""

from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from warren.bus import LEDGER_ASK
from warren.errors import InvalidRequest
from warren_gateway import queries
from warren_gateway.exporting import exported, following
from warren_gateway.gateway import of

router = APIRouter()


@router.get("/account/export")
async def export(request: Request) -> StreamingResponse:
    """As JSON Lines; the last line says that it is all."""
    queries.only(request.query_params, {"account"})
    account = request.query_params.get("account")
    if not account:
        missing = "Missing required parameter: 'account'."
        raise InvalidRequest(missing, param="account", code="missing_required_parameter")
    lines = exported(partial(of(request).ask_ledger, LEDGER_ASK), account)
    first = await anext(lines)  # if the ledger is away, that is still a plain error
    return StreamingResponse(following(first, lines), media_type="application/jsonl")
