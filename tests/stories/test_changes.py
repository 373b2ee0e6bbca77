"""What becomes of a subscription when its tenant asks for it: changed, paused, ended, and invoiced."""

from itertools import count
from typing import Any

import pytest

from tests.house import House, Json, Tenant, eventually, refused
from tests.stories.tenancy import colleague
from tests.subscriber import Subscriber, plan

KEPT_AND_DECLINED = "4000000000000341"
SUMS = ("subtotal", "tax", "total", "credited", "creditApplied", "amountDue", "currency")
numbers = count()
DEEDS: dict[str, Json] = {"cancel": {}, "pause": {}, "resume": {}, "change": {"quantity": 2}}


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


@pytest.fixture
async def anna(shop: Tenant) -> Subscriber:
    """She has a plan that costs nothing, of which one seat."""
    anna = Subscriber(shop, f"anna {next(numbers)}")
    await anna.has_for_nothing(perSeat=True)
    return anna


async def done(anna: Subscriber, deed: str, **wish: Any) -> Json:
    answer = await anna.call("POST", f"/{deed}", json=wish)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def shown(anna: Subscriber) -> Json:
    answer = await anna.call("GET", "")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def announced(anna: Subscriber, **wish: Any) -> Json:
    answer = await anna.call("GET", "/change-preview", params=wish)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def prices_of(tenant: Tenant, *prices: Json) -> list[Json]:
    found: list[Json] = (await plan(tenant, *prices, name="Other"))["prices"]
    return found


async def heard_of(anna: Subscriber, days: float) -> None:
    """Time has passed, and our side knows."""
    before = (await announced(anna))["prorationDate"]
    await anna.time_passes(days)

    async def look() -> bool | None:
        return (await announced(anna))["prorationDate"] > before or None

    await eventually(look)


# --- What a change costs --------------------------------------------------------------------------


async def test_every_invoice_of_a_chain_asks_for_what_its_preview_said(tenant: Tenant) -> None:
    by_seat, yearly = await prices_of(
        tenant, {"perSeat": True}, {"amount": 4_990_000, "interval": "year", "trialDays": 30}
    )
    anna = Subscriber(tenant, "anna")
    await anna.subscribes(by_seat)
    await heard_of(anna, 10)
    chain: list[Json] = [{"quantity": 3}, {"quantity": 2}, {"priceId": yearly["id"], "quantity": 1}]
    for wish in chain:
        preview = await announced(anna, **wish)
        invoice = (await done(anna, "change", **wish, prorationDate=preview["prorationDate"]))["invoice"]
        assert {name: invoice[name] for name in SUMS} == {name: preview[name] for name in SUMS}
        assert [line["amount"] for line in invoice["lines"]] == [line["amount"] for line in preview["lines"]]
    status = await anna.becomes("active", priceId=yearly["id"])
    assert status["quantity"] == 1

    async def all_paid() -> list[Json] | None:
        made = await anna.invoices()
        return made if all(invoice["status"] == "paid" for invoice in made) else None

    made = await eventually(all_paid)
    assert [invoice["number"] for invoice in made] == [1, 2, 3, 4]
    # Of two seats too many a part was given back, and used for the year.
    assert made[2]["credited"] == made[3]["creditApplied"] > 0
    assert (await shown(anna))["latestInvoiceId"] == made[3]["id"]
    taken = await tenant.rows("SELECT sum(captured_minor)::bigint AS taken FROM payments")
    assert taken[0]["taken"] == sum(invoice["amountPaid"] for invoice in made)


async def test_a_change_during_dunning_takes_the_place_of_what_is_owed(tenant: Tenant) -> None:
    monthly, dearer = await prices_of(tenant, {}, {"amount": 499_000, "currency": "HUF", "intervalCount": 2})
    anna = Subscriber(tenant, "anna")
    await anna.subscribes(monthly, KEPT_AND_DECLINED)
    await anna.time_passes(31)
    await anna.becomes("past_due")
    preview = await announced(anna, priceId=dearer["id"])
    invoice = (await done(anna, "change", priceId=dearer["id"]))["invoice"]
    assert invoice["total"] == preview["total"]
    assert [line["kind"] for line in invoice["lines"]] == ["period", "unused", "period"]
    owed = (await anna.invoices())[1]
    assert (owed["status"], owed["replacedBy"]) == ("void", invoice["id"])


async def test_what_is_too_little_to_be_charged_comes_with_the_next_invoice(tenant: Tenant) -> None:
    anna = Subscriber(tenant, "anna")
    (cheap,), (dear,) = [
        (await plan(tenant, {"amount": amount}, name=str(amount)))["prices"] for amount in (199_000, 199_050)
    ]
    before = await anna.subscribes(cheap)
    changed = await done(anna, "change", priceId=dear["id"])
    owed = changed["invoice"]
    assert 0 < owed["amountDue"] <= 50
    assert (owed["status"], changed["status"]) == ("open", "active")
    assert (await anna.status())["nextInvoice"]["amountDue"] == 199_050 + owed["amountDue"]
    await anna.time_passes(31)
    await anna.renewed(before)
    await anna.becomes("active")

    async def together() -> Json | None:
        last = (await anna.invoices())[-1]
        return last if last["status"] == "paid" else None

    assert (await eventually(together))["total"] == 199_050 + owed["amountDue"]


async def test_what_is_to_come_waits_for_the_next_period(anna: Subscriber) -> None:
    preview = await announced(anna, quantity=5, proration="next_period")
    assert (preview["total"], preview["lines"]) == (0, [])
    changed = await done(anna, "change", quantity=5, proration="next_period")
    assert (changed["quantity"], changed["pending"]["quantity"], changed["invoice"]) == (1, 5, None)
    taken_back = await done(anna, "change", quantity=1)
    assert (taken_back["pending"], taken_back["invoice"]) == (None, None)


async def test_what_was_not_billed_is_not_given_back(anna: Subscriber) -> None:
    free = (await shown(anna))["priceId"]
    (dear,) = await prices_of(anna.tenant, {"perSeat": True})
    unbilled = await done(anna, "change", priceId=dear["id"], proration="none")
    assert (unbilled["priceId"], unbilled["invoice"]) == (dear["id"], None)
    back = await done(anna, "change", priceId=free)
    assert {line["amount"] for line in back["invoice"]["lines"]} == {0}
    assert back["priceId"] == free


async def test_a_change_that_is_repeated_makes_nothing_a_second_time(anna: Subscriber) -> None:
    first = await done(anna, "change", quantity=4)
    assert first["invoice"]["total"] == 0
    again = await done(anna, "change", quantity=4)
    assert (again["quantity"], again["invoice"]) == (4, None)
    assert [event["type"] for event in (await shown(anna))["events"]].count("subscription.changed") == 1


async def test_what_cannot_be_changed_to_is_refused_and_previewed_as_little(anna: Subscriber) -> None:
    euro, dear, yearly = await prices_of(
        anna.tenant,
        {"currency": "EUR", "amount": 900},
        {"amount": 900_000_000, "perSeat": True},
        {"interval": "year"},
    )
    await anna.tenant.call("POST", "/v1/plans", json={"name": "x"})
    wishes: list[tuple[Json, int, str]] = [
        ({"priceId": "prc_unknown"}, 404, "not_found"),
        ({"priceId": euro["id"]}, 422, "validation_failed"),
        ({"priceId": dear["id"], "quantity": 2}, 422, "amount_out_of_range"),
        ({"priceId": yearly["id"], "proration": "none"}, 422, "validation_failed"),
        ({"quantity": 0}, 422, "validation_failed"),
        ({"quantity": 1_000_001}, 422, "validation_failed"),
        ({"proration": "sometimes"}, 422, "validation_failed"),
        ({"quantity": 2, "prorationDate": "2200-01-01T00:00:00Z"}, 422, "validation_failed"),
        ({"quantity": 2, "prorationDate": "2020-01-01T00:00:00Z"}, 422, "validation_failed"),
        ({"quantity": 2, "prorationDate": "yesterday"}, 422, "validation_failed"),
    ]
    before = await shown(anna)
    for wish, status, code in wishes:
        refused(await anna.call("GET", "/change-preview", params=wish), status, code)
        refused(await anna.call("POST", "/change", json=wish), status, code)
    assert await shown(anna) == before


async def test_a_price_that_was_superseded_keeps_its_subscribers_and_takes_no_new_ones(
    anna: Subscriber,
) -> None:
    mine, other = (await shown(anna))["plan"]["id"], await plan(anna.tenant, {"amount": 100}, name="Other")
    for plan_id in (mine, other["id"]):
        price = {"amount": 200, "currency": "HUF", "interval": "month", "perSeat": True}
        answer = await anna.tenant.call("PATCH", f"/v1/plans/{plan_id}", json={"prices": [price]})
        assert answer.status_code == 200, answer.text
    assert (await done(anna, "change", quantity=2))["quantity"] == 2
    gone = await anna.call("POST", "/change", json={"priceId": other["prices"][0]["id"]})
    refused(gone, 422, "validation_failed")


# --- Ended, and paused ----------------------------------------------------------------------------


async def test_it_ends_with_its_period_unless_that_is_taken_back(anna: Subscriber) -> None:
    for _ in range(2):
        wished = await done(anna, "cancel", atPeriodEnd=True)
        assert wished["cancelAt"] == wished["currentPeriodEnd"]
        assert (wished["status"], wished["access"], wished["cancelAtPeriodEnd"]) == ("active", "full", True)
    for _ in range(2):
        on = await done(anna, "resume")
        assert (on["cancelAtPeriodEnd"], on["cancelAt"], on["canceledAt"]) == (False, None, None)


async def test_it_ends_at_once_and_with_it_what_it_gave(anna: Subscriber) -> None:
    assert (await anna.tenant.entitled("exports", anna.user))["entitled"]
    # Without a body, too.
    over = (await anna.call("POST", "/cancel")).json()
    assert (over["status"], over["access"], over["endedAt"]) == ("canceled", "none", over["canceledAt"])
    assert not (await anna.tenant.entitled("exports", anna.user))["entitled"]
    assert await done(anna, "cancel") == over
    for deed in ("pause", "resume", "change"):
        answer = await anna.call("POST", f"/{deed}", json={"quantity": 2})
        assert refused(answer, 409, "illegal_transition")["retryable"] is False


async def test_a_pause_takes_the_rights_and_going_on_gives_them_back(anna: Subscriber) -> None:
    for _ in range(2):
        paused = await done(anna, "pause")
        assert (paused["status"], paused["access"]) == ("paused", "none")
    assert not (await anna.tenant.entitled("exports", anna.user))["entitled"]
    for _ in range(2):
        on = await done(anna, "resume")
        assert (on["status"], on["pausedAt"]) == ("active", None)
    assert (await anna.tenant.entitled("exports", anna.user))["entitled"]
    events = [event["type"] for event in (await shown(anna))["events"]]
    assert events == [f"subscription.{what}" for what in ("created", "activated", "paused", "resumed")]


async def test_every_deed_is_on_record_with_who_did_it(anna: Subscriber) -> None:
    await done(anna, "pause")
    answer = await anna.tenant.call("GET", "/v1/audit", params={"resource": anna.id})
    deeds = {deed["action"]: deed["actor"] for deed in answer.json()["data"]}
    assert deeds["subscription.paused"].startswith("owner:")
    assert (await shown(anna))["events"][-1]["actor"] == deeds["subscription.paused"]


# --- Who may, and what is shown -------------------------------------------------------------------


async def test_who_only_reads_changes_nothing_and_a_stranger_finds_nothing(
    anna: Subscriber, tenant: Tenant
) -> None:
    reader = Subscriber(await colleague(anna.tenant, "readonly"), anna.user, anna.id)
    stranger = Subscriber(tenant, anna.user, anna.id)
    for deed, wish in DEEDS.items():
        refused(await reader.call("POST", f"/{deed}", json=wish), 403, "forbidden")
        refused(await stranger.call("POST", f"/{deed}", json=wish), 404, "not_found")
    assert (await announced(reader, quantity=2))["total"] == 0
    for path in ("", "/change-preview"):
        refused(await stranger.call("GET", path), 404, "not_found")


async def test_a_list_shows_whose_and_which_are_wanted(tenant: Tenant) -> None:
    anna, bob = Subscriber(tenant, "anna"), Subscriber(tenant, "bob")
    for one in (anna, bob):
        await one.has_for_nothing()
    await done(bob, "pause")
    plan_id = (await shown(anna))["plan"]["id"]
    filters: list[tuple[Json, list[str]]] = [
        ({}, [bob.id, anna.id]),
        ({"userId": "anna"}, [anna.id]),
        ({"status": "paused"}, [bob.id]),
        ({"planId": plan_id}, [anna.id]),
        ({"limit": 1}, [bob.id]),
        ({"limit": 1, "offset": 1}, [anna.id]),
        ({"userId": "nobody"}, []),
    ]
    for wanted, found in filters:
        answer = await tenant.call("GET", "/v1/subscriptions", params=wanted)
        assert [sub["id"] for sub in answer.json()["data"]] == found
    for wrong in ({"status": "ACTIVE"}, {"limit": 101}, {"offset": -1}, {"userId": ""}):
        refused(await tenant.call("GET", "/v1/subscriptions", params=wrong), 422, "validation_failed")


# --- While a charge is on its way -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_wish_waits_for_a_charge_that_is_on_its_way_and_a_cancel_does_not(tenant: Tenant) -> None:
    price = (await plan(tenant, {"perSeat": True}))["prices"][0]
    anna = Subscriber(tenant, "anna")
    await anna.subscribes(price)
    await tenant.fault("charge.create", "after", "hang", seconds=20)
    charged = (await done(anna, "change", quantity=2))["invoice"]
    answer = await anna.call("POST", "/pause")
    assert refused(answer, 409, "illegal_transition")["retryable"] is True
    assert answer.headers["Retry-After"]
    assert (await done(anna, "cancel"))["status"] == "canceled"

    async def given_back() -> bool | None:
        payment = await tenant.get(charged["paymentId"])
        return (payment["status"], payment["refundStatus"]) == ("SUCCEEDED", "FULL") or None

    await eventually(given_back, within=60)
    invoice = (await anna.invoices())[1]
    assert (invoice["status"], invoice["amountPaid"]) == ("void", 0)
