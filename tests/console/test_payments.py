"""Payments at the console: found, looked into, and acted upon, by those who may."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from console import typed
from console.lists import search
from console.possible import Possible, possible
from console.timeline import Kind, told
from documents.words import Language
from domain.tenant import Caller, Role
from storage.reports import CHAPTERS
from tests.console.payers import NOON, PRICE, Read, payment
from tests.house import House, Json, Receiver, Tenant, eventually
from tests.planted import uproot
from tests.security.person import Person

EN, HU = Language.EN, Language.HU
PAID: Json = {"captured": PRICE, "capture_reference": "pi_1"}


def someone(role: Role = Role.OWNER, credential_id: str = "crd_1") -> Caller:
    return Caller(tenant_id="ten_1", credential_id=credential_id, name="Anna", role=role)


# --- What people type -----------------------------------------------------------------------------


def test_an_amount_is_read_as_its_language_writes_it_and_never_rounded() -> None:
    for text, currency, language, minor in (
        ("12.50", "EUR", EN, 1250),
        ("12.5", "EUR", EN, 1250),
        (" 1,234.56 ", "EUR", EN, 123456),
        ("1 234,56", "EUR", HU, 123456),
        ("1.234.567", "HUF", HU, 123456700),
        ("19 900", "HUF", HU, 1990000),
        ("19\u00a0900", "HUF", EN, 1990000),
        ("1000", "JPY", EN, 1000),
        ("1.234", "KWD", EN, 1234),
        ("1,234", "KWD", HU, 1234),
        ("0", "EUR", EN, 0),
    ):
        assert typed.amount(text, currency, language) == minor, text


def test_what_is_no_amount_or_could_be_two_is_none() -> None:
    for text, currency, language in (
        *(("12,50", "EUR", EN), ("12.50", "EUR", HU), ("1,23,456", "EUR", EN), ("1.5", "JPY", EN)),
        *(("12.505", "EUR", EN), ("-5", "EUR", EN), ("", "EUR", EN), ("5e3", "EUR", EN), ("٥", "EUR", EN)),
        *(
            (".50", "EUR", EN),
            ("5.", "EUR", EN),
            ("1 2", "EUR", EN),
            ("9" * 17, "EUR", EN),
            ("€5", "EUR", EN),
        ),
    ):
        assert typed.amount(text, currency, language) is None, text


def test_a_field_is_filled_with_what_it_reads() -> None:
    for minor, currency in ((1990000, "HUF"), (1250, "EUR"), (1, "EUR"), (1000, "JPY"), (1234, "KWD")):
        for language in Language:
            assert typed.amount(typed.plainly(minor, currency, language), currency, language) == minor


def test_a_search_that_means_nothing_says_which_field_it_is() -> None:
    fields = {"q": "\0", "status": "PAID", "from": "2026-02-30", "amount": "5", "currency": "XXX"}
    assert search(fields, EN).wrong == {"q", "status", "from", "currency", "amount"}
    assert search({"amount": "5"}, EN).wrong == {"amount"}  # of which currency?
    found = search({"amount": "5.00", "currency": "eur", "to": "2026-11-22", "q": " ", "user": "u"}, EN)
    assert not found.wrong
    assert found.wanted == {
        "amount_minor": 500,
        "currency": "EUR",
        "user_id": "u",
        "created_to": datetime(2026, 11, 22, 23, 59, 59, 999999, tzinfo=UTC),
    }


# --- What may be done -----------------------------------------------------------------------------


def test_what_may_be_done_depends_on_the_state_and_the_role() -> None:
    again = {"send_again": True}
    cases: list[tuple[str, Json, dict[str, bool]]] = [
        ("CREATED", {}, {"cancel": True}),
        ("PROVIDER_PENDING", {}, {"cancel": True}),
        ("UNKNOWN", {}, {"cancel": True}),
        ("SUCCEEDED", PAID, {"refund": True}),
        ("SUCCEEDED", PAID | {"refund_reserved": PRICE.amount_minor}, {}),
        ("SUCCEEDED", PAID | {"dispute_status": "OPEN"}, {}),
        ("SUCCEEDED", PAID | {"dispute_status": "WON"}, {"refund": True}),
        ("REVIEW", PAID, {"review": True}),
        ("FAILED", {}, {}),
        ("EXPIRED", {}, {}),
    ]
    for status, facts, expected in cases:
        it = payment(status, **facts)
        for role in (Role.OWNER, Role.OPERATOR):
            assert possible(it, [], someone(role)) == Possible(**again, **expected), status
        for role in (Role.APPROVER, Role.READONLY):
            assert possible(it, [], someone(role)) == Possible()
        assert possible(it, [], None) == Possible(review=status == "REVIEW")


def test_money_under_review_is_proposed_about_once_at_a_time() -> None:
    it = payment("REVIEW", **PAID)
    for state, free in (("PENDING", False), ("APPROVED", False), ("REJECTED", True), ("EXPIRED", True)):
        asked = [{"kind": "review", "state": state}]
        assert possible(it, asked, someone()).review is free


# --- The timeline ---------------------------------------------------------------------------------


def at(second: int) -> datetime:
    return NOON.replace(second=second)


def chapters(**filled: list[Json]) -> dict[str, list[Json]]:
    return {title: filled.get(title.replace(" ", "_"), []) for title in CHAPTERS}


def line(second: int, **facts: Any) -> Json:
    return {"at": at(second), **facts}


def test_it_is_told_in_order_of_time_and_a_booking_is_told_once() -> None:
    money = {"amount_minor": 500, "currency": "EUR"}
    entry = money | {"transaction_id": "txn_1"}
    happened = {"cause": "evt", "raw_state": None, "evidence_sha256": "ab" * 32}
    deed = {"actor": "workflow", "resource": "pay_1", "result": "ok", "failure": None, "correlation_id": None}
    found = told(
        chapters(
            Audit=[line(2, action="payment.succeeded", **deed)],
            Ledger=[line(2, account="tenant_revenue", **entry), line(2, account="suspense", **entry)],
            History=[
                line(2, type="payment.succeeded", **happened),
                line(1, type="payment.created", **happened),
            ],
        ),
        EN,
    )
    assert [(each.at, each.kind) for each in found] == [
        (at(1), Kind.HISTORY),
        (at(2), Kind.HISTORY),
        (at(2), Kind.LEDGER),
        (at(2), Kind.AUDIT),
    ]
    assert len(found[2].details) == 2
    assert ("tl_evidence_hash", "ab" * 32) in found[0].details


# --- At the house ---------------------------------------------------------------------------------


@pytest.fixture
async def anna(house: House, tenant: Tenant) -> AsyncIterator[Person]:
    async with Person.arriving(house) as anna:
        await anna.sign_in(tenant)
        yield anna


@pytest.fixture
async def operator(house: House) -> AsyncIterator[Person]:
    async with Person.arriving(house) as operator:
        await operator.sign_in_as_operator()
        yield operator


async def secret_of(tenant: Tenant, role: str) -> str:
    answer = await tenant.call("POST", "/v1/tenants/me/credentials", json={"name": role, "role": role})
    return str(answer.json()["appSecret"])


def fields(page: Read, button: str) -> tuple[str, dict[str, str]]:
    """Where the form with this button goes, and what it sends unless somebody types."""
    place = next(n for n, each in enumerate(page.elements) if each.attributes.get("id") == button)
    begins = max(n for n, each in enumerate(page.elements[:place]) if each.tag == "form")
    inside = [each for each in page.elements[begins:place] if each.tag == "input"]
    values = {each.attributes["name"] or "": each.attributes.get("value") or "" for each in inside}
    return page.elements[begins].attributes["action"] or "", values


async def press(person: Person, page: Read, button: str, **typed_in: str) -> httpx.Response:
    path, values = fields(page, button)
    return await person.http.post(path, data=values | typed_in, headers=person.ours)


def ids(page: Read) -> set[str]:
    return {each.attributes["id"] or "" for each in page.elements if "id" in each.attributes}


async def opened(person: Person, path: str, status: int = 200) -> Read:
    answer = await person.http.get(path)
    assert answer.status_code == status, answer.text
    return Read(answer.text)


def hrefs(page: Read) -> set[str]:
    return {link.attributes["href"] or "" for link in page.all("a")}


async def test_payments_are_found_by_all_their_names_and_only_by_their_own_people(
    house: House, tenant: Tenant, anna: Person, operator: Person
) -> None:
    mine = await tenant.open(orderId="order-7", userId="user-7", amount=4200, currency="EUR")
    other = await (await house.tenant()).open(orderId="order-7", userId="user-7")
    one, two = (f"/console/payments/{each['id']}" for each in (mine, other))
    for name in (mine["id"], "order-7", "user-7", mine["providerReference"]):
        query = f"q={name}&status=PROVIDER_PENDING&amount=42&currency=EUR"
        links = hrefs(await opened(anna, f"/console/payments?{query}"))
        assert one in links
        assert two not in links
    for query in ("q=order-8", "status=FAILED", "amount=43&currency=EUR", "to=2020-01-01"):
        assert "No payment fits." in (await opened(anna, f"/console/payments?{query}")).text
    assert hrefs(await opened(operator, "/console/payments?q=order-7")) >= {one, two}
    links = hrefs(
        await opened(operator, f"/console/payments?q=order-7&tenant={tenant.registered['appName']}")
    )
    assert one in links
    assert two not in links


async def test_a_long_list_goes_on_behind_the_last_one_seen(
    house: House, tenant: Tenant, anna: Person
) -> None:
    await tenant.open(userId="user-9")
    # The others are copies of its row, a second older each.
    await tenant.rows("""
        INSERT INTO payments (id, idempotency_key, created_at, tenant_id, digest, user_id, amount_minor,
            currency, provider, account_id, entitlements, metadata, sandbox, status, updated_at, expires_at)
        SELECT 'pay_' || lpad(n::text, 26, '0'), n::text, created_at - n * interval '1 second', tenant_id,
            digest, user_id, amount_minor, currency, provider, account_id, entitlements, metadata, sandbox,
            'EXPIRED', updated_at, expires_at
        FROM payments, generate_series(1, 30) n WHERE user_id = 'user-9'
    """)
    seen: list[str] = []
    page = await opened(anna, "/console/payments?user=user-9&lang=en")
    for rows in (25, 6):
        found = [
            link.attributes["href"] or "" for link in page.all("a") if link.attributes.get("class") == "sum"
        ]
        assert len(found) == rows
        seen += found
        following = [
            link.attributes["href"] or "" for link in page.all("a") if link.attributes.get("rel") == "next"
        ]
        if following:
            page = await opened(anna, following[0])
    await uproot(house, tenant, "payments", names="pay_000%")
    assert len({*seen}) == 31
    assert not following


async def test_a_payments_page_tells_its_whole_story_to_its_own_people_and_the_operator(
    house: House, tenant: Tenant, anna: Person, operator: Person
) -> None:
    paid = await tenant.paid(entitlements=[{"feature": "pro"}], customerEmail="payer@example.com")
    (event,) = await tenant.rows("SELECT event_id, body FROM inbox ORDER BY received_at LIMIT 1")
    path = f"/console/payments/{paid['id']}"
    for person in (anna, operator):
        page = await opened(person, path)
        for shown in ("Paid", "payer@example.com", "The payment succeeded", "pro × 1 was granted", "Booked"):
            assert shown in page.text
        assert event["event_id"][-6:] in page.text
        assert event["body"].decode()[:40] not in page.text
    assert f"{path}/proof" in hrefs(await opened(anna, path))
    assert f"{path}/refund" in hrefs(await opened(anna, path))
    assert f"{path}/refund" not in hrefs(await opened(operator, path))
    assert any(tenant.workflow_id(paid) in link.text for link in (await opened(operator, path)).all("a"))
    page = await opened(anna, f"{path}?kind=ledger&lang=hu")
    assert "Könyvelve" in page.text
    assert "A fizetés sikerült" not in page.text
    proof = await anna.http.get(f"{path}/proof")
    assert proof.json()["facts"]["paymentId"] == paid["id"]
    async with Person.arriving(house) as stranger:
        await stranger.sign_in(await house.tenant())
        for address in (path, f"{path}/proof", f"{path}/refund", f"{path}/cancel", f"{path}/review/accept"):
            assert (await stranger.http.get(address)).status_code == 404
        for address, form in ((f"{path}/cancel", {}), (f"{path}/refund", {"amount_minor": "1", "key": "k"})):
            assert (await stranger.sends(address, **form)).status_code == 404


async def test_a_refund_is_asked_for_on_a_page_that_says_what_it_does_and_goes_out_once(
    tenant: Tenant, anna: Person
) -> None:
    paid = await tenant.paid(amount=5000, currency="EUR", entitlements=[{"feature": "pro"}])
    path = f"/console/payments/{paid['id']}"
    assert "€50.00 at most can go back" in (await opened(anna, f"{path}/refund?amount=50.01")).text
    assert "no amount of this currency" in (await opened(anna, f"{path}/refund?amount=12,50")).text
    page = await opened(anna, f"{path}/refund?amount=12.50")
    for said in (
        "€12.50 goes back to user-123",
        "€37.50 of this payment remains",
        "user-123 keeps",
        "at once",
    ):
        assert said in page.text
    assert (
        "user-123 loses what this payment gave: pro" in (await opened(anna, f"{path}/refund?amount=50")).text
    )
    for _ in range(2):
        answer = await press(anna, page, "refund", reason="Too small")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=refund_begun")
    found = await opened(anna, answer.headers["location"])
    assert "The refund is on its way." in found.text
    (refund,) = await tenant.rows("SELECT id, amount_minor, reason FROM refunds")
    assert (refund["amount_minor"], refund["reason"]) == (1250, "Too small")
    assert refund["id"] in ids(found)
    assert f"{path}#{refund['id']}" in hrefs(await opened(anna, "/console/refunds"))
    # What two pages promised together is more than there is: the server says no, in words.
    first, second = [await opened(anna, f"{path}/refund?amount=37.50") for _ in range(2)]
    assert (await press(anna, first, "refund")).status_code == 303
    answer = await press(anna, second, "refund")
    assert answer.status_code == 422
    assert "More would go back than was captured" in Read(answer.text).text
    assert f"{path}/refund" not in hrefs(await opened(anna, path))


async def test_who_may_only_read_sees_no_action_and_a_forged_form_is_refused(
    house: House, tenant: Tenant
) -> None:
    paid, waiting = await tenant.paid(), await tenant.open()
    async with Person.arriving(house) as eve:
        await eve.sign_in(tenant, await secret_of(tenant, "readonly"))
        for it in (paid, waiting):
            path = f"/console/payments/{it['id']}"
            page = await opened(eve, path)
            assert not {each for each in ids(page) if each.startswith(("do_", "again_"))}
            for deed, form in (
                ("refund", {"amount_minor": "100", "key": "k"}),
                ("cancel", {}),
                ("review/accept", {}),
                ("deliveries/dlv_1/redeliver", {}),
            ):
                assert (await eve.sends(f"{path}/{deed}", **form)).status_code == 403
                assert (await eve.http.get(f"{path}/{deed}")).status_code in {403, 404}
    assert (await tenant.get(waiting))["status"] == "PROVIDER_PENDING"
    assert await tenant.rows("SELECT FROM refunds") == []


@pytest.mark.slow
async def test_an_open_payment_is_cancelled_after_a_look_at_what_that_means(
    tenant: Tenant, anna: Person
) -> None:
    waiting = await tenant.open()
    path = f"/console/payments/{waiting['id']}"
    page = await opened(anna, f"{path}/cancel?lang=hu")
    assert "Törli ezt a fizetést?" in page.text
    answer = await press(anna, page, "cancel")
    assert answer.headers["location"].startswith(f"{path}?lang=hu&done=")
    await tenant.eventually(waiting, "CANCELLED")
    assert "do_cancel" not in ids(await opened(anna, path))
    assert (await anna.http.get(f"{path}/cancel")).status_code == 409
    assert (await anna.sends(f"{path}/cancel")).status_code == 303  # it is what was wished for


async def test_money_under_review_is_proposed_about_by_its_people_or_the_operator(
    tenant: Tenant, anna: Person, operator: Person
) -> None:
    await tenant.fault("checkout.pay", "after", "wrongAmount")
    waiting = await tenant.open()
    path = f"/console/payments/{waiting['id']}"
    assert (await operator.sends(f"{path}/review/accept")).status_code == 409
    await tenant.pay(waiting)
    await tenant.eventually(waiting, "REVIEW")
    page = await opened(operator, f"{path}/review/accept")
    answer = await press(operator, page, "propose", reason="They called us")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=review_asked")
    (asked,) = await tenant.rows(
        "SELECT choice, requested_by, requester_credential_id, reason FROM approvals"
    )
    assert tuple(asked.values()) == ("accept", "platform", None, "They called us")
    page = await opened(anna, path)
    assert "To be decided: accept" in page.text
    assert "do_accept" not in ids(page)
    assert (await anna.sends(f"{path}/review/refund")).status_code == 409


@pytest.mark.slow
async def test_a_webhook_is_sent_again_from_the_timeline(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    waiting = await tenant.open()
    first = await receiver.event("payment.created")
    async with Person.arriving(house) as anna:
        await anna.sign_in(tenant)
        path = f"/console/payments/{waiting['id']}"

        async def seen() -> Read | None:
            page = await opened(anna, f"{path}?kind=webhook")
            return page if "payment.created: attempt 1" in page.text else None

        page = await eventually(seen)
        buttons = [each for each in ids(page) if each.startswith("again_")]
        before = len(receiver.received)
        for button in buttons:
            answer = await press(anna, page, button)
            assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=delivery_again")
        again = await receiver.until(lambda all_: len(all_) >= before + len(buttons))
    names = [each.headers["webhook-id"] for each in again]
    assert names.count(first.headers["webhook-id"]) >= 2
