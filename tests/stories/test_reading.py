"""Reading payments: lists, their filters and pages, and nothing of a stranger's."""

import asyncio
from datetime import datetime

import pytest

from tests.house import House, Json, Tenant, refused


async def listed(tenant: Tenant, **query: object) -> Json:
    answer = await tenant.call("GET", "/v1/payments", params=query)
    assert answer.status_code == 200, answer.text
    page: Json = answer.json()
    return page


def ids(payments: list[Json]) -> list[str]:
    return [payment["id"] for payment in payments]


async def test_a_list_shows_what_was_asked_for_newest_first(tenant: Tenant, house: House) -> None:
    await (await house.tenant()).open(userId="ann")
    a, b = await tenant.open(userId="ann", orderId="order-1"), await tenant.open(userId="bob")
    c = await tenant.open(userId="ann")
    await tenant.pay(a)
    await tenant.eventually(a, "SUCCEEDED")
    assert ids((await listed(tenant))["data"]) == ids([c, b, a])
    assert ids((await listed(tenant, userId="ann"))["data"]) == ids([c, a])
    assert ids((await listed(tenant, orderId="order-1"))["data"]) == ids([a])
    assert ids((await listed(tenant, status="SUCCEEDED"))["data"]) == ids([a])
    assert ids((await listed(tenant, userId="ann", status="PROVIDER_PENDING"))["data"]) == ids([c])
    assert (await listed(tenant, userId="nobody"))["data"] == []


async def test_a_list_may_be_of_a_time(tenant: Tenant) -> None:
    a, b, c = [await tenant.open() for _ in range(3)]
    assert ids((await listed(tenant, createdFrom=b["createdAt"]))["data"]) == ids([c, b])
    assert ids((await listed(tenant, createdTo=b["createdAt"]))["data"]) == ids([b, a])
    assert ids((await listed(tenant, createdFrom=b["createdAt"], createdTo=b["createdAt"]))["data"]) == ids(
        [b]
    )
    elsewhere = datetime.fromisoformat(c["createdAt"]).isoformat().replace("+00:00", "+02:00")
    assert (await listed(tenant, createdTo=elsewhere))["total"] == 0


async def test_pages_by_offset_tell_where_they_are(tenant: Tenant) -> None:
    every = sorted(ids(await asyncio.gather(*(tenant.open() for _ in range(7)))))
    pages = [await listed(tenant, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [(page["total"], page["limit"], page["offset"]) for page in pages] == [
        (7, 3, offset) for offset in (0, 3, 6, 9)
    ]
    assert [len(page["data"]) for page in pages] == [3, 3, 1, 0]
    assert sorted(ids([payment for page in pages for payment in page["data"]])) == every


async def test_a_cursor_walks_through_everything_though_new_payments_arrive(tenant: Tenant) -> None:
    every = sorted(ids(await asyncio.gather(*(tenant.open() for _ in range(7)))))
    page = await listed(tenant, limit=2)
    walked = ids(page["data"])
    while page["nextCursor"] is not None:
        await tenant.open()
        page = await listed(tenant, limit=2, cursor=page["nextCursor"])
        walked += ids(page["data"])
    assert sorted(walked) == every


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in ("0", "101", "-1", "abc", "1.5", "", "9" * 30)),
        *(("offset", value) for value in ("-1", "abc", "1e3", "", "9" * 30)),
        *(("status", value) for value in ("PAID", "succeeded", "")),
        *(("userId", value) for value in ("u" * 129,)),
        *(("orderId", value) for value in ("o" * 129,)),
        *(
            ("createdFrom", value)
            for value in ("yesterday", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01", "", "12")
        ),
        # Before the first and after the last moment that can be written in UTC.
        *(("createdFrom", value) for value in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")),
        *(("createdTo", value) for value in ("tomorrow", "0001-01-01T00:00:00+23:59")),
        *(("cursor", value) for value in ("", "abc", "ä", "MjAyNi0wMS0wMVQwMDowMDowMCBwYXlf")),
        # base64 of "0001-01-01T00:00:00+23:59 pay_", and of a moment with an id of NUL.
        ("cursor", "MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OSBwYXlf"),
        ("cursor", "MjAyNi0wMS0wMVQwMDowMDowMCswMDowMCAA"),
    ],
)
async def test_a_list_nobody_can_mean_is_refused(tenant: Tenant, name: str, value: str) -> None:
    no = refused(await tenant.call("GET", "/v1/payments", params={name: value}), 422, "validation_failed")
    assert [error["pointer"] for error in no["errors"]] == [f"/query/{name}"]


async def test_a_strangers_payment_looks_exactly_like_none(tenant: Tenant, house: House) -> None:
    theirs = await (await house.tenant()).open()
    unknown = "pay_" + "0" * 26
    for method, path in (("GET", "/v1/payments/{}"), ("POST", "/v1/payments/{}/cancel")):
        answers = [
            await tenant.call(method, path.format(name), headers={"X-Request-Id": "the-same"})
            for name in (theirs["id"], unknown)
        ]
        refused(answers[0], 404, "not_found")
        assert answers[0].content == answers[1].content
        assert answers[0].headers.keys() == answers[1].headers.keys()
