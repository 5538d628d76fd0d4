"""The table of `warren spend`."""

from decimal import Decimal
from typing import Any

from warren.commands.spend import table


def row(model: str, spend: str | None, *, requests: int = 10, unpriced: int = 0) -> dict[str, Any]:
    return {
        "model": model, "requests": requests, "input_tokens": 1000, "output_tokens": 200,
        "spend_exact": spend, "unpriced_calls": unpriced,
    }  # fmt: skip


def report(*rows: dict[str, Any], by: tuple[str, ...] = ("model",), more: bool = False) -> dict[str, Any]:
    return {"start_date": "2026-11-01", "end_date": "2026-11-30", "group_by": list(by), "data": list(rows),
            "has_more": more}  # fmt: skip


def test_every_row_has_a_bar_as_long_as_what_it_has_cost() -> None:
    told = table(report(row("dear", "8"), row("cheap", "2.00000001"), row("free", "0")), 100)
    assert told == (
        "2026-11-01 to 2026-11-30, by model\n"
        "\n"
        "model  requests  tokens in  out     spent\n"
        f"dear         10      1,000  200   $8.0000  {'█' * 40}\n"
        f"cheap        10      1,000  200   $2.0000  {'█' * 10}\n"
        "free         10      1,000  200   $0.0000\n"
        "total        30      3,000  600  $10.0000\n"
    )


def test_what_has_no_known_price_is_told_apart() -> None:
    told = table(report(row("known", "1", unpriced=2), row("local", None, unpriced=7)), 80)
    assert "$1.0000+" in told
    assert "unknown" in told
    assert "+ and what 9 calls cost that have no known price" in told


def test_bars_fit_in_what_is_left_of_a_line() -> None:
    for width in (20, 48, 60, 100):
        lines = table(report(row("dear", "8"), row("cheap", "0.01")), width).splitlines()
        assert max(map(len, lines[3:])) <= max(width, len(lines[2]))


def test_a_terminal_without_unicode_has_bars_too() -> None:
    told = table(report(row("dear", "8"), row("cheap", "4")), 100, plain=True)
    assert f"  {'#' * 40}\n" in told
    told.encode("ascii")


def test_tags_have_no_total_for_a_request_may_have_several() -> None:
    assert "total" not in table(report({**row("m", "1"), "tag": "a"}, by=("tag",)), 80)


def test_nothing_and_more_than_that_are_said() -> None:
    assert "Nothing was asked for." in table(report(), 80)
    assert "there are more rows" in table(report(row("m", "1"), more=True), 80)


def test_bars_are_exact_to_an_eighth() -> None:
    told = table(report(row("all", "1"), row("part", str(Decimal(3) / Decimal(8 * 40)))), 100)
    assert told.splitlines()[4].endswith("▍")
