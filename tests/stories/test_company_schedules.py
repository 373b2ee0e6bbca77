"""Subscriptions whose schedule the company keeps: we hear of them in any order, and end where it stands."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.house import House, Json, Receiver, Tenant, eventually, refused
from tests.providers.dodo_samples import SUBSCRIPTION
from tests.providers.scripted import Company, Rule, opened
from tests.providers.signing import new_secret, standard_webhook
from tests.stories.company import RECEIVED
from tests.stories.test_companies import customer_of
from tests.subscriber import Subscriber, plan

PRODUCT: Final = "pdt_pro_199000_HUF_month"
BEGUN: Final = datetime(2026, 1, 31, 9, tzinfo=UTC)
CHECKOUT: Final = Rule(
    "POST", "/checkouts", {"session_id": "cks_1", "checkout_url": "https://dodo.example/1"}
)
NOBODY: Final = Rule("GET", "/customers", {"items": []})
CUSTOMER: Final = Rule("POST", "/customers", {"customer_id": "cus_theirs"})


@dataclass
class Dodo:
    """The company, scripted: what it answers, and what it tells of one subscription that it runs."""

    tenant: Tenant
    company: Company
    secret: str
    account: str
    anna: Subscriber
    price: str = ""
    said: list[tuple[str, bytes]] = field(default_factory=list)
    """Events by their names, in the order in which they happened."""

    async def begins(self) -> None:
        """Anna is sent to the company's own checkout."""
        self.company.plays([CHECKOUT, NOBODY, CUSTOMER])
        page = await self.anna.checkout(self.price, customerEmail="anna@example.com")
        assert page["sessionUrl"] == "https://dodo.example/1"
        assert self.company.asked[-1].json["metadata"] == {"paysaga_subscription": self.anna.id}

    def stands(self, status: str, day: float, **facts: Any) -> Json:
        """Their subscription on this day of its life."""
        start = BEGUN + int(day // 30) * timedelta(days=30)
        dates = {"previous_billing_date": start, "next_billing_date": start + timedelta(days=30)}
        return SUBSCRIPTION | {
            "status": status,
            "created_at": BEGUN.isoformat(),
            "product_id": PRODUCT,
            "quantity": 1,
            "metadata": {"paysaga_subscription": self.anna.id},
            **{name: at.isoformat() for name, at in dates.items()},
            **facts,
        }

    def happens(self, status: str, day: float, **facts: Any) -> int:
        """The number of the event that tells of it, which may be delivered whenever."""
        at = BEGUN + timedelta(days=day)
        event = {
            "type": "subscription.updated",
            "timestamp": at.isoformat(),
            "data": self.stands(status, day, **facts),
        }
        self.said.append((f"evt_{secrets.token_hex(6)}", json.dumps(event).encode()))
        return len(self.said) - 1

    async def delivers(self, *numbers: int) -> None:
        for number in numbers:
            name, body = self.said[number]
            headers = standard_webhook([self.secret], body, datetime.now(UTC), name)
            where = f"/v1/billing/webhooks/dodo/{self.account}"
            answer = await self.tenant.house.http.post(where, content=body, headers=headers)
            assert (answer.status_code, answer.content) == (200, RECEIVED), answer.text

    async def told(self) -> list[str]:
        """What the tenant heard of it, in its order."""
        rows = await self.tenant.rows(
            "SELECT type FROM events WHERE type LIKE 'subscription.%' ORDER BY sequence"
        )
        return [row["type"].removeprefix("subscription.") for row in rows]


@pytest.fixture
async def dodo(tenant: Tenant) -> AsyncIterator[Dodo]:
    async with opened() as company:
        secret = new_secret(7)
        keys = {
            "apiKey": "key",
            "webhookSecret": secret,
            "productId": "pdt_any",
            "environment": "test_mode",
        }
        body = {"credentials": keys, "apiBase": company.base}
        account = (await tenant.call("PUT", "/v1/tenants/me/providers/dodo", json=body)).json()["accountId"]
        await tenant.call("DELETE", "/v1/tenants/me/providers/sandbox")
        found = Dodo(tenant, company, secret, account, Subscriber(tenant, "anna"))
        made = await plan(tenant, {"providerPrices": {"dodo": PRODUCT}})
        found.price = made["prices"][0]["id"]
        yield found


async def test_what_comes_twice_and_in_another_order_ends_as_it_happened(dodo: Dodo) -> None:
    await dodo.begins()
    assert (await dodo.anna.status())["access"] == "none"
    pending, active = dodo.happens("pending", 0), dodo.happens("active", 0.01)
    owed, renewed = dodo.happens("on_hold", 30), dodo.happens("active", 32, quantity=2)
    dodo.company.plays([Rule("GET", "/subscriptions/sub_theirs", dodo.stands("active", 32, quantity=2))])
    await dodo.delivers(owed, pending, owed, renewed, active, pending, renewed)
    status = await dodo.anna.status()
    assert (status["status"], status["access"], status["quantity"]) == ("active", "full", 2)
    assert status["currentPeriodStart"].startswith("2026-03-02T09:00")
    assert (await dodo.tenant.entitled("exports", "anna"))["entitled"]
    # What was overtaken before it was heard is not told.
    assert await dodo.told() == ["created", "past_due", "activated", "changed"]
    over = dodo.happens("cancelled", 40)
    await dodo.delivers(over, active, renewed)
    assert ((await dodo.anna.status())["status"], (await dodo.told())[-1]) == ("canceled", "canceled")
    assert not (await dodo.tenant.entitled("exports", "anna"))["entitled"]


@pytest.mark.slow
async def test_words_that_come_all_at_once_end_alike(dodo: Dodo) -> None:
    await dodo.begins()
    # Not every one names ours: whose it is follows from those that do.
    told = [dodo.happens("active", day, metadata={}, quantity=day + 1) for day in range(6)]
    told += [dodo.happens("pending", 0), dodo.happens("past_due", 8), dodo.happens("active", 9)]
    dodo.company.plays([Rule("GET", "/subscriptions/sub_theirs", dodo.stands("active", 9))])
    await asyncio.gather(*(dodo.delivers(number, number) for number in told))
    status = await dodo.anna.status()
    assert (status["status"], status["quantity"]) == ("active", 1)
    kept = await dodo.tenant.rows("SELECT event_id FROM subscription_words WHERE NOT read")
    assert len(kept) == len(told)


async def test_a_late_word_that_contradicts_is_settled_by_asking(dodo: Dodo) -> None:
    await dodo.begins()
    active, renewed = dodo.happens("active", 0), dodo.happens("active", 30)
    # Dated before the renewal, yet it shows what is true by now, and the event that told it was lost.
    late = dodo.happens("on_hold", 29)
    there = Rule("GET", "/subscriptions/sub_theirs", dodo.stands("on_hold", 33))
    dodo.company.plays([there])
    await dodo.delivers(active, renewed)
    assert (await dodo.anna.status())["status"] == "active"
    await dodo.delivers(late)
    assert (await dodo.anna.becomes("past_due"))["access"] == "grace"
    audited = await dodo.tenant.rows(
        "SELECT actor FROM audit_records WHERE action = 'subscription.reconciled'"
    )
    assert [row["actor"] for row in audited] == ["workflow"]


async def test_what_is_no_word_on_ours_changes_nothing_and_is_kept(dodo: Dodo) -> None:
    await dodo.begins()
    unclear = dodo.happens("sleeping", 1)
    strange = dodo.happens("active", 2, subscription_id="sub_other", metadata={})
    await dodo.delivers(unclear, strange, strange)
    assert (await dodo.anna.status())["status"] == "incomplete"
    kept = await dodo.tenant.rows("SELECT note, reference FROM subscription_words ORDER BY heard_at")
    assert [(row["note"], row["reference"]) for row in kept] == [
        ("unclear", "sub_theirs"),
        (None, "sub_other"),
    ]
    # Another subscription of the same name with us: somebody pays twice, and a person is called.
    await dodo.delivers(dodo.happens("active", 3), dodo.happens("active", 3, subscription_id="sub_again"))
    assert (await dodo.anna.status())["status"] == "active"
    (row,) = await dodo.tenant.rows("SELECT provider_reference FROM subscriptions")
    assert row["provider_reference"] == "sub_theirs"


async def test_a_price_without_a_name_over_there_begins_nothing(dodo: Dodo) -> None:
    price = (await plan(dodo.tenant))["prices"][0]
    answer = await dodo.anna.session(mode="checkout", priceId=price["id"])
    assert refused(answer, 422, "validation_failed")["errors"][0]["pointer"] == "/priceId"
    assert await dodo.tenant.rows("SELECT id FROM subscriptions") == []


async def test_a_checkout_that_the_company_never_speaks_of_expires_and_may_yet_be_paid(dodo: Dodo) -> None:
    await dodo.begins()
    await dodo.tenant.rows(
        "UPDATE subscriptions SET created_at = created_at - interval '23 hours',"
        " due_at = due_at - interval '23 hours'"
    )
    await dodo.anna.becomes("incomplete_expired")
    await dodo.delivers(dodo.happens("active", 1))
    assert (await dodo.anna.status())["access"] == "full"


async def test_a_day_of_silence_is_broken_by_asking(dodo: Dodo) -> None:
    await dodo.begins()
    await dodo.delivers(dodo.happens("active", 0))
    assert (await dodo.anna.status())["status"] == "active"
    dodo.company.plays([Rule("GET", "/subscriptions/sub_theirs", dodo.stands("cancelled", 20))])
    await dodo.tenant.rows("UPDATE subscriptions SET reread_at = now()")
    assert (await dodo.anna.becomes("canceled"))["access"] == "none"
    # Of what has ended nobody is asked again.
    assert await dodo.tenant.rows("SELECT reread_at FROM subscriptions") == [{"reread_at": None}]


async def test_wishes_are_carried_out_by_the_company_and_its_answer_counts(dodo: Dodo) -> None:
    await dodo.begins()
    refused(await dodo.anna.call("POST", "/cancel", json={}), 409, "illegal_transition")
    await dodo.delivers(dodo.happens("active", 0))
    there = "/subscriptions/sub_theirs"
    dodo.company.plays([Rule("PATCH", there, dodo.stands("active", 1, cancel_at_next_billing_date=True))])
    leaving = await dodo.anna.call("POST", "/cancel", json={"atPeriodEnd": True})
    assert (leaving.status_code, leaving.json()["cancelAtPeriodEnd"]) == (200, True)
    dodo.company.plays([Rule("PATCH", there, dodo.stands("active", 2))])
    assert not (await dodo.anna.call("POST", "/resume")).json()["cancelAtPeriodEnd"]
    dodo.company.plays(
        [Rule("POST", f"{there}/change-plan", {}), Rule("GET", there, dodo.stands("active", 3, quantity=4))]
    )
    changed = await dodo.anna.call("POST", "/change", json={"quantity": 4})
    assert (changed.json()["quantity"], changed.json()["invoice"]) == (4, None)
    for deed, body in (("/pause", {}), ("/change", {"quantity": 5, "proration": "next_period"})):
        refused(await dodo.anna.call("POST", deed, json=body), 409, "illegal_transition")
    dodo.company.plays([Rule("PATCH", there, dodo.stands("cancelled", 4))])
    assert (await dodo.anna.call("POST", "/cancel", json={})).json()["status"] == "canceled"
    assert (await dodo.anna.call("POST", "/cancel", json={})).status_code == 200
    assert await dodo.told() == ["created", "activated", "changed", "changed", "changed", "canceled"]


async def test_where_both_could_keep_the_schedule_the_tenant_says_who_does(tenant: Tenant) -> None:
    settings = "/v1/tenants/me/settings"
    answer = await tenant.call("PATCH", settings, json={"subscriptionSchedule": "provider"})
    assert answer.json()["subscriptionSchedule"] == "provider"
    keys = {"apiKey": "rk_test_1", "webhookSecret": f"whsec_{'A' * 32}"}
    made = await tenant.call("PUT", "/v1/tenants/me/providers/stripe", json={"credentials": keys})
    assert made.status_code == 200, made.text
    price = (await plan(tenant))["prices"][0]["id"]
    wish = await Subscriber(tenant, "anna").session(mode="checkout", priceId=price, provider="stripe")
    # It has no name there: had we kept the schedule, none would be needed.
    assert refused(wish, 422, "validation_failed")["errors"][0]["pointer"] == "/priceId"
    # The sandbox keeps no schedules, so there it is ours whatever is wished.
    await Subscriber(tenant, "ben").checkout(price, provider="sandbox")


@pytest.mark.slow
async def test_the_company_renews_and_its_bills_are_told(house: House, receiver: Receiver) -> None:
    shop = await customer_of(await house.tenant(webhook_url=receiver.url), "dodo")
    # Its own clock is everybody's, so it is pushed by no more than a day.
    price = (await plan(shop, {"providerPrices": {"dodo": "pdt_pro_199000_HUF_day"}}))["prices"][0]
    anna = Subscriber(shop, "anna")
    before = await anna.subscribes(price, customerEmail="anna@example.com")
    assert (before["access"], before["provider"]) == ("full", "dodo")
    assert (await receiver.event("invoice.paid")).body["data"]["total"] == 199_000
    await house.control("POST", "clock", {"advanceSeconds": 86_400})
    await anna.renewed(before)

    async def told() -> bool | None:
        bills = await shop.rows("SELECT id FROM events WHERE type = 'invoice.paid'")
        return len(bills) == 2 or None

    await eventually(told)
    assert await shop.rows("SELECT id FROM payments") == []
