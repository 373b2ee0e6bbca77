"""OWASP API9:2023. Everything that answers is on a list: the OpenAPI, or one of these few."""

import re

import httpx
from starlette.routing import Route

from api import app as api
from tests.house import House

# Beside the JSON interface of /v1: for machines, for people, for browsers.
ELSEWHERE = (
    r"/(livez|readyz|metrics|openapi\.json|\.well-known/jwks\.json)",
    r"/(docs|redoc|favicon\.ico)(/.*)?",
    r"/(pay|pricing|embed|static|console|codec)(/.*)?",
)


async def test_every_path_of_the_interface_is_versioned_or_named_here(house: House) -> None:
    paths = (await house.http.get("/openapi.json")).json()["paths"]
    odd = [path for path in paths if not path.startswith("/v1/")]
    assert [path for path in odd if not any(re.fullmatch(known, path) for known in ELSEWHERE)] == []


async def test_only_this_version_answers(house: House) -> None:
    for path in (
        "/payments",
        "/v0/payments",
        "/v2/payments",
        "/api/payments",
        "/v1beta/payments",
        "/internal",
    ):
        assert (await house.http.get(path)).status_code == 404, path


async def test_each_operation_says_what_it_is_and_how_it_is_protected(house: House) -> None:
    schema = (await house.http.get("/openapi.json")).json()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation.get("operationId"), (method, path)
            assert operation.get("tags"), (method, path)
            assert not operation.get("deprecated"), (method, path)


async def test_the_sandboxes_back_door_is_not_reached_through_the_front(house: House) -> None:
    for path in ("/_control/ledger", "/v1/_control/faults"):
        assert (await house.http.get(path)).status_code == 404
    # It has a port of its own, and listens to this machine only.
    assert httpx.URL(house.ready["sandboxControlUrl"]).host == "127.0.0.1"
    assert house.ready["sandboxControlUrl"] != house.ready["sandboxUrl"]


async def test_a_route_of_the_interface_is_in_its_schema(house: House) -> None:
    described = (await house.http.get("/openapi.json")).json()["paths"]
    application = api.build(lambda: None, public_url="https://pay.example", development=False)  # type: ignore[arg-type, return-value]
    for route in application.routes:
        if isinstance(route, Route) and route.path.startswith("/v1/"):
            assert route.path in described, route.path
