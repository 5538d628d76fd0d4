"""The query of a request."""

import pytest
from starlette.datastructures import QueryParams

from warren.errors import InvalidRequest
from warren_gateway import queries


def test_a_page_has_twenty_the_newest_first_unless_told_otherwise() -> None:
    assert queries.paging(QueryParams("")) == (20, False, None)
    assert queries.paging(QueryParams("limit=100&order=asc&after=x")) == (100, True, "x")


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=-5", "limit", "integer_below_min_value"),
        ("limit=101", "limit", "integer_above_max_value"),
        ("limit=ten", "limit", "invalid_type"),
        ("limit=", "limit", "invalid_type"),
        ("limit=1.0", "limit", "invalid_type"),
        ("limit=²", "limit", "invalid_type"),
        (f"limit={'9' * 5000}", "limit", "invalid_type"),
        ("order=up", "order", "invalid_value"),
    ],
)
def test_a_bad_page_is_refused_by_name(query: str, param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        queries.paging(QueryParams(query))
    assert (refused.value.param, refused.value.code) == (param, code)


def test_includes_are_taken_with_and_without_brackets() -> None:
    query = "include[]=reasoning.encrypted_content&include=code_interpreter_call.outputs"
    assert queries.include(QueryParams(query)) == ("reasoning.encrypted_content", "code_interpreter_call.outputs")
    with pytest.raises(InvalidRequest, match=r"reasoning\.encrypted_content") as refused:
        queries.include(QueryParams("include[]=reasoning.encrypted_content&include[]=everything"))
    assert (refused.value.param, refused.value.code) == ("include[1]", "invalid_value")


def test_metadata_is_asked_for_key_by_key() -> None:
    assert queries.metadata(QueryParams("metadata[a.b]=1&metadata[c]=&limit=3")) == {"a.b": "1", "c": ""}
    for query, code in (
        ("metadata[]=1", "string_above_max_length"),
        (f"metadata[{'k' * 65}]=1", "string_above_max_length"),
        (f"metadata[k]={'v' * 513}", "string_above_max_length"),
        ("&".join(f"metadata[{number}]=1" for number in range(17)), "object_above_max_properties"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            queries.metadata(QueryParams(query))
        assert (refused.value.param, refused.value.code) == ("metadata", code)


def test_what_nobody_would_look_at_is_refused() -> None:
    queries.only(QueryParams("limit=3&api-version=preview&metadata[x]=1"), queries.PAGED, metadata=True)
    for query in ("before=x", "metadata[x]=1"):
        with pytest.raises(InvalidRequest) as refused:
            queries.only(QueryParams(query), queries.PAGED)
        assert (refused.value.param, refused.value.code) == (query.partition("=")[0], "unknown_parameter")
