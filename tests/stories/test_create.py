"""Creating a payment: one order, one key, one checkout, whatever goes wrong on the way."""

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest

from tests.house import House, Json, Tenant, refused

FIELDS = {
    *("id", "tenantId", "userId", "orderId", "amount", "currency", "status", "provider"),
    *("providerReference", "checkoutUrl", "checkoutToken", "refundStatus", "amountRefunded"),
    *("disputeStatus", "failureCode", "failureMessage", "late", "sandbox", "metadata"),
    *("createdAt", "updatedAt", "expiresAt"),
}
BANK_REFUSES = "9000000000000019"


async def suspend(house: House, tenant: Tenant, deed: str = "suspend") -> None:
    answer = await house.http.post(f"/v1/tenants/{tenant.id}/{deed}", headers=house.admin)
    assert answer.status_code == 200, answer.text


# --- The answer -----------------------------------------------------------------------------------


async def test_a_created_payment_is_answered_with_all_its_facts_and_no_others(
    tenant: Tenant, house: House
) -> None:
    payment = await tenant.open(orderId="order-456", metadata={"k": "v"})
    assert payment.keys() == FIELDS
    assert payment["id"].startswith("pay_")
    ordered = {"tenantId": tenant.id, "userId": "user-123", "orderId": "order-456", "metadata": {"k": "v"}}
    money = {"amount": 1990000, "currency": "HUF", "amountRefunded": 0}
    stands = {"status": "PROVIDER_PENDING", "refundStatus": "NONE", "disputeStatus": "NONE", "late": False}
    where = {"provider": "sandbox", "sandbox": True, "failureCode": None, "failureMessage": None}
    assert payment == payment | ordered | money | stands | where
    assert payment["checkoutUrl"] == f"{house.ready['sandboxUrl']}/pay/{payment['providerReference']}"


async def test_the_payment_reads_the_same_afterwards_with_its_events_and_without_its_token(
    tenant: Tenant,
) -> None:
    created = await tenant.open()
    token = created.pop("checkoutToken")
    read = await tenant.get(created)
    assert [event.keys() for event in read.pop("events")] == [{"id", "type", "at", "cause"}] * 2
    assert read == created
    assert token not in (await tenant.call("GET", "/v1/payments")).text


async def test_a_checkout_can_be_paid_only_while_it_is_shown(tenant: Tenant) -> None:
    payment = await tenant.open()
    await tenant.pay(payment)
    paid = await tenant.eventually(payment, "SUCCEEDED")
    assert paid["checkoutUrl"] is None
    assert (await tenant.pay(payment)).status_code == 409


async def test_a_checkout_token_shows_its_own_payment_and_no_other(tenant: Tenant, house: House) -> None:
    mine, other = await tenant.open(), await tenant.open()
    look = {"token": mine["checkoutToken"]}
    shown = await house.http.get(f"/v1/payments/{mine['id']}", params=look)
    assert (shown.status_code, shown.json()) == (200, await tenant.get(mine))
    refused(await house.http.get(f"/v1/payments/{other['id']}", params=look), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/payments"),
        ("POST", "/v1/payments"),
        ("POST", "/v1/payments/{id}/cancel"),
        ("GET", "/v1/tenants/me"),
        ("GET", "/v1/tenants/me/providers"),
        ("GET", "/v1/entitlements?userId=user-123"),
    ],
)
async def test_a_checkout_token_opens_no_other_door(
    tenant: Tenant, house: House, method: str, path: str
) -> None:
    payment = await tenant.open()
    token, path = payment["checkoutToken"], path.replace("{id}", payment["id"])
    refused(await house.http.request(method, httpx.URL(path, params={"token": token})), 401, "unauthorized")
    bearer = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    refused(await house.http.request(method, path, headers=bearer), 401, "unauthorized")
    assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"


# --- The key --------------------------------------------------------------------------------------


async def replay(tenant: Tenant, first: httpx.Response, key: str, **order: object) -> None:
    """The same request again gets the same bytes again, and is told so."""
    again = await tenant.create(key, **order)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_replay_gets_the_first_answer_while_the_payment_is_open_and_after_it_was_paid(
    tenant: Tenant,
) -> None:
    first = await tenant.create("key")
    assert first.status_code == 201
    assert "idempotent-replayed" not in first.headers
    await replay(tenant, first, "key")
    await tenant.pay(first.json())
    await tenant.eventually(first.json(), "SUCCEEDED")
    await replay(tenant, first, "key")


async def test_a_replay_gets_the_first_answer_after_the_payment_expired(tenant: Tenant) -> None:
    first = await tenant.create("key", expiresInSeconds=60)
    await tenant.eventually(first.json(), "EXPIRED")
    await replay(tenant, first, "key", expiresInSeconds=60)


async def test_a_replay_gets_the_first_answer_after_the_payment_was_cancelled(tenant: Tenant) -> None:
    first = await tenant.create("key")
    await tenant.call("POST", f"/v1/payments/{first.json()['id']}/cancel")
    await tenant.eventually(first.json(), "CANCELLED")
    await replay(tenant, first, "key")


async def test_another_body_under_the_same_key_is_a_conflict_even_after_the_end(tenant: Tenant) -> None:
    first = await tenant.create("key")
    refused(await tenant.create("key", amount=1990001), 409, "idempotency_conflict")
    await tenant.pay(first.json())
    await tenant.eventually(first.json(), "SUCCEEDED")
    refused(await tenant.create("key", metadata={"k": "v"}), 409, "idempotency_conflict")
    await replay(tenant, first, "key")


async def test_how_the_json_is_written_does_not_matter(tenant: Tenant) -> None:
    headers = {"Idempotency-Key": "key", "Content-Type": "application/json"}
    bodies = [
        '{"userId":"user-123","amount":500,"currency":"EUR","metadata":{"a":"1","b":"2"}}',
        '{ "metadata" : {"b":"2",\n"a":"1"},\t"currency":"EUR", "amount":500, "userId":"user-123" }',
        '{"userId":"\\u0075ser-123","amount":500,"currency":"EUR","metadata":{"\\u0062":"2","a":"1"}}',
    ]
    answers = [await tenant.call("POST", "/v1/payments", content=body, headers=headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.content for answer in answers}) == 1


async def test_ten_requests_at_once_with_one_key_make_one_payment(tenant: Tenant, house: House) -> None:
    answers = await asyncio.gather(*(tenant.create("key") for _ in range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len((await house.ledger(answers[0].json()))["sessions"]) == 1
    assert len(await tenant.rows("SELECT FROM payments")) == 1


async def test_keys_belong_to_their_tenant(tenant: Tenant, house: House) -> None:
    stranger = await house.tenant()
    mine, theirs = await tenant.open("key"), await stranger.open("key", amount=200)
    assert mine["id"] != theirs["id"]
    assert (mine["amount"], theirs["amount"]) == (1990000, 200)


async def test_a_refused_body_does_not_use_its_key_up(tenant: Tenant) -> None:
    refused(await tenant.create("key", amount=1), 422, "amount_out_of_range")
    refused(await tenant.create("key", currency="XXX"), 422, "currency_unsupported")
    refused(await tenant.create("key", colour="red"), 422, "validation_failed")
    refused(await tenant.create("key", provider="elsewhere"), 422, "validation_failed")
    await tenant.open("key")


# --- The order ------------------------------------------------------------------------------------


async def test_an_order_has_one_open_payment(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(orderId="order-1")
    no = refused(await tenant.create(orderId="order-1"), 409, "order_has_open_payment")
    assert no["paymentId"] == payment["id"]
    await tenant.open(orderId="order-2")
    await (await house.tenant()).open(orderId="order-1")


async def test_an_order_is_paid_once(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(orderId="order-1")
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    no = refused(await tenant.create(orderId="order-1"), 409, "order_already_paid")
    assert no["paymentId"] == payment["id"]
    assert len((await house.control("GET", "ledger", reference=payment["id"]))["captures"]) == 1


async def test_an_order_is_free_again_after_its_payment_failed(tenant: Tenant) -> None:
    payment = await tenant.open(orderId="order-1")
    await tenant.pay(payment, card=BANK_REFUSES)
    await tenant.eventually(payment, "FAILED")
    await tenant.open(orderId="order-1")


async def test_an_order_is_free_again_after_its_payment_expired(tenant: Tenant) -> None:
    payment = await tenant.open(orderId="order-1", expiresInSeconds=60)
    await tenant.eventually(payment, "EXPIRED")
    await tenant.open(orderId="order-1")


async def test_an_order_is_free_again_after_its_payment_was_cancelled(tenant: Tenant) -> None:
    payment = await tenant.open(orderId="order-1")
    await tenant.pay(payment, action="close")
    await tenant.eventually(payment, "CANCELLED")
    await tenant.open(orderId="order-1")


async def test_ten_requests_at_once_for_one_order_make_one_payment(tenant: Tenant) -> None:
    answers = await asyncio.gather(*(tenant.create(orderId="order-1") for _ in range(10)))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(made) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert refused(answer, 409, "order_has_open_payment")["paymentId"] == made[0]["id"]


async def test_requests_for_one_order_race_with_its_payments_failing(tenant: Tenant) -> None:
    # Whoever is refused because of another payment may find it failed, and the order free, a moment later.
    await tenant.fault("checkout.create", "before", "refuse", count=100)
    answers = await asyncio.gather(*(tenant.create(orderId="order-1") for _ in range(30)))
    for answer in answers:
        code = "provider_misconfigured" if answer.status_code == 502 else "order_has_open_payment"
        refused(answer, 502 if answer.status_code == 502 else 409, code)


# --- The amount -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "least", "most"),
    [
        ("HUF", 100, 1_000_000_000),
        ("EUR", 50, 100_000_000),
        ("USD", 50, 100_000_000),
        ("JPY", 1, 100_000_000),
        ("KWD", 1, 100_000_000),
    ],
)
async def test_amounts_have_bounds_and_both_are_good(
    tenant: Tenant, currency: str, least: int, most: int
) -> None:
    for amount in (least, most):
        payment = await tenant.open(currency=currency, amount=amount)
        assert (payment["amount"], payment["currency"]) == (amount, currency)
    for amount in (least - 1, most + 1, -least):
        no = refused(await tenant.create(currency=currency, amount=amount), 422, "amount_out_of_range")
        assert [error["pointer"] for error in no["errors"]] == ["/amount"]


async def test_a_currency_nobody_uses_is_unsupported(tenant: Tenant) -> None:
    for currency in ("ABC", "XXX", "XAU", "DEM"):
        no = refused(await tenant.create(currency=currency), 422, "currency_unsupported")
        assert [error["pointer"] for error in no["errors"]] == ["/currency"]
    for nonsense in ("huf", "EURO", "", "E R"):
        refused(await tenant.create(currency=nonsense), 422, "validation_failed")


# --- The provider ---------------------------------------------------------------------------------


async def creates(house: House, payment: Json) -> list[Json]:
    """What the payment company was asked to create, once or again."""
    asked = await house.control("GET", "requests", reference=payment["id"])
    return [call for call in asked["data"] if call["operation"] == "checkout.create"]


@pytest.mark.parametrize("fault", ["reset", "status:500", "status:503", "truncate", "html"])
async def test_an_answer_lost_on_its_way_opens_no_second_checkout(
    tenant: Tenant, house: House, fault: str
) -> None:
    await tenant.fault("checkout.create", "after", fault)
    payment = await tenant.open()
    asked = await creates(house, payment)
    assert len(asked) == 2
    assert len({call["idempotencyKey"] for call in asked}) == 1
    assert len((await house.ledger(payment))["sessions"]) == 1


@pytest.mark.parametrize("fault", ["reset", "status:500", "status:503", "status:429"])
async def test_a_provider_that_stumbles_is_asked_again(tenant: Tenant, house: House, fault: str) -> None:
    await tenant.fault("checkout.create", "before", fault)
    payment = await tenant.open()
    assert len(await creates(house, payment)) == 2
    assert len((await house.ledger(payment))["sessions"]) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_who_waits_too_long_for_the_provider_is_told_to_come_back(
    tenant: Tenant, house: House, when: str
) -> None:
    await tenant.fault("checkout.create", when, "hang", seconds=5.5)
    slow = await tenant.create("key", expiresInSeconds=3600)
    payment = slow.json()
    assert (slow.status_code, payment["status"], payment["checkoutUrl"]) == (202, "CREATED", None)
    assert slow.elapsed < timedelta(seconds=6)
    found = await tenant.call("GET", slow.headers["location"])
    assert found.json()["id"] == payment["id"]
    await tenant.eventually(payment, "PROVIDER_PENDING")
    first = await tenant.create("key", expiresInSeconds=3600)
    assert first.json()["checkoutUrl"] is not None
    await replay(tenant, first, "key", expiresInSeconds=3600)
    assert len((await house.ledger(payment))["sessions"]) == 1


@pytest.mark.parametrize("fault", ["refuse", "status:401", "status:403", "status:422"])
async def test_a_definite_no_of_the_provider_fails_the_payment_and_frees_its_order(
    tenant: Tenant, house: House, fault: str
) -> None:
    await tenant.fault("checkout.create", "before", fault)
    no = refused(await tenant.create("key", orderId="order-1"), 502, "provider_misconfigured")
    failed = await tenant.get(no["paymentId"])
    assert (failed["status"], failed["failureCode"]) == ("FAILED", "provider_misconfigured")
    assert (await house.ledger(failed))["sessions"] == []
    again = refused(await tenant.create("key", orderId="order-1"), 502, "provider_misconfigured")
    assert again["paymentId"] == no["paymentId"]
    await tenant.open(orderId="order-1")


async def test_a_suspended_tenant_finishes_what_it_began_and_begins_nothing(
    tenant: Tenant, house: House
) -> None:
    first = await tenant.create("key")
    await suspend(house, tenant)
    refused(await tenant.create(), 403, "tenant_suspended")
    await replay(tenant, first, "key")
    refused(await tenant.create("key", amount=1990001), 409, "idempotency_conflict")
    await tenant.pay(first.json())
    await tenant.eventually(first.json(), "SUCCEEDED")
    await suspend(house, tenant, "resume")
    await tenant.open()


# --- The deadline ---------------------------------------------------------------------------------


def life(payment: Json) -> timedelta:
    return datetime.fromisoformat(payment["expiresAt"]) - datetime.fromisoformat(payment["createdAt"])


async def test_the_deadline_is_the_orders_else_the_tenants_else_a_quarter_of_an_hour(tenant: Tenant) -> None:
    # A business minute is a second here.
    assert life(await tenant.open()) == timedelta(seconds=15)
    assert life(await tenant.open(expiresInSeconds=600)) == timedelta(seconds=10)
    settings = {"checkoutExpiresInSeconds": 1200}
    await tenant.call("PATCH", "/v1/tenants/me/settings", json=settings)
    assert life(await tenant.open()) == timedelta(seconds=20)
    assert life(await tenant.open(expiresInSeconds=86400)) == timedelta(minutes=24)


async def test_a_deadline_is_between_a_minute_and_a_day(tenant: Tenant) -> None:
    for seconds in (59, 86401, 0, -60):
        refused(await tenant.create(expiresInSeconds=seconds), 422, "validation_failed")


# --- Reading --------------------------------------------------------------------------------------


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
