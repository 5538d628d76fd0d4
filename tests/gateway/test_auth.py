"""Who may ask where no key is needed: this machine."""

import pytest
from starlette.requests import HTTPConnection

from warren.errors import Forbidden
from warren_gateway.auth import Caller, Keys

pytestmark = pytest.mark.anyio


def connection(**headers: str) -> HTTPConnection:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "localhost"},
        {"host": "LOCALHOST:4000"},
        {"host": "127.0.0.1:4000"},
        {"host": "127.8.9.1"},
        {"host": "[::1]:4000"},
        {"host": "warren.localhost:4000", "origin": "http://app.localhost:3000"},
        {"host": "localhost:4000", "origin": "http://localhost:3000"},
        {"host": "localhost:4000", "origin": "https://[::1]"},
    ],
)
async def test_this_machine_may(headers: dict[str, str]) -> None:
    assert await Keys(None).authenticate(connection(**headers), "/responses") == Caller()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("host", "rebound.example:4000"),
        ("host", "localhost.example"),
        ("host", "127.0.0.1.example"),
        ("host", "10.0.0.1:4000"),
        ("host", "[half"),
        ("host", "http://"),
        ("origin", "https://example.com"),
        ("origin", "https://localhost.example.com"),
        ("origin", "http://localhost@example.com"),
        ("origin", "null"),
    ],
)
async def test_no_other_site_may(header: str, value: str) -> None:
    headers = {"host": "localhost:4000", header: value}
    with pytest.raises(Forbidden, match=f"'{header}' does not name this machine.*WARREN_MASTER_KEY"):
        await Keys(None).authenticate(connection(**headers), "/responses")
