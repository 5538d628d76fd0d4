"""Whatever clients ask for, a gateway's metrics stay few."""

from collections.abc import Iterator
from typing import Any

import pytest

from warren import config
from warren.errors import ModelNotFound, UpstreamRefused
from warren.telemetry import instruments, measuring
from warren.telemetry.measuring import CODES, OTHER, SWITCH, Bounded
from warren_gateway import measured
from warren_gateway.measured import Http

CONFIG = config.parse(
    """
    model_list:
      - {model_name: plain, litellm_params: {model: openai/gpt-5, api_key: k}}
      - {model_name: wild/*, litellm_params: {model: openai/*, api_key: k}}
    """
)
TOLD = (
    instruments.HTTP_DURATION, instruments.HTTP_ACTIVE, instruments.REQUEST_DURATION, instruments.REFUSALS,
    instruments.FLIGHTS,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(measuring, "_codes", Bounded(CODES))
    for instrument in TOLD:
        monkeypatch.setattr(instrument, "rows", {})
    with SWITCH.turned():
        yield


def scope(method: str = "POST") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": "/v1/responses"}


def answered(model: str, error: Exception | None, *, posted: bool = False) -> None:
    """A request for a response that ends like this."""
    asking = scope()
    http = Http(asking)
    asked = measured.asked(asking, CONFIG, model, "json")
    if posted:
        asked.posted()
    if error is not None:
        measured.failed(asking, error)
    http.status = 200
    http.over(CONFIG)


def test_models_that_nobody_configured_are_one() -> None:
    for number in range(1000):
        answered(f"{'x' * number}-{number}", ModelNotFound("There is no such model."))
    assert list(instruments.REQUEST_DURATION.rows) == [("chat", OTHER, None, "model_not_found", "json")]
    assert instruments.REFUSALS.rows == {("model_not_found",): 1000}
    assert len(instruments.HTTP_DURATION.rows) == 1


def test_models_of_a_pattern_are_the_pattern() -> None:
    for number in range(1000):
        answered(f"wild/{number}", None, posted=True)
    answered("plain", None, posted=True)
    assert {row[1] for row in instruments.REQUEST_DURATION.rows} == {"wild/*", "plain"}
    assert instruments.FLIGHTS.rows == {("json",): 0}


def test_codes_of_vendors_are_so_many_at_most() -> None:
    for number in range(1000):
        answered("plain", UpstreamRefused("no", code=f"vendor_{number}"), posted=True)
    codes = {row[3] for row in instruments.REQUEST_DURATION.rows}
    assert len(codes) == CODES + 1
    assert OTHER in codes


def test_methods_that_nobody_knows_are_one() -> None:
    for number in range(1000):
        Http(scope(f"BREW{number}")).over(CONFIG)
    assert list(instruments.HTTP_DURATION.rows) == [("_OTHER", None, None, None)]
    assert instruments.HTTP_ACTIVE.rows == {("_OTHER",): 0}
