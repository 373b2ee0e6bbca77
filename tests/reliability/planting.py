"""Drift, planted by the hundred: books that differ in ways we know, and books that agree.

Theirs is made over there, at the company's own API and pages, with every webhook lost. Ours is written into
the tables as it would stand, without a workflow: an open payment's own questions would mend it before anybody
looks. Nothing is planted that a sweep of ours would pick up: what is open has its time ahead of it.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from domain.values import new_id
from tests.house import CARD, House, Json, Tenant, sandbox_keys

AMOUNT = 1_990_000
BOUNCING = "4000000000005126"
AHEAD = timedelta(days=1)
UNTOUCHED: Json = {"refund_reserved": 0, "amount_refunded": 0, "dispute_status": "NONE"}
Key = tuple[str, str, str]
"""Class, subject, and the payment's id, or the provider's name of what is nobody's."""


@dataclass
class Ground:
    """A tenant's books on both sides, and what a comparison must find there."""

    house: House
    tenant: Tenant
    account: str
    company: httpx.AsyncClient
    expected: dict[Key, str] = field(default_factory=dict)
    clean: int = 0
    first: Json = field(default_factory=dict)
    """The run that found what was planted."""
    rows: dict[str, list[Json]] = field(default_factory=dict)
    born: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(seconds=20))
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(6))

    @classmethod
    async def of(cls, house: House, tenant: Tenant) -> "Ground":
        account = await tenant.account()
        _, key = sandbox_keys(house, account)
        await tenant.fault("webhook.send", "webhook", "lost", count=1_000_000)
        company = httpx.AsyncClient(
            base_url=house.ready["sandboxUrl"],
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=30,
        )
        return cls(house, tenant, account, company)

    # Theirs ----------------------------------------------------------------------------------------

    async def post(self, path: str, **body: Any) -> Json:
        answer = await self.company.post(path, json=body)
        assert answer.status_code in {200, 201}, answer.text
        found: Json = answer.json()
        return found

    async def session(self, reference: str, amount: int = AMOUNT) -> str:
        made = await self.post("/v1/checkout_sessions", reference=reference, amount=amount, currency="HUF")
        return str(made["id"])

    async def act(self, session: str, action: str = "pay", card: str = CARD) -> None:
        form = {"cardNumber": card, "action": action}
        assert (await self.company.post(f"/pay/{session}", data=form)).status_code < 400

    async def captured(self, reference: str, amount: int = AMOUNT, card: str = CARD) -> tuple[str, str]:
        """A checkout and its capture."""
        session = await self.session(reference, amount)
        await self.act(session, card=card)
        found = (await self.company.get(f"/v1/checkout_sessions/{session}")).json()
        return session, str(found["payment"])

    async def disputed(self, reference: str, outcome: str | None = None) -> str:
        made = await self.house.control("POST", "disputes", {"reference": reference})
        if outcome is not None:
            await self.house.control("POST", f"disputes/{made['id']}", {"outcome": outcome})
        return str(made["id"])

    # Ours ------------------------------------------------------------------------------------------

    def payment(self, payment_id: str, status: str, reference: str | None, **more: Any) -> None:
        held = status == "SUCCEEDED"
        self._row(
            "payments",
            id=payment_id,
            idempotency_key=payment_id,
            digest="d",
            user_id="user-123",
            amount_minor=AMOUNT,
            currency="HUF",
            provider="sandbox",
            account_id=self.account,
            entitlements=[],
            metadata={},
            sandbox=True,
            status=status,
            provider_reference=reference,
            captured_minor=AMOUNT if held else 0,
            captured_currency="HUF" if held else None,
            created_at=self.born,
            expires_at=datetime.now(UTC) + AHEAD,
            **UNTOUCHED | {"updated_at": self.born} | more,
        )

    def refund(
        self, refund_id: str, payment_id: str, session: str, state: str, origin: str = "tenant"
    ) -> None:
        # Those on their way are dated ahead: our own sweep would ask about them.
        born = self.born if state == "SUCCEEDED" else datetime.now(UTC) + AHEAD
        self._row(
            "refunds",
            id=refund_id,
            payment_id=payment_id,
            account_id=self.account,
            provider="sandbox",
            checkout_reference=session,
            amount_minor=1000,
            currency="HUF",
            state=state,
            origin=origin,
            requested_by="test",
            created_at=born,
            updated_at=self.born,
        )

    def dispute(self, payment_id: str, reference: str) -> None:
        self._row(
            "disputes",
            id=new_id("dsp", self.born),
            payment_id=payment_id,
            account_id=self.account,
            provider="sandbox",
            provider_reference=reference,
            amount_minor=AMOUNT,
            currency="HUF",
            fee_minor=1500,
            fee_currency="HUF",
            state="OPEN",
            held=True,
            looked_at=datetime.now(UTC),
            created_at=self.born,
            updated_at=self.born,
        )

    def _row(self, table: str, **columns: Any) -> None:
        self.rows.setdefault(table, []).append(columns | {"tenant_id": self.tenant.id})

    async def write(self) -> None:
        """Put ours on record, all at once."""
        async with self.house.database() as db, db.transaction():
            await db.execute("SELECT set_config('app.tenant_id', $1, true)", self.tenant.id)
            for table, rows in self.rows.items():
                columns = ", ".join(rows[0])
                await db.execute(
                    f"INSERT INTO {table} ({columns}) SELECT {columns}"  # noqa: S608 - our own names
                    f" FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb)",
                    json.dumps(rows, default=datetime.isoformat),
                )

    # Both ------------------------------------------------------------------------------------------

    async def plant(
        self, number: int, plant: Callable[["Ground", str], Coroutine[Any, Any, dict[Key, str]]]
    ) -> None:
        async def one() -> dict[Key, str]:
            async with self.at_once:
                return await plant(self, new_id("pay", self.born))

        for found in await asyncio.gather(*(one() for _ in range(number))):
            self.expected |= found
            self.clean += not found


# --- What may be wrong ------------------------------------------------------------------------------------


async def lost_webhook(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name)
    ground.payment(name, "PROVIDER_PENDING", session)
    return {("missing_here", "payment", name): "REPAIRED"}


async def money_after_the_end(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name)
    ground.payment(name, "EXPIRED", session)
    return {("missing_here", "payment", name): "REPAIRED"}


async def never_heard_of(ground: Ground, name: str) -> dict[Key, str]:
    ground.payment(name, "SUCCEEDED", f"cs_nowhere_{name}")
    return {("missing_there", "payment", name): "REPORTED"}


async def never_paid(ground: Ground, name: str) -> dict[Key, str]:
    ground.payment(name, "SUCCEEDED", await ground.session(name))
    return {("missing_there", "payment", name): "REPORTED"}


async def other_money_than_booked(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name, AMOUNT + 100)
    ground.payment(name, "SUCCEEDED", session)
    return {("amount", "payment", name): "REPORTED"}


async def other_money_than_ordered(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name, AMOUNT + 100)
    ground.payment(name, "PROVIDER_PENDING", session)
    return {("amount", "payment", name): "REPAIRED"}


async def refund_that_went_through(ground: Ground, name: str) -> dict[Key, str]:
    await _refunded(ground, name, "PENDING")
    return {("state", "refund", name): "REPAIRED"}


async def refund_that_came_back(ground: Ground, name: str) -> dict[Key, str]:
    await _refunded(ground, name, "SUCCEEDED", card=BOUNCING)
    return {("state", "refund", name): "REPAIRED"}


async def _refunded(ground: Ground, name: str, state: str, card: str = CARD) -> None:
    session, capture = await ground.captured(name, card=card)
    refund = new_id("ref", ground.born)
    await ground.post("/v1/refunds", payment=capture, amount=1000, reference=refund)
    done = state == "SUCCEEDED"
    ground.payment(name, "SUCCEEDED", session, refund_reserved=1000, amount_refunded=1000 * done)
    ground.refund(refund, name, session, state)


async def dispute_nobody_told_of(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name)
    await ground.disputed(name)
    ground.payment(name, "SUCCEEDED", session)
    return {("state", "dispute", name): "REPAIRED"}


async def dispute_that_was_won(ground: Ground, name: str) -> dict[Key, str]:
    return await _decided(ground, name, "won")


async def dispute_that_was_lost(ground: Ground, name: str) -> dict[Key, str]:
    return await _decided(ground, name, "lost")


async def _decided(ground: Ground, name: str, outcome: str) -> dict[Key, str]:
    session, _ = await ground.captured(name)
    ground.dispute(name, await ground.disputed(name, outcome))
    ground.payment(name, "SUCCEEDED", session, dispute_status="OPEN")
    return {("state", "dispute", name): "REPAIRED"}


async def refund_from_the_dashboard(ground: Ground, name: str) -> dict[Key, str]:
    session, capture = await ground.captured(name)
    await ground.post("/v1/refunds", payment=capture, amount=1000)
    ground.payment(name, "SUCCEEDED", session)
    return {("refund", "refund", name): "REPAIRED"}


async def refund_nobody_made(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name)
    ground.payment(name, "SUCCEEDED", session, refund_reserved=1000, amount_refunded=1000)
    ground.refund(new_id("ref", ground.born), name, session, "SUCCEEDED")
    return {("refund", "refund", name): "REPORTED"}


async def nobodys_money(ground: Ground, name: str) -> dict[Key, str]:
    _, capture = await ground.captured(f"{name}_nobody")
    return {("unknown_reference", "payment", capture): "REPORTED"}


async def last_word_missed(ground: Ground, name: str) -> dict[Key, str]:
    session = await ground.session(name)
    await ground.post(f"/v1/checkout_sessions/{session}/expire")
    return _stale(ground, name, session, "REPAIRED")


async def given_up_by_the_payer(ground: Ground, name: str) -> dict[Key, str]:
    session = await ground.session(name)
    await ground.act(session, "close")
    return _stale(ground, name, session, "REPAIRED")


async def open_after_all(ground: Ground, name: str) -> dict[Key, str]:
    return _stale(ground, name, await ground.session(name), "REPAIRED")


async def silence(ground: Ground, name: str) -> dict[Key, str]:
    return _stale(ground, name, None, "REPORTED")


def _stale(ground: Ground, name: str, session: str | None, action: str) -> dict[Key, str]:
    """Nobody knows for more than a day (of 24 minutes); its time is not up, so our sweep lets it be."""
    ground.payment(name, "UNKNOWN", session, updated_at=ground.born - timedelta(hours=1))
    return {("stale_pending", "payment", name): action}


async def captured_twice(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name)
    await ground.captured(name)
    ground.payment(name, "SUCCEEDED", session)
    return {("double", "payment", name): "REPORTED"}


DRIFT = {
    lost_webhook: 20,
    money_after_the_end: 8,
    never_heard_of: 14,
    never_paid: 14,
    other_money_than_booked: 14,
    other_money_than_ordered: 14,
    refund_that_went_through: 10,
    refund_that_came_back: 6,
    dispute_nobody_told_of: 8,
    dispute_that_was_won: 5,
    dispute_that_was_lost: 5,
    refund_from_the_dashboard: 14,
    refund_nobody_made: 14,
    nobodys_money: 14,
    last_word_missed: 10,
    given_up_by_the_payer: 6,
    open_after_all: 4,
    silence: 10,
    captured_twice: 24,
}


# --- What is as it should be ------------------------------------------------------------------------------


async def paid(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name)
    ground.payment(name, "SUCCEEDED", session)
    return {}


async def given_back(ground: Ground, name: str) -> dict[Key, str]:
    await _refunded(ground, name, "SUCCEEDED")
    return {}


async def given_back_by_them(ground: Ground, name: str) -> dict[Key, str]:
    """Made in the dashboard so long ago that no list shows it; there is no name of ours to ask by."""
    session, _ = await ground.captured(name)
    ground.payment(name, "SUCCEEDED", session, refund_reserved=1000, amount_refunded=1000)
    ground.refund(new_id("ref", ground.born), name, session, "SUCCEEDED", origin="provider")
    return {}


async def disputed(ground: Ground, name: str) -> dict[Key, str]:
    session, _ = await ground.captured(name)
    ground.dispute(name, await ground.disputed(name))
    ground.payment(name, "SUCCEEDED", session, dispute_status="OPEN")
    return {}


async def waiting_for_its_payer(ground: Ground, name: str) -> dict[Key, str]:
    ground.payment(name, "PROVIDER_PENDING", await ground.session(name))
    return {}


CLEAN = {paid: 150, given_back: 20, given_back_by_them: 4, disputed: 8, waiting_for_its_payer: 25}
