"""The description of the API is that of the API."""

import json
from typing import Any

import pytest
from fastapi.routing import APIRoute

from warren import requests
from warren.errors import InvalidRequest
from warren_gateway import app, openapi, queries
from warren_gateway.openapi_shapes import SHAPES
from warren_gateway.routes import health, ops, recent

MODELS = ["small", "large/new"]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(MODELS)


def test_every_route_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    served = {
        ("/v1" + route.path.replace(":path", ""), method.lower())
        for module in app.ROUTERS
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    served |= {
        (route.path, method.lower())
        for router in (health.router, ops.router, recent.router, *(module.router for module in app.MANAGEMENT))
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods or ()
    }
    assert served == {(path, method) for path, methods in document["paths"].items() for method in methods}


def test_all_that_is_referred_to_is_there(document: dict[str, Any]) -> None:
    def references(value: Any) -> set[str]:
        match value:
            case {"$ref": str() as name}:
                return {name}
            case dict():
                return {name for one in value.values() for name in references(one)}
            case list():
                return {name for one in value for name in references(one)}
        return set()

    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= there


def test_no_body_has_the_name_of_an_answer() -> None:
    bodies = {one.body.__name__ for one in openapi.OPERATIONS if isinstance(one.body, type)}
    assert not bodies & SHAPES.keys()


def test_bodies_are_those_that_are_read(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["CreateResponse"]["properties"]) == set(requests.CreateResponse.model_fields)
    assert schemas["CreateResponse"]["properties"]["model"]["examples"] == MODELS
    create = document["paths"]["/v1/responses"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/CreateResponse")
    assert set(create["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    for name, body, read in (
        ("ConversationUpdate", {"metadata": {"a": "b"}}, requests.update_conversation),
        ("NewItems", {"items": [{"role": "user", "content": "x"}]}, requests.new_items),
    ):
        assert set(schemas[name]["required"]) == set(body)
        read(json.dumps(body).encode())
        with pytest.raises(InvalidRequest):
            read(b"{}")


def test_every_refusal_has_openais_form(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for described in methods.values():
            refusals = {code: one for code, one in described["responses"].items() if code != "200"}
            if not path.startswith("/health"):
                assert {"400", "401", "503"} <= set(refusals)
                assert {one["content"]["application/json"]["schema"]["$ref"] for one in refusals.values()} == {
                    "#/components/schemas/Error"
                }


def test_it_is_asked_for_what_the_queries_know(document: dict[str, Any]) -> None:
    asked = document["paths"]["/v1/responses"]["get"]["parameters"]
    assert {one["name"] for one in asked} > set(queries.PAGED)
    status = next(one["schema"] for one in asked if one["name"] == "status")
    assert status["enum"] == list(queries.STATUSES)
