"""Responses over a WebSocket: the handshake. What happens on an open socket is `session`'s."""

from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic_core import to_json
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from warren.errors import Unauthorized, WarrenError
from warren_gateway.auth import presented
from warren_gateway.gateway import Gateway
from warren_gateway.session import ROUTE, Receive, Scope, Send, Session

router = APIRouter()


class _Socket:
    """A socket for many responses, one after the other. An ASGI application: uvicorn tells it more than the framework
    knows of (see `server.LEAVING`).
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        gateway: Gateway = scope["app"].state.gateway
        await receive()  # the client's wish to connect
        try:
            _check(websocket)
            await gateway.keys.authenticate(websocket, ROUTE)
        except WarrenError as error:
            refusal = Response(to_json(error.body()), error.status, media_type="application/json")
            await websocket.send_denial_response(refusal)
            return
        await send({"type": "websocket.accept"})
        session = Session(gateway, websocket, send)
        await session.serve(receive, seconds=gateway.websocket_seconds)


def _check(websocket: WebSocket) -> None:
    """Refuse a web page of another host. It cannot send a key, and must not reach a gateway that asks for none.

    Raises:
        Unauthorized: it is one.
    """
    origin = websocket.headers.get("origin")
    host = websocket.headers.get("host", "").lower()
    if origin is not None and presented(websocket.headers) is None and urlsplit(origin).netloc.lower() != host:
        raise Unauthorized("Web pages of other hosts may not connect.", status=403, code="origin_not_allowed")


router.routes.append(WebSocketRoute(ROUTE, _Socket()))
