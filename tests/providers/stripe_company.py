"""Stripe as its specification has it: requests are held against that, answers are its own sample objects."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = dict[str, Any]

_BESIDE_US: Final = Path(__file__).parents[2].parent / "shared" / "data"


def data(name: str) -> Json:
    """A file of Stripe's own. Skips the test where there is none."""
    folder = Path(os.environ.get("PAYSAGA_PROVIDER_SPECS") or _BESIDE_US)
    path = folder / "stripe" / name
    if not path.is_file():
        pytest.skip(
            f"no {path}: of github.com/stripe/openapi the samples are openapi/fixtures3.json at f6c2a48f, "
            "and the specification is cut from openapi/spec3.yaml at 63a67463; PAYSAGA_PROVIDER_SPECS names "
            "the folder that holds the folder stripe"
        )
    read: Json = json.loads(path.read_text())
    return read


def samples() -> dict[str, Json]:
    """One object of each kind, by its ``object``."""
    found: dict[str, Json] = data("fixtures3-2026-08.json")["resources"]
    return found


class Received(NamedTuple):
    method: str
    path: str
    parameters: Json
    """Query and form, with their brackets undone."""
    headers: Mapping[str, str]


@dataclass
class Company:
    newer: Mapping[str, str]
    """What the specification is too old for, and why: ``GET /path parameter``, or ``GET /path`` with the kind
    of object that is answered."""
    url: str = ""
    spec: Json = field(default_factory=lambda: data("stripe-subset-2023-08-16.json"))
    objects: dict[str, Json] = field(default_factory=samples)
    """What is answered, by kind; a test may change it."""
    received: list[Received] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Which of ``newer`` was needed."""

    async def _answer(self, request: Request) -> Response:
        form = (await request.body()).decode()
        given = unbracketed([*parse_qsl(request.url.query), *parse_qsl(form, keep_blank_values=True)])
        path, operation = self._operation(request.method, request.url.path)
        self.received.append(Received(request.method, request.url.path, given, request.headers))
        wrong = [*_headers_wrong(request), *self._wrong(request.method, path, operation, given)]
        if wrong:
            told = {"type": "invalid_request_error", "message": "; ".join(wrong)}
            return JSONResponse({"error": told}, 400)
        kind, many = self._answered(f"{request.method} {path}", operation)
        if not many:
            return JSONResponse(self.objects[kind])
        return JSONResponse(
            {"object": "list", "data": [self.objects[kind]], "has_more": False, "url": request.url.path}
        )

    def _operation(self, method: str, path: str) -> tuple[str, Json | None]:
        known = [*self.spec["paths"], *(name.split(" ")[1] for name in self.newer if name.count(" ") == 1)]
        fitting = [
            template
            for template in known
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None
        ]
        # The one with the fewest blanks: /v1/customers/search is no customer.
        template = min(fitting, key=lambda each: each.count("{"), default=path)
        return template, self.spec["paths"].get(template, {}).get(method.lower())

    def _wrong(self, method: str, path: str, operation: Json | None, given: Json) -> Iterator[str]:
        name = f"{method} {path}"
        if operation is None:
            if name in self.newer:
                self.used.add(name)
            else:
                yield f"there is no {name}"
            return
        query = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
        properties = {each["name"]: each["schema"] for each in query}
        required = [each["name"] for each in query if each["required"]]
        body = operation.get("requestBody")
        if body is not None:
            schema = body["content"]["application/x-www-form-urlencoded"]["schema"]
            properties |= schema["properties"]
            required += schema.get("required", [])
        for wrong in self._unfit(
            "", {"type": "object", "properties": properties, "required": required}, given
        ):
            newer = f"{name} {wrong.split(':')[0]}"
            if newer in self.newer:
                self.used.add(newer)
            else:
                yield wrong

    def _unfit(self, at: str, schema: Json, value: object) -> Iterator[str]:
        """In which ways a value is none that the schema has in mind. Forms know texts only."""
        if "anyOf" in schema:
            if all(list(self._unfit(at, each, value)) for each in schema["anyOf"]):
                yield f"{at}: fits none of the kinds there are"
        elif schema.get("type") == "object":
            yield from self._unfit_object(at, schema, value)
        elif schema.get("type") != "array":
            yield from _unfit_text(at, schema, value)
        elif isinstance(value, list):
            for number, each in enumerate(value):
                yield from self._unfit(f"{at}[{number}]", schema["items"], each)
        else:
            yield f"{at}: is no list"

    def _unfit_object(self, at: str, schema: Json, value: object) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: is no object"
            return
        properties = schema.get("properties", {})
        for missing in set(schema.get("required", [])) - set(value):
            yield f"{at}[{missing}]: is missing" if at else f"{missing}: is missing"
        for name, each in value.items():
            inside = f"{at}[{name}]" if at else name
            known = properties.get(name) or schema.get("additionalProperties")
            if known:
                yield from self._unfit(inside, known, each)
            else:
                yield f"{inside}: is unknown"

    def _answered(self, name: str, operation: Json | None) -> tuple[str, bool]:
        if operation is None:
            kind, _, _ = self.newer[name].partition(":")
            return kind.removeprefix("list of "), kind.startswith("list of ")
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        many = "data" in schema.get("properties", {})
        schema = schema["properties"]["data"]["items"] if many else schema
        schema = schema["anyOf"][0] if "anyOf" in schema else schema
        return schema["$ref"].rpartition("/")[2], many

    @classmethod
    @asynccontextmanager
    async def open(cls, newer: Mapping[str, str]) -> AsyncIterator[Self]:
        company = cls(newer)
        app = Starlette(routes=[Route("/{path:path}", company._answer, methods=["GET", "POST", "DELETE"])])
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_config=None, lifespan="off", access_log=False)
        )
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        company.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield company
        finally:
            server.should_exit = True
            await serving


_SHAPES: Final = {
    "string": re.compile(r"(?s).*"),
    "integer": re.compile(r"-?[0-9]+"),
    "number": re.compile(r"-?[0-9]+(\.[0-9]+)?"),
    "boolean": re.compile(r"true|false"),
}


def _unfit_text(at: str, schema: Json, value: object) -> Iterator[str]:
    kind = schema.get("type", "string")
    if not isinstance(value, str):
        yield f"{at}: is no single value"
    elif not _SHAPES[kind].fullmatch(value):
        yield f"{at}: is no {kind}"
    elif len(value) > schema.get("maxLength", len(value)) or value not in schema.get("enum", [value]):
        yield f"{at}: is too long, or none of {schema.get('enum')}"


def _headers_wrong(request: Request) -> Iterator[str]:
    sent = request.headers
    if not sent.get("authorization", "").startswith("Bearer sk_"):
        yield "Authorization: names no key"
    if not re.fullmatch(r"\d{4}-\d\d-\d\d\.[a-z]+", sent.get("stripe-version", "")):
        yield "Stripe-Version: is missing"
    if request.method == "POST":
        if sent.get("content-type") != "application/x-www-form-urlencoded":
            yield "Content-Type: is no form"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", sent.get("idempotency-key", "")):
            yield "Idempotency-Key: is missing"


def unbracketed(pairs: list[tuple[str, str]]) -> Json:
    """``a[b][0]=c`` as ``{"a": {"b": ["c"]}}``."""
    tree: Json = {}
    for name, value in pairs:
        first, *rest = re.findall(r"[^\[\]]+", name)
        place, last = tree, first
        for step in rest:
            place, last = place.setdefault(last, {}), step
        place[last] = value
    read = _listed(tree)
    assert isinstance(read, dict)
    return read


def _listed(tree: Json) -> Json | list[Any]:
    read = {name: _listed(each) if isinstance(each, dict) else each for name, each in tree.items()}
    return list(read.values()) if read and all(name.isdigit() for name in read) else read
