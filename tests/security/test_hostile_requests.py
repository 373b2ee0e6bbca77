"""Heads of requests that no HTTP library would send: names, methods, lines and lengths, byte by byte."""

import asyncio
import json
import re
from collections.abc import Iterable

import pytest

from tests.house import House, Tenant
from tests.security.odd import HARMLESS, KEYS, NAMES, NO_PASS, TARGETS
from tests.security.wire import Heard, request, say
from tests.stories.visitor import CANARY, ORDER, Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AT_ONCE = 12
OK, NO = frozenset({200}), frozenset(range(400, 500))
# The server may close without a word on what is no HTTP.
SILENT_NO = NO | {None}
BODY = json.dumps(ORDER).encode()
LENGTH = b"Content-Length: %d" % len(BODY)
JSON_LINES = (b"Content-Type: application/json", b"Idempotency-Key: wire", LENGTH)


async def heard(house: House, requests: Iterable[bytes]) -> list[Heard]:
    """What each is answered with, in their order."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(raw: bytes) -> Heard:
        async with limit:
            return await say(house.ready["apiUrl"], raw)

    return list(await asyncio.gather(*(one(raw) for raw in requests)))


async def all_answered(house: House, cases: dict[str, tuple[bytes, frozenset[int | None]]]) -> None:
    """Each with a status it may have, once, and without repeating the canary."""
    answers = await heard(house, [raw for raw, _ in cases.values()])
    wrong = [
        f"{name}: {answer.raw[:300]!r}"
        for (name, (_, allowed)), answer in zip(cases.items(), answers, strict=True)
        if answer.status not in allowed or answer.answers > 1 or CANARY.encode() in answer.raw
    ]
    assert not wrong, f"{len(wrong)} answers are wrong:\n" + "\n".join(wrong[:15])
    assert (await house.http.get("/readyz")).is_success


def pass_of(tenant: Tenant) -> bytes:
    return f"Authorization: Bearer {tenant.token}".encode()


# --- Lines of header ------------------------------------------------------------------------------


async def test_no_key_opens_a_payment_that_cannot_be_one(house: House, tenant: Tenant) -> None:
    lines = (pass_of(tenant), b"Content-Type: application/json", LENGTH)
    cases: dict[str, tuple[bytes, frozenset[int | None]]] = {
        name: (
            request(b"/v1/payments", *lines, b"Idempotency-Key: " + key, method=b"POST", body=BODY),
            SILENT_NO,
        )
        for name, key in KEYS.items()
        # A folded line is one line with a space in it, or none at all (RFC 9112, section 5.2).
        if name != "folded"
    }
    two = (b"Idempotency-Key: \x7f", b"Idempotency-Key: \x01")
    cases["two that are none"] = (
        request(b"/v1/payments", *lines, *two, method=b"POST", body=BODY),
        SILENT_NO,
    )
    cases["none"] = (request(b"/v1/payments", *lines, method=b"POST", body=BODY), NO)
    await all_answered(house, cases)
    assert await tenant.rows("SELECT * FROM payments") == []


async def test_nobody_comes_in_with_a_header_that_is_no_pass(house: House) -> None:
    cases: dict[str, tuple[bytes, frozenset[int | None]]] = {
        repr(value[:40]) + str(len(value)): (
            request(b"/v1/tenants/me", b"Authorization: " + value),
            SILENT_NO,
        )
        for value in NO_PASS
    }
    cases |= {
        f"as operator {value[:20]!r}": (
            request(b"/v1/tenants/x/suspend", b"X-Admin-Key: " + value, b"Content-Length: 0", method=b"POST"),
            SILENT_NO,
        )
        for value in (b"", b" ", b"null", b"adm_", b"\xe9\xff", b"a" * 20_000, b"canary\ttab")
    }
    many = (b"Authorization: Bearer canary",) * 300
    cases["300 passes"] = (request(b"/v1/tenants/me", *many), SILENT_NO)
    await all_answered(house, cases)


async def test_what_other_servers_trust_means_nothing_here(house: House, tenant: Tenant) -> None:
    await all_answered(
        house,
        {
            name: (request(b"/v1/tenants/me", pass_of(tenant), *line.split(b"\r\n")), OK)
            for name, line in HARMLESS.items()
        },
    )


async def test_heads_that_are_too_much_or_no_heads_are_refused(house: House, tenant: Tenant) -> None:
    token, me = pass_of(tenant), b"/v1/tenants/me"
    heads: dict[str, bytes] = {
        "4000 lines": request(me, token, *(b"X-%d: canary" % number for number in range(4000))),
        "a line of 64 KiB": request(me, token, b"X-Long: " + b"x" * 65_536),
        "a name of 64 KiB": request(me, token, b"X" * 65_536 + b": x"),
        "a target of 64 KiB": request(b"/v1/" + b"x" * 65_536, token),
        "a method of 64 KiB": request(me, token, method=b"X" * 65_536),
        "two hosts": request(me, token, b"Host: canary.example"),
        "no host": b"GET /v1/tenants/me HTTP/1.1\r\nConnection: close\r\n" + token + b"\r\n\r\n",
        "a space before the colon": request(me, token, b"X-Canary : x"),
        "no colon": request(me, token, b"canary"),
        "no name": request(me, token, b": canary"),
        "a name with a space": request(me, token, b"X Canary: x"),
        "NUL in a name": request(me, token, b"X-\x00: x"),
        "NUL in a value": request(me, token, b"X-A: a\x00b"),
        "a folded first line": b"GET /v1/tenants/me HTTP/1.1\r\n Host: canary\r\nConnection: close\r\n\r\n",
        "HTTP/0.9": b"GET /v1/tenants/me\r\n\r\n",
        "no version": request(me, token, version=b"canary"),
        "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
        "SMTP": b"EHLO canary\r\nMAIL FROM:<a@b>\r\n\r\n",
        "Redis": b"*1\r\n$4\r\nPING\r\n\r\n\r\n",
        "a space in the target": request(b"/v1/ten ants/me", token),
        "a lower-case method": request(me, token, method=b"get"),
        "an odd method": request(me, token, method=b"G@ET"),
        "an empty method": request(me, token, method=b""),
        "a method of another world": request(me, token, method=b"PROPFIND"),
        "TRACE": request(me, token, method=b"TRACE"),
        "TRACK": request(me, token, method=b"TRACK"),
        "CONNECT": request(b"localhost:22", method=b"CONNECT"),
        "CONNECT to a path": request(me, token, method=b"CONNECT"),
        "OPTIONS of all": request(b"*", token, method=b"OPTIONS"),
        "GET of all": request(b"*", token),
        "DEBUG": request(me, token, method=b"DEBUG"),
    }
    await all_answered(house, {name: (raw, SILENT_NO) for name, raw in heads.items()})


async def test_old_and_absolute_requests_are_read_as_the_path_they_name(house: House, tenant: Tenant) -> None:
    token = pass_of(tenant)
    told = await heard(
        house,
        [
            request(b"/v1/tenants/me", token, version=b"HTTP/1.0"),
            request(b"/v1/tenants/me", token, version=b"HTTP/9.9"),
            # A line may end with LF alone (RFC 9112, section 2.2): that is one more line, of no meaning.
            request(b"/v1/tenants/me", token, b"X-A: a\nX-Admin-Key: canary"),
            request(b"http://canary.example/v1/tenants/me", token),
            request(b"https://localhost:1/v1/nowhere", token),
            request(b"canary.example/v1/tenants/me", token),
        ],
    )
    # An absolute target is for proxies. Whatever it is taken for, it is nobody else's and no failure of ours.
    assert told[0].status == told[2].status == 200
    assert all(answer.status in OK | SILENT_NO and CANARY.encode() not in answer.raw for answer in told), told


# --- Lengths and pieces ---------------------------------------------------------------------------


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


TE = b"Transfer-Encoding: chunked"


async def test_a_body_is_as_long_as_it_says_or_it_is_none(house: House, tenant: Tenant) -> None:
    """A second request hidden behind the first is never answered."""
    hidden = request(b"/v1/payments", pass_of(tenant))
    lines = (pass_of(tenant), b"Content-Type: application/json", b"Idempotency-Key: wire")

    def post(*more: bytes, body: bytes) -> bytes:
        return request(b"/v1/payments", *lines, *more, method=b"POST", body=body)

    heads = {
        "two lengths": post(LENGTH, b"Content-Length: 1", body=BODY),
        "two lengths in one line": post(LENGTH + b", 1", body=BODY),
        "a negative length": post(b"Content-Length: -1", body=BODY),
        "a length with a plus": post(b"Content-Length: +%d" % len(BODY), body=BODY),
        "a length in hexadecimal": post(b"Content-Length: 0x10", body=BODY),
        "a length in Arabic digits": post("Content-Length: ١٠".encode(), body=BODY),
        "a length beyond all": post(b"Content-Length: " + b"9" * 40, body=BODY),
        "a length of 10 GiB": post(b"Content-Length: 10737418240", body=BODY),
        "too short a length": post(b"Content-Length: 10", body=BODY),
        "no length": post(body=BODY),
        "a length of nothing, and a request": post(b"Content-Length: 0", body=hidden),
        "both kinds": post(b"Content-Length: 4", TE, body=b"0\r\n\r\n" + hidden),
        "both kinds, turned": post(TE, b"Content-Length: 4", body=b"0\r\n\r\n" + hidden),
        "pieces of an unknown kind": post(b"Transfer-Encoding: gzip, chunked", body=chunked(BODY)),
        "pieces of another kind": post(b"Transfer-Encoding: identity", LENGTH, body=BODY),
        "pieces, twice": post(b"Transfer-Encoding: chunked, chunked", body=chunked(BODY)),
        "pieces in odd letters": post(b"Transfer-Encoding: \x0bchunked", body=chunked(BODY)),
        "a piece of negative size": post(TE, body=b"-1\r\nx\r\n0\r\n\r\n"),
        "a piece of no size": post(TE, body=b"\r\nx\r\n0\r\n\r\n"),
        "a piece of a huge size": post(TE, body=b"f" * 40 + b"\r\nx"),
        "a size in capital 0X": post(TE, body=b"0X5\r\nhello\r\n0\r\n\r\n"),
        "a long extension": post(TE, body=b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n"),
        "a piece that is longer": post(TE, body=b"1\r\n" + BODY + b"\r\n0\r\n\r\n"),
        "a bad ending": post(TE, body=b"5\r\nhelloXX0\r\n\r\n"),
        "trailers that mean something": post(
            TE, body=chunked(b"[]", trailer=b"Authorization: Bearer canary\r\nContent-Length: 5\r\n")
        ),
        "a trailer of 64 KiB": post(TE, body=chunked(b"[]", trailer=b"X: " + b"x" * 65_536 + b"\r\n")),
        "a thousand trailers": post(TE, body=chunked(b"[]", trailer=b"X: canary\r\n" * 9000)),
        "a byte a piece": post(TE, body=chunked(*(b"[" for _ in range(3000)))),
        "continue, with nothing good": post(b"Expect: 100-continue", b"Content-Length: 2", body=b"[]"),
        "expecting something else": post(b"Expect: canary", b"Content-Length: 2", body=b"[]"),
    }
    await all_answered(house, {name: (raw, SILENT_NO) for name, raw in heads.items()})
    assert await tenant.rows("SELECT * FROM payments") == []


async def test_who_hangs_up_in_the_middle_leaves_nothing_behind(house: House, tenant: Tenant) -> None:
    whole = request(b"/v1/payments", pass_of(tenant), *JSON_LINES, method=b"POST", body=BODY)
    places = [*range(1, len(whole) - len(BODY), 97), *range(len(whole) - len(BODY), len(whole), 7)]
    heard = await asyncio.gather(
        *(say(house.ready["apiUrl"], whole[:place], then_hang_up=True) for place in places)
    )
    assert all(answer.status in SILENT_NO for answer in heard), heard
    assert await tenant.rows("SELECT * FROM payments") == []


async def test_pieces_and_continue_are_ways_to_send_a_good_order(house: House, tenant: Tenant) -> None:
    lines = (pass_of(tenant), *JSON_LINES[:2])
    pieces = chunked(BODY[:5], BODY[5:], trailer=b"X-Trailer: x\r\n")
    (in_pieces, expecting) = await heard(
        house,
        [
            request(b"/v1/payments", *lines, TE, method=b"POST", body=pieces),
            request(b"/v1/payments", *lines, LENGTH, b"Expect: 100-continue", method=b"POST", body=BODY),
        ],
    )
    assert {in_pieces.status} <= {201, 202}, in_pieces.raw
    assert expecting.answers == 1, expecting.raw
    assert len(await tenant.rows("SELECT * FROM payments")) == 1


# --- Paths ----------------------------------------------------------------------------------------


async def test_no_odd_target_leads_anywhere(house: House, tenant: Tenant) -> None:
    cases = {
        f"{method!r} {target[:60]!r}": (
            request(target, pass_of(tenant), b"Content-Length: 0", method=method),
            SILENT_NO,
        )
        for target in TARGETS
        for method in (b"GET", b"POST", b"DELETE")
    }
    await all_answered(house, cases)


async def test_no_odd_name_names_anything_in_any_path(house: House) -> None:
    """Every place for a name in every route: what is no name is not found, whoever asks."""
    visitor = await Visitor.arriving(await house.tenant(), [])
    paths = (await house.http.get("/openapi.json")).json()["paths"]
    admin = f"X-Admin-Key: {house.ready['adminKey']}".encode()
    lines = (pass_of(visitor.tenant), admin, *JSON_LINES[:2], b"Content-Length: 2")
    before = await visitor.has()
    routes = [(method, path) for path, methods in paths.items() if "{" in path for method in methods]
    cases = {
        f"{method} {path} {odd[:60]!r}": (
            request(filled(path, odd), *lines, method=method.upper().encode(), body=b"{}"),
            SILENT_NO,
        )
        for number, (method, path) in enumerate(routes)
        # Every other name at every other route: neighbours share what reads them.
        for odd in NAMES[number % 2 :: 2]
    }
    assert len(cases) > 2000
    await all_answered(house, cases)
    assert await visitor.has() == before


def filled(path: str, odd: bytes) -> bytes:
    """The path with this in all the places for names but the first, and then also in that."""
    return re.sub(rb"\{\w+\}", odd.replace(b"\\", rb"\\"), path.encode())
