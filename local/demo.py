"""One payment from login to delivered webhook, over HTTP only: what a tenant's own code would do."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from rich.markup import escape

LIMIT_SECONDS = 60
FRESH_SECONDS = 300
PAYER = "user-123"
ORDER = {
    "userId": PAYER,
    "amount": 1990000,
    "currency": "HUF",
    "description": "Pro, yearly",
    "entitlements": [{"feature": "pro", "durationSeconds": 31536000}],
}

Show = Callable[[str], None]


class DidNotHappen(Exception):
    """The platform did something else than promised."""


async def demo(ready: Mapping[str, Any], show: Show) -> bool:
    """Carry one payment through a running platform, ``ready`` being its ready file, and show every step.

    False at the first step that did not happen, or after LIMIT_SECONDS.
    """
    async with (
        _shop() as shop,
        httpx.AsyncClient(base_url=ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                tenant = await _become_tenant(ready, shop, http, show)
                payment = await _pay(http, show)
                await _enjoy(payment["id"], shop, http, show)
        except DidNotHappen:
            return False
        except TimeoutError:
            show(f"  [red]✗[/] not finished after {LIMIT_SECONDS} s")
            return False
    workflow = quote(f"payment:{tenant}:{payment['id']}", safe="")
    show(
        f"  The whole story: {ready['temporalUiUrl']}/namespaces/{ready['namespace']}/workflows/{workflow}",
    )
    return True


async def _become_tenant(ready: Mapping[str, Any], shop: "_Shop", http: httpx.AsyncClient, show: Show) -> str:
    with step(show, "a tenant is registered") as note:
        registration = {
            "name": "Demo payment",
            "contactEmail": "demo@example.com",
            "sandbox": True,
            "webhookUrl": shop.url,
        }
        admin = {"X-Admin-Key": ready["adminKey"]}
        tenant = answered(await http.post("/v1/tenants/register", json=registration, headers=admin), 201)
        shop.secret = tenant["webhookSecret"]
        note(tenant["id"])
    with step(show, "it logs in") as note:
        login = {"appName": tenant["appName"], "appSecret": tenant["appSecret"]}
        token = answered(await http.post("/v1/tenants/login", json=login), 200)
        http.headers["Authorization"] = f"Bearer {token['accessToken']}"
        note(f"token for {token['expiresIn']} s")
    return str(tenant["id"])


async def _pay(http: httpx.AsyncClient, show: Show) -> dict[str, Any]:
    with step(show, "it creates a payment of 19 900 Ft") as note:
        key = {"Idempotency-Key": f"demo-{uuid.uuid4()}"}
        payment = answered(await http.post("/v1/payments", json=ORDER, headers=key), 201, 202)
        while not payment.get("checkoutUrl"):
            await asyncio.sleep(0.1)
            payment = answered(await http.get(f"/v1/payments/{payment['id']}"), 200)
        note(payment["id"])
    async with httpx.AsyncClient(trust_env=False, timeout=15) as browser:
        with step(show, "the payer opens the checkout") as note:
            _expect(await browser.get(payment["checkoutUrl"]), 200)
            note(payment["checkoutUrl"])
        with step(show, "and pays") as note:
            form = {"cardNumber": "4242424242424242", "action": "pay"}
            _expect(await browser.post(payment["checkoutUrl"], data=form), 200, 302, 303)
            note("4242 4242 4242 4242")
    with step(show, "the payment succeeds") as note:
        while payment["status"] != "SUCCEEDED":
            await asyncio.sleep(0.05)
            payment = answered(await http.get(f"/v1/payments/{payment['id']}"), 200)
            if payment["status"] in {"FAILED", "EXPIRED", "CANCELLED", "REVIEW"}:
                raise DidNotHappen(f"its status is {payment['status']}")
        note(payment["status"])
    return payment


async def _enjoy(payment_id: str, shop: "_Shop", http: httpx.AsyncClient, show: Show) -> None:
    with step(show, "the payer may use what was bought") as note:
        question = {"userId": PAYER, "feature": "pro"}
        answer = answered(await http.get("/v1/entitlements/check", params=question), 200)
        if answer["entitled"] is not True:
            raise DidNotHappen(f"not entitled: {answer['reason']}")
        note(f"pro until {answer['validTo']}")
    with step(show, "the tenant's own server is told, signed") as note:
        while True:
            headers, body = await shop.deliveries.get()
            event = json.loads(body)
            if event["type"] == "payment.succeeded" and event["data"]["paymentId"] == payment_id:
                break
        if not _is_signed(headers, body, shop.secret):
            raise DidNotHappen("the webhook's signature is wrong")
        note(f"{event['type']} {event['eventId']}")


@contextlib.contextmanager
def step(show: Show, words: str) -> Iterator[Callable[[str], None]]:
    """Show a step when it is done or could not be; the value yielded takes what is worth telling of it."""
    began = time.monotonic()
    notes: list[str] = []
    try:
        yield notes.append
    except (DidNotHappen, httpx.HTTPError, KeyError, ValueError) as error:
        reason = str(error) if isinstance(error, DidNotHappen) else f"{type(error).__name__}: {error}"
        show(f"  [red]✗[/] {words}: {escape(reason)}")
        raise DidNotHappen(words) from error
    milliseconds = (time.monotonic() - began) * 1000
    show(f"  [green]✓[/] {words:<38}[dim]{milliseconds:6.0f} ms[/]  {escape(' '.join(notes))}")


def _expect(answer: httpx.Response, *statuses: int) -> None:
    if answer.status_code not in statuses:
        raise DidNotHappen(
            f"{answer.request.method} {answer.url.path} answered {answer.status_code} {answer.text[:300]}"
        )


def answered(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """What an answer says. Raises DidNotHappen unless it has one of these statuses."""
    _expect(answer, *statuses)
    document: dict[str, Any] = answer.json()
    return document


def _is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Standard Webhooks 1.0.0: any of the signatures may be the one made with our secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    ours = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    is_fresh = abs(time.time() - int(headers["webhook-timestamp"])) < FRESH_SECONDS
    return is_fresh and any(hmac.compare_digest(ours, each) for each in headers["webhook-signature"].split())


@dataclass
class _Shop:
    """The tenant's own server: takes every webhook and keeps it."""

    url: str = ""
    secret: str = ""
    deliveries: asyncio.Queue[tuple[dict[str, str], bytes]] = field(default_factory=asyncio.Queue)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one POST with 200."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            pairs = (line.partition(":") for line in head.split("\r\n")[1:] if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            self.deliveries.put_nowait((headers, body))
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def _shop() -> AsyncIterator[_Shop]:
    shop = _Shop()
    server = await asyncio.start_server(shop.receive, "127.0.0.1", 0)
    shop.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks"
    try:
        yield shop
    finally:
        server.close()
