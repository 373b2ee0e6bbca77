"""Bodies nobody should send: refused at the door, told why, never repeated, and nothing is written."""

import json
from collections.abc import Callable

import pytest

from tests.house import House, Json, Tenant, refused
from tests.stories.visitor import CANARY, DOORS, ORDER, Visitor

CARD = "4242424242424242"


# --- The doors themselves -------------------------------------------------------------------------


async def test_every_door_is_watched(house: House) -> None:
    paths = (await house.http.get("/openapi.json")).json()["paths"]
    declared = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "requestBody" in operation and "/webhooks/" not in path
    }
    assert declared == {(door.method, door.path) for door in DOORS.values()}


@pytest.mark.parametrize("name", DOORS)
async def test_every_door_opens_for_a_good_body(tenant: Tenant, name: str) -> None:
    visitor = await Visitor.arriving(tenant, [DOORS[name]])
    answer = await visitor.send(DOORS[name], json.dumps(DOORS[name].good))
    # These open as well: it is only that nobody of this name lives here, that nothing is under review, and
    # that there is nothing to use.
    outcome = name, answer.status_code
    assert answer.is_success or outcome in {("login", 401), ("review", 409), ("usage", 409)}, answer.text


# --- Not JSON, or JSON that two readers understand differently ------------------------------------


def spelt(good: Json, extra: str) -> bytes:
    """A good body with one more member, as it is written."""
    return (json.dumps(good)[:-1] + f', "{CANARY}": {extra}}}').encode()


MALFORMED: dict[str, Callable[[Json], bytes]] = {
    "NaN": lambda good: spelt(good, "NaN"),
    "Infinity": lambda good: spelt(good, "Infinity"),
    "-Infinity": lambda good: spelt(good, "-Infinity"),
    "a number beyond all bounds": lambda good: spelt(good, "1e999"),
    "a number of 5000 digits": lambda good: spelt(good, "9" * 5000),
    "a member twice": lambda good: spelt(good, "1")[:-1] + f', "{CANARY}": 2}}'.encode(),
    "a nested member twice": lambda good: spelt(good, '{"a": 1, "a": 1}'),
    "half a surrogate pair": lambda good: spelt(good, r'"\ud800"'),
    "half a pair in a name": lambda good: spelt(good, r'{"\udfff": 1}'),
    "NUL": lambda good: spelt(good, r'"\u0000"'),
    "NUL in a name": lambda good: spelt(good, r'{"\u0000": 1}'),
    "a raw NUL": lambda good: spelt(good, '"\0"'),
    "a raw line break": lambda good: spelt(good, '"\n"'),
    "not UTF-8": lambda good: spelt(good, '"?"').replace(b"?", b"\xff\xfe"),
    "overlong UTF-8": lambda good: spelt(good, '"?"').replace(b"?", b"\xc0\xaf"),
    "a surrogate in UTF-8": lambda good: spelt(good, '"?"').replace(b"?", b"\xed\xa0\x80"),
    "a byte order mark": lambda good: b"\xef\xbb\xbf" + json.dumps(good).encode(),
    "UTF-16": lambda good: json.dumps(good).encode("utf-16"),
    "lists 200 deep": lambda good: spelt(good, "[" * 200 + "]" * 200),
    "objects 200 deep": lambda good: spelt(good, '{"a":' * 200 + "1" + "}" * 200),
    "lists 30000 deep": lambda good: spelt(good, "[" * 30_000 + "]" * 30_000),
    "cut off": lambda good: json.dumps(good).encode()[:-1],
    "something behind": lambda good: json.dumps(good).encode() + b" {}",
    "a comment": lambda good: json.dumps(good).encode() + b" // canary",
    "single quotes": lambda _: b"{'canary': 1}",
    "a comma at the end": lambda good: json.dumps(good).encode()[:-1] + b",}",
    "only white space": lambda _: b"  \n",
    "a form": lambda _: b"canary=1&userId=2",
}


# One after the other is quick to read, and takes a while: the rules themselves are in tests/api.
@pytest.mark.slow
@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.usefixtures("nothing_is_written")
async def test_what_is_not_strictly_json_is_malformed_at_every_door(visitor: Visitor, name: str) -> None:
    for door in DOORS.values():
        answer = await visitor.send(door, MALFORMED[name](door.good))
        refused(answer, 400, "malformed_json")
        assert CANARY not in answer.text


MISSHAPEN: dict[str, Callable[[Json], bytes]] = {
    "a list": lambda good: json.dumps([good]).encode(),
    "a string": lambda _: b'"canary"',
    "a number": lambda _: b"12",
    "true": lambda _: b"true",
    "null": lambda _: b"null",
    "an unknown member": lambda good: spelt(good, "1"),
    "an unknown member named like another's": lambda good: json.dumps(good | {"tenantId": CANARY}).encode(),
    "a member in snake case": lambda good: json.dumps(good | {"user_id": CANARY}).encode(),
    "a prototype": lambda good: json.dumps(good | {"__proto__": {CANARY: 1}}).encode(),
    "lists 30 deep": lambda good: spelt(good, "[" * 30 + "]" * 30),
}


@pytest.mark.parametrize("name", MISSHAPEN)
@pytest.mark.usefixtures("nothing_is_written")
async def test_what_has_another_shape_is_refused_at_every_door(visitor: Visitor, name: str) -> None:
    for door in DOORS.values():
        answer = await visitor.send(door, MISSHAPEN[name](door.good))
        refused(answer, 422, "validation_failed")
        assert CANARY not in answer.text


@pytest.mark.usefixtures("nothing_is_written")
async def test_no_body_is_refused_where_one_is_needed(visitor: Visitor) -> None:
    for name, door in DOORS.items():
        if name not in {"rotation", "cancel", "secret rotation", "endpoint test"}:
            refused(await visitor.send(door, b""), 422, "validation_failed")


@pytest.mark.usefixtures("nothing_is_written")
async def test_every_member_of_every_body_wants_its_own_type(visitor: Visitor) -> None:
    for door in DOORS.values():
        for member, value in door.good.items():
            others: list[object] = [[CANARY], {CANARY: {}}, 1.5, CANARY if not isinstance(value, str) else 7]
            for wrong in others:
                answer = await visitor.send(door, json.dumps(door.good | {member: wrong}))
                refused(answer, 422, "validation_failed")
                assert CANARY not in answer.text


# --- An order's members ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        *((word, "validation_failed") for word in ("true", "false", '"12"', '"1990000"', "null", "[]", "{}")),
        *((word, "validation_failed") for word in ("1e3", "1E3", "1.5", "1.0", "1990000.0", "-0.0", "1e-3")),
        *((word, "amount_out_of_range") for word in ("0", "-0", "-1", "-1990000", str(2**63), str(2**70))),
        ("9" * 4000, "amount_out_of_range"),
    ],
)
@pytest.mark.usefixtures("nothing_is_written")
async def test_an_amount_is_a_whole_number_and_nothing_like_one(
    visitor: Visitor, spelling: str, code: str
) -> None:
    body = '{"userId": "user-123", "currency": "HUF", "amount": ' + spelling + "}"
    refused(await visitor.send(DOORS["payment"], body), 422, code)
    more = body[:-1] + ', "entitlements": [{"feature": "pro"}], "canary": 1}'
    refused(await visitor.send(DOORS["payment"], more), 422, "validation_failed")


@pytest.mark.usefixtures("nothing_is_written")
async def test_a_refund_is_of_no_more_than_can_be_counted(visitor: Visitor) -> None:
    for amount in (2**53 + 1, 2**63, 2**70):
        answer = await visitor.send(DOORS["refund"], json.dumps({"amount": amount}))
        refused(answer, 422, "validation_failed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"userId": ""},
        {"userId": "u" * 129},
        {"userId": "line\rfeed"},
        {"userId": "bell\a"},
        {"userId": None},
        {"orderId": ""},
        {"orderId": "o" * 129},
        {"description": "d" * 501},
        {"description": ""},
        {"customerEmail": "nobody"},
        {"customerEmail": "a@"},
        {"customerEmail": "a b@c.hu"},
        {"customerEmail": "Ann <a@b.hu>"},
        {"customerEmail": "a@b.hu\nBcc: c@d.hu"},
        {"customerEmail": "a" * 250 + "@b.hu"},
        {"expiresInSeconds": 59},
        {"expiresInSeconds": 86_401},
        {"expiresInSeconds": 900.0},
        {"expiresInSeconds": "900"},
        {"expiresInSeconds": True},
        {"provider": "nobody"},
        {"provider": "Sandbox"},
        {"provider": "sandbox'; DROP TABLE payments; --"},
        {"entitlements": [{"feature": "pro"}] * 21},
        {"entitlements": [{"feature": ""}]},
        {"entitlements": [{"feature": "f" * 129}]},
        {"entitlements": [{"feature": "pro", "quantity": 0}]},
        {"entitlements": [{"feature": "pro", "quantity": 2**63}]},
        {"entitlements": [{"feature": "pro", "durationSeconds": 0}]},
        {"entitlements": [{"feature": "pro", "durationSeconds": 2**63}]},
        {"entitlements": [{"feature": "pro", "canary": 1}]},
        {"entitlements": {"feature": "pro"}},
        {"entitlements": "pro"},
        {"metadata": {f"k{number}": "v" for number in range(51)}},
        {"metadata": {"k" * 41: "v"}},
        {"metadata": {"": "v"}},
        {"metadata": {"k": "v" * 501}},
        {"metadata": {"k": 5}},
        {"metadata": {"k": None}},
        {"metadata": {"k": True}},
        {"metadata": {"k": {"canary": "nested"}}},
        {"metadata": {"k": "escape\x1b[2J"}},
        {"metadata": {"escape\x1b[2J": "v"}},
        {"metadata": ["k"]},
    ],
    ids=lambda wrong: json.dumps(wrong)[:50],
)
@pytest.mark.usefixtures("nothing_is_written")
async def test_an_order_that_breaks_a_bound_is_refused(visitor: Visitor, wrong: Json) -> None:
    answer = await visitor.send(DOORS["payment"], json.dumps(ORDER | wrong))
    no = refused(answer, 422, "validation_failed")
    assert all(error["pointer"].startswith(f"/{next(iter(wrong))}") for error in no["errors"])
    assert CANARY not in answer.text


async def test_an_order_at_every_bound_is_taken(tenant: Tenant) -> None:
    metadata = {f"{number:040}": "á" * 500 for number in range(50)}
    payment = await tenant.open(
        key="~" * 255,
        userId="ű" * 128,
        orderId="😀" * 128,
        description="line\nfeed\t" + "d" * 490,
        customerEmail="a" * 60 + "@example.com",
        successUrl="https://example.com/" + "s" * 2028,
        expiresInSeconds=86_400,
        entitlements=[{"feature": "f" * 128, "quantity": 1, "durationSeconds": 1}] * 20,
        metadata=metadata,
    )
    assert (payment["userId"], payment["orderId"]) == ("ű" * 128, "😀" * 128)
    assert (await tenant.get(payment))["metadata"] == metadata


URLS = [
    "javascript:alert(1)",
    "mailto:a@b.hu",
    "data:text/html,canary",
    "file:///etc/passwd",
    "ftp://example.com/",
    "//example.com/",
    "/thanks",
    "example.com",
    "https://",
    "https:///thanks",
    "https://user:canary@example.com/",
    "https://user@example.com/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com/a b",
    "https://example.com\\@canary.com/",
    "https://exämple.com/",
    "https://example.com/\n",
    "https://example.com/" + "s" * 3000,
    "",
]


@pytest.mark.parametrize("url", URLS, ids=lambda url: url[:40])
@pytest.mark.usefixtures("nothing_is_written")
async def test_an_address_is_absolute_http_with_no_password_in_it(visitor: Visitor, url: str) -> None:
    places = [
        *(("payment", member) for member in ("successUrl", "cancelUrl")),
        ("register", "webhookUrl"),
        ("provider", "apiBase"),
    ]
    for name, member in places:
        answer = await visitor.send(DOORS[name], json.dumps(DOORS[name].good | {member: url}))
        no = refused(answer, 422, "validation_failed")
        assert [error["pointer"] for error in no["errors"]] == [f"/{member}"]
        assert CANARY not in answer.text


# --- Card numbers ---------------------------------------------------------------------------------

SPELLINGS = [
    CARD,
    "4242 4242 4242 4242",
    "4242-4242-4242-4242",
    "card: 4242424242424242, thanks",
    "4242\u00a04242\u00a04242\u00a04242",
    "４２４２４２４２４２４２４２４２",
    "3782 822463 10005",
    "4222222222222",
    "x4242424242424242x 12/29",
]
FREE_TEXTS: list[tuple[str, Callable[[str], Json]]] = [
    *(("payment", lambda text, name=name: {name: text}) for name in ("userId", "orderId", "description")),
    ("payment", lambda text: {"metadata": {"k": text}}),
    ("payment", lambda text: {"metadata": {text: "v"}}),
    ("payment", lambda text: {"entitlements": [{"feature": text}]}),
    *(("register", lambda text, name=name: {name: text}) for name in ("name", "organization")),
    ("credential", lambda text: {"name": text}),
    *(("usage", lambda text, name=name: {name: text}) for name in ("userId", "feature")),
]


@pytest.mark.parametrize("text", SPELLINGS)
@pytest.mark.usefixtures("nothing_is_written")
async def test_a_card_number_is_taken_nowhere_and_never_repeated(visitor: Visitor, text: str) -> None:
    for name, filled_in in FREE_TEXTS:
        answer = await visitor.send(DOORS[name], json.dumps(DOORS[name].good | filled_in(text)))
        refused(answer, 422, "validation_failed")
        assert text not in answer.text
        assert CARD not in answer.text


@pytest.mark.usefixtures("nothing_is_written")
async def test_a_card_number_is_no_name_of_a_mailbox_either(visitor: Visitor) -> None:
    for name, member in (("payment", "customerEmail"), ("register", "contactEmail")):
        body = DOORS[name].good | {member: f"{CARD}@example.com"}
        answer = await visitor.send(DOORS[name], json.dumps(body))
        refused(answer, 422, "validation_failed")
        assert CARD not in answer.text


async def test_digits_that_are_no_card_number_are_taken(tenant: Tenant) -> None:
    await tenant.open(
        userId="4242424242424241",
        orderId="12345678901234567890123",
        description="phone +36 30 123 4567, 2026-11-21 08:37:40",
        metadata={"uuid": "42424242-4242-4242-8242-424242424242"},
    )
