"""The page about metrics says what the table of instruments says."""

from pathlib import Path

from warren.telemetry import instruments
from warren.telemetry.measuring import ALL, Histogram, Instrument
from warren.telemetry.page import page, prometheus

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_instrument_is_on_it_and_histograms_twice() -> None:
    text = page()
    table = [one for one in vars(instruments).values() if isinstance(one, Instrument)]
    assert {one.name for one in table} == set(ALL)
    for one in table:
        assert text.count(f"\n| `{one.name}` |") == 1 + isinstance(one, Histogram)
        assert one.said.endswith("."), one.name
        assert "|" not in one.said, one.name


def test_names_in_prometheus_have_their_units() -> None:
    assert prometheus(instruments.HTTP_DURATION) == "http_server_request_duration_seconds"
    assert prometheus(instruments.CPU_TIME) == "process_cpu_time_seconds_total"
    assert prometheus(instruments.MEMORY) == "process_memory_usage_bytes"
    assert prometheus(instruments.COST) == "warren_cost_total"
    assert prometheus(instruments.FLIGHTS) == "warren_flights"
