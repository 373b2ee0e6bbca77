"""The payment company as it writes to us, and what becomes of its words in the inbox."""

import base64
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.house import House, Json, Tenant, eventually, sandbox_keys

RECEIVED = b'{"received":true}'
HOUR: Json = {"expiresInSeconds": 3600}


@dataclass(frozen=True)
class Company:
    """The payment company as it writes to us about one account; here we hold its pen."""

    house: House
    account: str
    secret: str

    async def post(self, body: bytes, path: str | None = None, **changes: Any) -> httpx.Response:
        """Deliver these bytes, signed unless a header is changed; None leaves one out."""
        where = path or f"/v1/billing/webhooks/sandbox/{self.account}"
        headers = self.signed(body) | {name.replace("_", "-"): value for name, value in changes.items()}
        sent = {name: value for name, value in headers.items() if value is not None}
        return await self.house.http.post(where, content=body, headers=sent)

    def signed(self, body: bytes, *, event: str = "evt_1", late: int = 0, secret: str = "") -> dict[str, str]:
        """The headers of Standard Webhooks 1.0.0, written down from the specification."""
        at = str(int(time.time()) - late)
        key = base64.b64decode((secret or self.secret).removeprefix("whsec_"))
        mac = base64.b64encode(hmac.digest(key, f"{event}.{at}.".encode() + body, "sha256")).decode()
        return {"webhook-id": event, "webhook-timestamp": at, "webhook-signature": f"v1,{mac}"}

    async def says(self, payment: Json, word: str = "complete/paid", **more: Any) -> httpx.Response:
        """A true-looking event about this payment; ``event`` names it."""
        event = more.pop("event", "evt_1")
        body = told(payment, word, **more)
        answer = await self.post(body, **self.signed(body, event=event))
        assert (answer.status_code, answer.content) == (200, RECEIVED), answer.text
        return answer


async def speaking_for(tenant: Tenant) -> Company:
    """From now on the real company says nothing to this tenant by itself; only we speak for it."""
    account = await tenant.account()
    await tenant.fault("webhook.send", "webhook", "lost", count=1000)
    await tenant.fault("checkout.read", "before", "status:503", count=1000)
    secret, _ = sandbox_keys(tenant.house, account)
    return Company(tenant.house, account, secret)


def told(payment: Json, word: str = "complete/paid", **more: Any) -> bytes:
    """The body of an event about this payment's checkout."""
    status, paid = word.split("/")
    money = {"amount": payment["amount"], "currency": payment["currency"]}
    if paid == "paid":
        money |= {"amount_captured": payment["amount"], "currency_captured": payment["currency"]}
    session = {"id": payment["providerReference"], "reference": payment["id"]}
    data = {"object": "checkout_session", "status": status, "payment_status": paid} | session | money | more
    return json.dumps({"id": "evt_1", "type": "checkout.told", "mode": "test", "data": data}).encode()


async def inbox(tenant: Tenant) -> list[Json]:
    return await tenant.rows("SELECT * FROM inbox ORDER BY received_at")


async def filed(tenant: Tenant, count: int = 1) -> list[Json]:
    """The inbox, once this many events have taken effect."""

    async def look() -> list[Json] | None:
        rows = await inbox(tenant)
        return rows if [row["state"] for row in rows].count("PROCESSED") == count else None

    found: list[Json] = await eventually(look)
    return found
