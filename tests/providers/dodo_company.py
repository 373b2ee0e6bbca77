"""A scripted Dodo, and what is asked of it."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from domain.money import Money
from domain.payment import PaymentOrder
from domain.reconciliation import Window
from domain.refund import Origin, Refund, RefundState
from domain.values import derived_id
from providers.dodo.adapter import Dodo
from providers.line import Line
from tests.providers.dodo_samples import PAYMENT, Json

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
MADE: Final = NOW - timedelta(minutes=10)
PRICE: Final = Money(amount_minor=1990000, currency="HUF")
PART: Final = Money(amount_minor=490000, currency="HUF")
KEY: Final = "key-that-nobody-sees"
SECRETS: Final = {
    "apiKey": KEY,
    "webhookSecret": f"whsec_{'A' * 32}",
    "productId": "pdt_any",
    "environment": "test_mode",
}
MINE: Final = derived_id("pay", MADE, "order")
PAID: Final[Json] = PAYMENT | {
    "metadata": {"paysaga_payment": MINE},
    "product_cart": [{"product_id": "pdt_sold", "quantity": 1}],
    "refunds": [],
}
SESSION: Final[Json] = {"id": "cks_1", "payment_id": "pay_theirs", "payment_status": "succeeded"}
FRESH_SESSION: Final[Json] = {"id": "cks_1", "payment_id": None, "payment_status": None}
ORDER: Final = PaymentOrder(
    payment_id=MINE,
    tenant_id="ten_1",
    idempotency_key="key",
    digest="digest",
    user_id="user",
    money=PRICE,
    provider="dodo",
    customer_email="payer@example.com",
    success_url="https://shop.example/thanks",
    metadata={"plan": "pro"},
    sandbox=True,
    created_at=MADE,
    expires_at=NOW + timedelta(hours=1),
)
WINDOW: Final = Window(since=NOW - timedelta(days=3), until=NOW)
Answer = Json | tuple[int, Json]


class Told(httpx.AsyncByteStream):
    def __init__(self, body: Json) -> None:
        self._body = json.dumps(body).encode()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


class Company:
    """Answers by method and path; the answers of a list one after the other. Of all else it never heard."""

    def __init__(self, answers: Mapping[str, Answer | list[Answer]]) -> None:
        self._answers = {
            call: list(said) if isinstance(said, list) else said for call, said in answers.items()
        }
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        said = self._answers.get(f"{request.method} {request.url.path}", (404, {"code": "NOT_FOUND"}))
        if isinstance(said, list):
            said = said.pop(0)
        status, body = said if isinstance(said, tuple) else (200, said)
        return httpx.Response(status, stream=Told(body))

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.asked]

    @property
    def sent(self) -> Json:
        body: Json = json.loads(self.asked[-1].content)
        return body


def adapter(company: Company, **secrets: str) -> Dodo:
    http = httpx.AsyncClient(transport=httpx.MockTransport(company))
    return Dodo(http, "https://dodo.example", SECRETS | secrets, Line())


def refund(money: Money = PRICE) -> Refund:
    return Refund(
        id="ref_ours",
        tenant_id="ten_1",
        payment_id=MINE,
        account_id="acc_1",
        provider="dodo",
        money=money,
        state=RefundState.PENDING,
        origin=Origin.TENANT,
        checkout_reference="cks_1",
        created_at=MADE,
        updated_at=MADE,
    )


def page(*items: Json, filled_up: int = 0) -> Json:
    return {"items": [*items, *([{"payment_id": "pay_x", "metadata": {}}] * filled_up)]}
