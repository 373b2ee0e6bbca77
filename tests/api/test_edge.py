"""What holds for every request: an id, a bounded body, a readable path, safe headers, one line of log."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Annotated, Any

import httpx
import pytest
import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st

from api import problems
from api.affairs import Affair, concerns
from api.edge import LINGER_BYTES, MAX_BODY_BYTES, MAX_WEBHOOK_BYTES, Edge
from api.strict import Model, StrictRoute
from domain.errors import Forbidden

SECRET = "s3cret-of-the-caller"


class Note(Model):
    text: str


router = APIRouter(prefix="/v1", route_class=StrictRoute)


@router.post("/notes")
async def write(note: Note) -> int:
    return len(note.text)


@router.get("/notes/{name}")
async def read(name: str, q: str = "") -> str:
    if name == "forbidden":
        raise Forbidden
    return name + q


@router.post("/billing/webhooks/x")
async def webhook(request: Request) -> int:
    return len(await request.body())


@router.post("/form")
async def form(text: Annotated[str, Form()]) -> int:
    return len(text)


@router.get("/known")
async def known(request: Request) -> None:
    concerns(request, Affair(tenant_id="ten_1", actor=f"owner:{SECRET}:crd_1", credential_id="crd_1"))


@router.get("/breaks")
async def breaks() -> StreamingResponse:
    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError(SECRET)

    return StreamingResponse(half())


@router.get("/context")
async def context() -> Any:
    return structlog.contextvars.get_contextvars()


def build(*, development: bool = False) -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    app.add_middleware(Edge, development=development)
    problems.install(app, "https://pay.example")
    app.include_router(router)
    app.get("/livez")(context)
    return app


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build()), base_url="https://pay.example"
    ) as client:
        yield client


@pytest.fixture
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def chunks(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 16_384):
        yield b"x" * min(16_384, size - start)


async def test_a_request_id_is_made_or_accepted_and_always_echoed(api: httpx.AsyncClient) -> None:
    for path in ("/v1/notes/a", "/v1/notes/forbidden", "/nowhere"):
        made = await api.get(path)
        assert len(made.headers["x-request-id"]) == 32
        given_id = await api.get(path, headers={"X-Request-Id": "A-z_0.9"})
        assert given_id.headers["x-request-id"] == "A-z_0.9"


@pytest.mark.parametrize("offered", ["", "a b", "a/b", "x" * 129, "a\tb", "<script>", "a,b"])
async def test_an_odd_request_id_is_replaced(api: httpx.AsyncClient, offered: str) -> None:
    answer = await api.get("/v1/notes/a", headers={"X-Request-Id": offered})
    assert answer.headers["x-request-id"] not in ("", offered)


async def test_the_request_id_reaches_the_log_context_and_ends_there(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/context", headers={"X-Request-Id": "req-1"})
    assert answer.json() == {"request_id": "req-1"}
    assert structlog.contextvars.get_contextvars() == {}


async def test_headers_make_every_answer_safe(api: httpx.AsyncClient) -> None:
    for path in ("/v1/notes/a", "/v1/nowhere"):
        headers = (await api.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"].startswith("max-age=")
    assert "cache-control" not in (await api.get("/livez")).headers


async def test_browsers_are_not_pinned_to_https_in_development() -> None:
    transport = httpx.ASGITransport(build(development=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as api:
        assert "strict-transport-security" not in (await api.get("/livez")).headers


@pytest.mark.parametrize(
    ("path", "limit"), [("/v1/form", MAX_BODY_BYTES), ("/v1/billing/webhooks/x", MAX_WEBHOOK_BYTES)]
)
async def test_a_body_over_the_limit_is_413_declared_or_not(
    api: httpx.AsyncClient, path: str, limit: int
) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for content in (b"x" * (limit + 1), chunks(limit + 1024)):
        answer = await api.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert answer.headers["connection"] == "close"
    assert (await api.post(path, content=chunks(limit), headers=headers)).status_code in (200, 422)


async def test_json_over_the_limit_is_413(api: httpx.AsyncClient) -> None:
    content, headers = chunks(MAX_BODY_BYTES + 1024), {"content-type": "application/json"}
    assert (await api.post("/v1/notes", content=content, headers=headers)).status_code == 413


async def call(headers: list[tuple[bytes, bytes]], **scope: Any) -> tuple[int, int]:
    """The status, and how many pieces of an endless body were read."""
    reads, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b"x" * 1024, "more_body": True}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asgi = {
        "type": "http",
        "method": "POST",
        "path": "/v1/billing/webhooks/x",
        "query_string": b"",
        "headers": headers,
    }
    await build()({**asgi, **scope}, receive, send)
    return sent[0]["status"], reads


@pytest.mark.parametrize(
    "length", [b"-1", b"+1", b"1e3", b"", b" 1", b"1,1", b"0x10", "١".encode(), b"9" * 19, b"abc"]
)
async def test_an_unreadable_length_is_400_and_nothing_is_read(length: bytes) -> None:
    assert await call([(b"content-length", length)]) == (400, 0)


async def test_two_lengths_are_400() -> None:
    assert await call([(b"content-length", b"1"), (b"content-length", b"1")]) == (400, 0)


async def test_no_more_is_read_than_the_limit_and_a_false_length_does_not_help() -> None:
    most, unheeded = MAX_WEBHOOK_BYTES // 1024, LINGER_BYTES // 1024
    assert await call([]) == (413, most + 1 + unheeded)
    assert await call([(b"content-length", b"10")]) == (413, most + 1 + unheeded)
    assert await call([(b"content-length", b"%d" % (MAX_WEBHOOK_BYTES + 1))]) == (413, unheeded)


@pytest.mark.parametrize("size", [MAX_WEBHOOK_BYTES + 1024, 2 * MAX_WEBHOOK_BYTES, 4 * 1024 * 1024])
async def test_who_still_sends_when_the_answer_comes_can_read_it(port: int, size: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        for content in (b"x" * size, chunks(size)):
            answer = await http.post("/v1/billing/webhooks/x", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "path", ["/v1/notes/a\0", "/v1/notes/\ufffd", "/v1/notes/a\r\nb", "/v1/notes/" + chr(0xD800), "/" * 1025]
)
async def test_an_unreadable_path_leads_nowhere(path: str) -> None:
    assert (await call([], method="GET", path=path))[0] == 404


@pytest.mark.parametrize(
    "query", [b"q=%00", b"q=%ff", b"%c0%af=1", b"q=\xff", b"q=%ed%a0%80", b"q=%1b", b"q=" + b"a" * 8192]
)
async def test_an_unreadable_query_is_400(query: bytes) -> None:
    assert (await call([], method="GET", path="/v1/notes/a", query_string=query))[0] == 400


@given(
    st.text(max_size=40),
    st.binary(max_size=40),
    st.lists(st.tuples(st.sampled_from([b"host", b"x"]), st.binary())),
)
def test_no_path_query_or_header_breaks_us(
    path: str, query: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    scope = {"method": "GET", "path": "/v1/notes/" + path, "query_string": query}
    assert asyncio.run(call(headers, **scope))[0] in (200, 400, 404)


async def test_a_request_leaves_one_line_without_its_contents(
    api: httpx.AsyncClient, log: list[MutableMapping[str, Any]]
) -> None:
    await api.get(f"/v1/notes/{SECRET}", params={"q": SECRET}, headers={"Authorization": f"Bearer {SECRET}"})
    await api.get("/v1/notes/forbidden")
    await api.get(f"/{SECRET}")
    assert [
        (line["event"], line["method"], line["route"], line["status"], line.get("code")) for line in log
    ] == [
        ("request", "GET", "/v1/notes/{name}", 200, None),
        ("request", "GET", "/v1/notes/{name}", 403, "forbidden"),
        ("request", "GET", None, 404, "not_found"),
    ]
    assert SECRET not in str(log)


async def test_the_line_names_who_called_by_our_ids(
    api: httpx.AsyncClient, log: list[MutableMapping[str, Any]]
) -> None:
    await api.get("/v1/known")
    await api.get("/v1/notes/a")
    assert [(line.get("tenant"), line.get("credential")) for line in log] == [
        ("ten_1", "crd_1"),
        (None, None),
    ]
    assert SECRET not in str(log)


async def test_the_line_names_the_whole_route_below_an_included_prefix(
    log: list[MutableMapping[str, Any]],
) -> None:
    app = FastAPI()
    inner = APIRouter()
    inner.get("/{name}")(read)
    app.include_router(inner, prefix="/v1/deep")
    app.add_middleware(Edge)
    problems.install(app, "https://pay.example")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://pay.example") as api:
        await api.get("/v1/deep/a")
    assert log[0]["route"] == "/v1/deep/{name}"


async def test_an_answer_that_breaks_half_way_is_cut_not_completed(api: httpx.AsyncClient) -> None:
    with pytest.raises(RuntimeError, match=SECRET):
        await api.get("/v1/breaks")


async def test_a_caller_who_leaves_is_no_error_of_ours(log: list[MutableMapping[str, Any]]) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: MutableMapping[str, Any]) -> None:
        pytest.fail("no one is there to hear this")

    path = "/v1/billing/webhooks/x"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    await build()(scope, receive, send)
    assert [line["status"] for line in log] == [499]


# --- The same over real sockets -------------------------------------------------------------------


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(build(), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving
    listener.close()


async def exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5)
    with contextlib.suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/notes/%00",
        b"/v1/notes/%ff",
        b"/v1/notes/%ed%a0%80",
        b"/v1/notes/a?q=%00",
        b"/%",
        b"/%zz",
        b"*",
        b"//",
    ],
)
async def test_a_hostile_target_is_never_our_error(port: int, target: bytes) -> None:
    request = b"GET " + target + b" HTTP/1.1\r\nHost: x[\r\nConnection: close\r\n\r\n"
    assert (await exchange(port, request)).split()[1] in (b"400", b"404")


async def test_an_endless_upload_is_answered_and_cut(port: int) -> None:
    head = b"POST /v1/billing/webhooks/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await exchange(
        port, head + (b"400\r\n" + b"x" * 1024 + b"\r\n") * (MAX_WEBHOOK_BYTES // 1024 + 1)
    )
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":"body_too_large"' in answer


async def test_a_large_declaration_is_answered_before_a_byte_is_sent(port: int) -> None:
    head = b"POST /v1/notes HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n"
    assert (await exchange(port, head)).startswith(b"HTTP/1.1 413")
