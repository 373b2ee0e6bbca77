"""OWASP API10:2023. A company's answer is an observation: huge, crooked or lying, it settles nothing alone.

Every verb of every adapter against every failure: ``tests/providers``; the resends and questions that follow:
``tests/reliability``.
"""

import asyncio
from functools import partial

import pytest

from tests.hostile import DEEDS, HEAD, Deed, Hostile, heard, receiving
from tests.house import House, Json, Tenant, eventually
from tests.stories.company import Company, inbox, speaking_for, told
from tests.stories.tenancy import PROVIDERS, keys

DEEP = b"[" * 100_000


@pytest.fixture(scope="module")
async def listened(house: House) -> Tenant:
    """Its company says only what we make it say."""
    return await house.tenant()


@pytest.fixture(scope="module")
async def company(listened: Tenant) -> Company:
    return await speaking_for(listened)


async def answers(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(HEAD.replace(b"text/plain", b"application/json"))
    writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


async def redirects(to: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await heard(reader)
    writer.write(b"HTTP/1.1 307 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % to.encode())
    await writer.drain()


CROOKED: tuple[tuple[str, Deed], ...] = (
    *((deed.__name__, deed) for deed in DEEDS),
    ("deep", partial(answers, DEEP)),
    ("empty", partial(answers, b"")),
    ("null", partial(answers, b"null")),
    ("a list", partial(answers, b"[]")),
    ("other types", partial(answers, b'{"id": {}, "url": [], "amount": "1e9", "status": 7}')),
    ("an address that runs", partial(answers, b'{"id": "cs_1", "url": "javascript:alert(1)"}')),
)


async def sold_at(company: Hostile, tenant: Tenant) -> Json:
    """A payment whose checkout this company was asked for."""
    base = company.url.removesuffix("/hook")
    answer = await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=await keys(tenant) | {"apiBase": base})
    assert answer.is_success, answer.text
    made = await tenant.create(expiresInSeconds=3600)
    if made.status_code >= 500:
        # Whatever the company did, the fault is told as its own.
        assert made.json()["code"].startswith(("provider_", "temporarily_"))

    async def asked() -> bool | None:
        return company.visits > 0 or None

    # The caller has had their 202 by then, if a worker that reads others' crooked answers came late.
    await eventually(asked)
    (row,) = await tenant.rows("SELECT id, status, checkout_url FROM payments")
    return row


@pytest.mark.slow
@pytest.mark.parametrize(("name", "deed"), CROOKED, ids=[name for name, _ in CROOKED])
async def test_a_crooked_answer_is_no_checkout_and_no_end(tenant: Tenant, name: str, deed: Deed) -> None:
    async with receiving(deed) as company:
        payment = await sold_at(company, tenant)
        assert company.visits, name
        assert payment["checkout_url"] is None
        assert payment["status"] in {"CREATED", "UNKNOWN"}
        assert not (await tenant.entitled("pro"))["entitled"]


@pytest.mark.slow
async def test_nobody_is_sent_elsewhere_by_a_company(tenant: Tenant) -> None:
    async with receiving(partial(answers, b"{}")) as trap, receiving(partial(redirects, trap.url)) as company:
        await sold_at(company, tenant)
        assert (company.visits > 0, trap.visits) == (True, 0)


@pytest.mark.parametrize(
    "lie",
    [
        {"amount_captured": 1},
        {"currency_captured": "EUR"},
        {"amount_captured": True},
        {"amount_captured": 1990000.0},
        {"amount_captured": "1990000"},
        {"amount_captured": 10**30},
        {"payment_status": "PAID"},
        {"status": "complete", "payment_status": "unpaid"},
    ],
    ids=str,
)
async def test_a_signed_lie_gives_no_right(listened: Tenant, company: Company, lie: Json) -> None:
    """The signature says who spoke, and nothing about whether it is true."""
    payment = await listened.open(expiresInSeconds=3600, entitlements=[{"feature": "pro"}])
    body = told(payment, **lie)
    answer = await company.post(body, **company.signed(body, event=f"evt_{payment['id']}"))
    assert answer.status_code in {200, 422}, answer.text

    # Heard or put aside, it took no effect as money for this order.
    assert (await listened.get(payment))["status"] in {"PROVIDER_PENDING", "REVIEW", "UNKNOWN"}
    assert not (await listened.entitled("pro"))["entitled"]


async def test_a_word_about_nothing_of_ours_is_kept_and_settles_nothing(
    listened: Tenant, company: Company
) -> None:
    payment = await listened.open(expiresInSeconds=3600)
    nobody = payment | {"id": "pay_" + 26 * "0", "providerReference": "cs_of_nobody"}
    body = told(nobody)
    answer = await company.post(body, **company.signed(body, event="evt_of_nobody"))
    assert answer.status_code == 200
    assert (await listened.get(payment))["status"] == "PROVIDER_PENDING"
    heard_of = {row["event_id"]: row["state"] for row in await inbox(listened)}
    assert heard_of.get("evt_of_nobody") != "PROCESSED"
