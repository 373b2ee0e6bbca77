"""A merchant who believes that the sandbox is Dodo Payments, and speaks to it by Dodo's own library."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import dodopayments
import httpx

from tests.sandbox.sandbox_house import GOOD_CARD, NO_TLS, Json, Letter, Shop


@dataclass
class DodoShop:
    """A merchant who believes that this is Dodo Payments."""

    shop: Shop
    dodo: Any

    @classmethod
    @asynccontextmanager
    async def at(cls, shop: Shop) -> AsyncIterator[Self]:
        """Open a shop at Dodo's face, with a library that refuses answers of another shape."""
        async with dodopayments.AsyncDodoPayments(
            bearer_token=shop.client.headers["authorization"].removeprefix("Bearer "),
            base_url=f"{shop.company.url}/dodo",
            max_retries=0,
            http_client=httpx.AsyncClient(verify=NO_TLS, timeout=10),
            _strict_response_validation=True,
        ) as client:
            yield cls(shop, client)

    async def open(self, amount: int = 1_990_000, **changes: Any) -> str:
        order: Json = {
            "product_cart": [{"product_id": "pdt_book", "quantity": 1, "amount": amount}],
            "billing_currency": "HUF",
            "metadata": {"paysaga_payment": self.shop.reference},
            "return_url": "https://shop.test/thanks",
            **changes,
        }
        made = await self.dodo.checkout_sessions.create(**order)
        assert made.checkout_url.endswith(f"/pay/{made.session_id}")
        identity: str = made.session_id
        return identity

    async def pay(self, session: str, number: str = GOOD_CARD, action: str = "pay") -> httpx.Response:
        return await self.shop.client.post(f"/pay/{session}", data={"cardNumber": number, "action": action})

    async def paid(self, number: str = GOOD_CARD, **changes: Any) -> Any:
        """Have a session paid and give the payment."""
        session = await self.open(**changes)
        assert (await self.pay(session, number)).status_code == 303
        return await self.payment_of(session)

    async def payment_of(self, session: str) -> Any:
        stands = await self.dodo.checkout_sessions.retrieve(session)
        return await self.dodo.payments.retrieve(stands.payment_id)

    async def hears(self, *types: str) -> list[Any]:
        """Wait for these webhooks; give each one's object, its seal verified by Dodo's library."""
        await self.shop.hears(*types)
        return [self.verified(letter).data for letter in self.shop.letters]

    def verified(self, letter: Letter) -> Any:
        event = self.dodo.webhooks.unwrap(letter.body.decode(), headers=letter.headers, key=self.shop.secret)
        return type(event).model_validate(json.loads(letter.body))
