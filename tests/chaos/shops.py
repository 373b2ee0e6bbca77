"""The shops' backends, as our documents ask for them: one key per order, and patience."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.chaos.plan import Order
from tests.house import ENDED, Json

FEATURE: Final = "pro"
SETTLED: Final = (*ENDED, "REVIEW")
_LONGEST_PAUSE: Final = 1.0


@dataclass
class Told:
    """What one order's shop learned over HTTP; the platform is judged by it."""

    order: Order
    tenant_id: str
    payment_ids: list[str] = field(default_factory=list)
    """As named by every answer to this order's key."""
    statuses: list[str] = field(default_factory=list)
    """As told to one question after the other."""
    refused: str | None = None
    """Why there never was a checkout, if there was none."""
    over: bool = False
    """Whether shop and payer did all they meant to."""
    trouble: str | None = None
    """What kept them from it."""


@dataclass
class Shop:
    """One tenant's backend. It repeats itself until it is answered, always under the same key."""

    http: httpx.AsyncClient
    """To the API, over a line that loses answers."""
    tenant_id: str
    token: str
    bugs: list[str] = field(default_factory=list)
    """Requests that were answered with 500: something happened that nobody had thought of."""

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer; asked for again while there is none, or only an excuse.

        An answer of 5xx that names a payment is no excuse but its end.
        """
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        pause = 0.1
        while True:
            try:
                answer = await self.http.request(method, path, headers=headers, **more)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code < 500 or "paymentId" in answer.json():
                    return answer
                if answer.status_code == 500:
                    self.bugs.append(f"{method} {path}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def order(self, told: Told) -> httpx.Response:
        """Place the order, or place it once more."""
        order = told.order
        body = {
            "userId": order.user,
            "orderId": order.key,
            "amount": order.amount,
            "currency": order.currency,
            "expiresInSeconds": order.expires_in_seconds,
            "entitlements": [{"feature": FEATURE}],
        }
        answer = await self.call("POST", "/v1/payments", json=body, headers={"Idempotency-Key": order.key})
        found = answer.json()
        told.payment_ids.append(found["id"] if answer.is_success else found["paymentId"])
        if not answer.is_success:
            told.refused = found["code"]
        return answer

    async def checkout(self, told: Told) -> Json | None:
        """The payment, once it can be paid; None if it never will be."""
        answer = await self.order(told)
        if not answer.is_success:
            return None
        payment: Json = answer.json()
        pause = 0.2
        while payment["checkoutUrl"] is None and payment["status"] not in SETTLED:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            payment = await self.look(told)
        return payment if payment["checkoutUrl"] is not None else None

    async def look(self, told: Told) -> Json:
        answer = await self.call("GET", f"/v1/payments/{told.payment_ids[0]}")
        assert answer.status_code == 200, answer.text
        payment: Json = answer.json()
        told.statuses.append(payment["status"])
        return payment

    async def see_the_end(self, told: Told) -> str:
        """The status it ended with."""
        pause = 0.5
        while (status := str((await self.look(told))["status"])) not in SETTLED:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 4)
        return status

    async def cancel(self, payment: Json) -> None:
        """Whatever it is answered, the end of the payment tells who was first."""
        answer = await self.call("POST", f"/v1/payments/{payment['id']}/cancel")
        assert answer.status_code in {200, 202, 409}, answer.text
