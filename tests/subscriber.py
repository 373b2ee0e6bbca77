"""The driver of billing stories: a tenant's catalog, and a subscriber who pays, or does not."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tests.house import CARD, Json, Tenant, eventually

DAY = 86_400
LIFE = 31 * DAY


@dataclass
class Subscriber:
    """One user of one tenant, and the subscription that says what they have."""

    tenant: Tenant
    user: str
    id: str = ""

    async def session(self, **wish: Any) -> httpx.Response:
        """Ask for a page."""
        body = {
            "userId": self.user,
            "successUrl": "https://shop.example/thanks",
            "cancelUrl": "https://shop.example/oh",
        } | wish
        key = {"Idempotency-Key": wish.pop("key", None) or secrets.token_hex(8)}
        body.pop("key", None)
        return await self.tenant.call("POST", "/v1/billing/session", json=body, headers=key)

    async def checkout(self, price: Json | str, **wish: Any) -> Json:
        """The page that begins a subscription."""
        price_id = price if isinstance(price, str) else price["id"]
        answer = await self.session(mode="checkout", priceId=price_id, **wish)
        assert answer.status_code == 201, answer.text
        session: Json = answer.json()
        self.id = session["subscriptionId"]
        return session

    async def visit(self, url: str, card: str = CARD, action: str = "pay") -> httpx.Response:
        """Fill in the page; whatever asks to be approved is."""
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = await browser.post(url, data={"cardNumber": card, "action": action})
            if action != "close" and 'value="approve"' in page.text:
                page = await browser.post(url, data={"action": "approve"})
            return page

    async def subscribes(self, price: Json, card: str = CARD, **wish: Any) -> Json:
        """Begin, and have it; the status once it runs."""
        session = await self.checkout(price, **wish)
        page = await self.visit(session["sessionUrl"], card)
        assert page.status_code < 400, page.text
        return await self.becomes("trialing" if price["trialDays"] else "active")

    async def has_for_nothing(self, **facts: Any) -> Json:
        """The status of a subscription to a plan that costs nothing, which runs at once."""
        await self.checkout((await plan(self.tenant, {"amount": 0} | facts))["prices"][0])
        return await self.status()

    async def portal(self, card: str = CARD, action: str = "update") -> None:
        """Leave another card, or take it away."""
        answer = await self.session(mode="portal")
        assert answer.status_code == 201, answer.text
        page = await self.visit(answer.json()["sessionUrl"], card, action)
        assert page.status_code < 400, page.text

    async def status(self) -> Json:
        answer = await self.tenant.call("GET", "/v1/billing/status", params={"userId": self.user})
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def becomes(self, status: str, within: float = 30, **facts: Any) -> Json:
        """The status, once it is this one."""

        async def look() -> Json | None:
            found = await self.status()
            right = found["status"] == status and all(found[name] == value for name, value in facts.items())
            return found if right else None

        try:
            found: Json = await eventually(look, within)
        except AssertionError as late:
            raise AssertionError(f"not {status}: {await self.status()}") from late
        return found

    async def renewed(self, before: Json, within: float = 30) -> Json:
        """The status, once the next period has been paid."""

        async def look() -> Json | None:
            found = await self.status()
            return found if found["currentPeriodStart"] == before["currentPeriodEnd"] else None

        found: Json = await eventually(look, within)
        return found

    async def time_passes(self, days: float) -> None:
        """Push the clock of our account at the company, and with it that of our subscriptions."""
        push = {"advanceSeconds": int(days * DAY), "account": await self.tenant.account()}
        await self.tenant.house.control("POST", "clock", push)

    async def call(self, method: str, deed: str, **more: Any) -> httpx.Response:
        return await self.tenant.call(method, f"/v1/subscriptions/{self.id}{deed}", **more)

    async def invoices(self) -> list[Json]:
        """Oldest first."""
        answer = await self.tenant.call("GET", "/v1/invoices", params={"userId": self.user, "limit": 100})
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["data"]
        return found[::-1]


async def plan(tenant: Tenant, *prices: Json, **facts: Any) -> Json:
    """A plan with these prices; one of 1990.00 HUF a month when none is given."""
    usual = {"amount": 199_000, "currency": "HUF", "interval": "month"}
    body = {
        "name": "Pro",
        "features": [{"feature": "exports", "limit": 100}, {"feature": "support"}],
        "prices": [usual | price for price in prices or [{}]],
    }
    answer = await tenant.call("POST", "/v1/plans", json=body | facts)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
