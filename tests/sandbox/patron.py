"""A customer who comes back: leaves cards at a shop, is charged without being there, sees to their cards."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.sandbox.sandbox_house import GOOD_CARD, Json, Shop

LATER = {
    "4000000000000341": "card_declined",
    "4000034100089995": "insufficient_funds",
    "4000034100089987": "lost_card",
    "4000034100089979": "stolen_card",
    "4000034100080069": "expired_card",
    "4000002760003184": "authentication_required",
}
"""Cards that can be kept, and why each later charge is declined."""


@dataclass
class Patron:
    """One customer of a shop, known there by a reference of ours."""

    shop: Shop
    id: str = ""
    reference: str = field(default_factory=lambda: f"cus_{uuid4().hex}")

    async def introduce(self, **facts: Any) -> Json:
        """Have the company know them; the same customer however often."""
        answer = await self.shop.client.post("/v1/customers", json={"reference": self.reference, **facts})
        assert answer.status_code in {200, 201}, answer.text
        shown: Json = answer.json()
        self.id = shown["id"]
        return shown

    async def setup(self, **changes: Any) -> Json:
        """Open a page to leave a card at."""
        body = {"reference": f"set_{uuid4().hex}", "customer": self.id, **changes}
        answer = await self.shop.client.post("/v1/setup_sessions", json=body)
        assert answer.status_code == 201, answer.text
        shown: Json = answer.json()
        return shown

    async def act(self, page: Json, **fields: str) -> httpx.Response:
        """Do something on a page of theirs: of a setup or a portal."""
        return await self.shop.client.post(page["url"], data=fields)

    async def leave(self, number: str = GOOD_CARD) -> Json:
        """Leave a card at a setup page; where the bank asks, approve."""
        setup = await self.setup()
        answer = await self.act(setup, cardNumber=number, action="pay")
        if "approve" in answer.text:
            await self.act(setup, action="approve")
        return await self.shop.get(f"/v1/setup_sessions/{setup['id']}")

    async def kept(self) -> list[Json]:
        """List what they can be charged by; what is used comes first."""
        methods: list[Json] = (await self.shop.get(f"/v1/customers/{self.id}/payment_methods"))["data"]
        return methods

    async def charge(self, key: str | None = None, **changes: Any) -> httpx.Response:
        """Take money from the card that they want used, under the shop's reference."""
        body = {**self.shop.order(), "customer": self.id}
        if "payment_method" not in changes:
            body["payment_method"] = (await self.kept())[0]["id"]
        headers = {"Idempotency-Key": key} if key else {}
        return await self.shop.client.post("/v1/charges", json=body | changes, headers=headers)

    async def portal(self) -> Json:
        """Open the page where they see to their cards."""
        body = {"customer": self.id, "return_url": "https://shop.example/account"}
        answer = await self.shop.client.post("/v1/portal_sessions", json=body)
        assert answer.status_code == 201, answer.text
        shown: Json = answer.json()
        return shown
