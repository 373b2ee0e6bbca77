"""A merchant who believes that the sandbox is Stripe, and speaks to it by Stripe's own library."""

from dataclasses import dataclass
from typing import Any

import httpx
import stripe

from tests.sandbox.sandbox_house import GOOD_CARD, Json, Shop


@dataclass
class StripeShop:
    """A merchant who believes that this is Stripe."""

    shop: Shop
    stripe: Any

    @property
    def sessions(self) -> Any:
        return self.stripe.v1.checkout.sessions

    def order(self, amount: int = 1_990_000, currency: str = "huf", **changes: Any) -> Json:
        item = {"currency": currency, "unit_amount": amount, "product_data": {"name": "A book"}}
        return {
            "mode": "payment",
            "line_items": [{"price_data": item, "quantity": 1}],
            "success_url": "https://shop.test/thanks?s={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://shop.test/cart",
            "client_reference_id": self.shop.reference,
            **changes,
        }

    async def open(self, key: str | None = None, **changes: Any) -> Any:
        options: Any = {"idempotency_key": key} if key else {}
        return await self.sessions.create_async(self.order(**changes), options)

    async def pay(self, session: Any, number: str = GOOD_CARD, action: str = "pay") -> httpx.Response:
        form = {"cardNumber": number, "action": action}
        return await self.shop.client.post(f"/pay/{session.id}", data=form)

    async def paid(self, number: str = GOOD_CARD, **changes: Any) -> Any:
        session = await self.open(**changes)
        assert (await self.pay(session, number)).status_code == 303
        return await self.read(session)

    async def read(self, session: Any) -> Any:
        return await self.sessions.retrieve_async(session.id, {"expand": ["payment_intent"]})

    async def hears(self, *types: str) -> dict[str, Any]:
        """Wait for these events; give the object of each, its seal verified by Stripe's library."""
        await self.shop.hears(*types)
        letters = self.shop.letters
        events = [self.verified(letter.body, letter.headers["stripe-signature"]) for letter in letters]
        return {event.type: event.data.object for event in events}

    def verified(self, body: bytes, seal: str) -> Any:
        return stripe.Webhook.construct_event(body, seal, self.shop.secret)

    async def refund(self, session: Any, **order: Any) -> Any:
        intent = session.payment_intent
        name = intent if isinstance(intent, str) else intent.id
        return await self.stripe.v1.refunds.create_async({"payment_intent": name, **order})
