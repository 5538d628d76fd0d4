"""What is asked about money, and how it is told."""

import csv
import io
import json
from datetime import UTC, date, datetime

import pytest
from starlette.datastructures import QueryParams

from warren.errors import InvalidRequest
from warren_gateway import reporting


def test_days_are_the_last_thirty_unless_something_is_said() -> None:
    first, last = reporting.days(QueryParams(""))
    assert (last - first).days == 29
    assert abs((datetime.now(UTC).date() - last).days) <= 1
    asked = QueryParams("start_date=2026-01-31&end_date=2026-02-01")
    assert reporting.days(asked) == (date(2026, 1, 31), date(2026, 2, 1))
    assert reporting.days(QueryParams("end_date=2026-03-01"))[0] == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("start_date=yesterday", "start_date"),
        ("end_date=2026-02-30", "end_date"),
        ("end_date=20260201", "end_date"),
        ("start_date=2026-02-02&end_date=2026-02-01", "start_date"),
    ],
)
def test_what_is_no_day_is_refused_by_name(query: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        reporting.days(QueryParams(query))
    assert refused.value.param == param


def test_groups_may_be_said_in_litellms_words() -> None:
    assert reporting.groups(QueryParams("group_by=day,%20model")) == ("day", "model")
    assert reporting.groups(QueryParams("group_by=api_key&group_by=customer&group_by=key")) == ("key", "user")
    assert reporting.groups(QueryParams("")) == ("day",)
    with pytest.raises(InvalidRequest):
        reporting.groups(QueryParams("group_by=moon"))


def test_money_is_a_number_for_programs_and_exact_for_people() -> None:
    row = {"model": "m", "spend": "12.000000000001"}
    body, media = reporting.rendered([row, {"model": "n", "spend": None}], "json", {"object": "spend.report"})
    assert media == "application/json"
    assert json.loads(body) == {
        "object": "spend.report",
        "data": [
            {"model": "m", "spend": 12.000000000001, "spend_exact": "12.000000000001"},
            {"model": "n", "spend": None, "spend_exact": None},
        ],
    }


def test_csv_is_read_by_spreadsheets_and_runs_nothing_in_them() -> None:
    rows: list[reporting.Json] = [
        {"user": '=HYPERLINK("http://evil")', "tags": ["a", "b"], "calls": [{"id": "a.1"}], "spend": "0.000000000001"},
        {"user": 'say "hi", you', "tags": [], "calls": [], "spend": None},
    ]
    body, media = reporting.rendered(rows, "csv", {})
    assert media.startswith("text/csv")
    assert list(csv.DictReader(io.StringIO(body.decode()))) == [
        {"user": '\'=HYPERLINK("http://evil")', "tags": "a b", "calls": "1", "spend": "0.000000000001"},
        {"user": 'say "hi", you', "tags": "", "calls": "", "spend": ""},
    ]
