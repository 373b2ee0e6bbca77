"""Cardholders who want their money back from their bank."""

from typing import ClassVar, Literal

from sandbox import jobs
from sandbox.errors import Refused, missing
from sandbox.events import emit
from sandbox.payments import Payment
from sandbox.store import Query, Record, new_id
from sandbox.world import World

Outcome = Literal["won", "lost", "closed"]


class Dispute(Record):
    """One disputed payment, over its whole amount."""

    KIND: ClassVar[str] = "dispute"

    payment: str
    session: str
    amount: int
    currency: str
    reason: str
    status: Literal["open", "won", "lost", "closed"] = "open"
    mode: Literal["test"] = "test"

    @property
    def parent(self) -> str:
        """Hang from the payment."""
        return self.payment


def open_dispute(world: World, payment: Payment, reason: str) -> Dispute:
    """Dispute a payment; a second dispute while one is open is refused. Call inside a transaction."""
    if any(found.status == "open" for found in world.store.all(Dispute, Query(parent=payment.id))):
        raise Refused(409, "already_disputed", "this payment has an open dispute")
    dispute = Dispute(
        id=new_id("dp"),
        account=payment.account,
        reference=payment.reference,
        created_at=world.clock.real(),
        payment=payment.id,
        session=payment.session,
        amount=payment.amount,
        currency=payment.currency,
        reason=reason,
    )
    world.store.insert(dispute)
    payment.disputed = True
    world.store.update(payment)
    emit(world, "dispute.opened", dispute)
    return dispute


def decide(world: World, identity: str, outcome: Outcome) -> Dispute:
    """End a dispute; safe to repeat with the same outcome. Call inside a transaction."""
    dispute = world.store.get(Dispute, identity)
    if dispute is None:
        raise missing("dispute")
    if dispute.status == outcome:
        return dispute
    if dispute.status != "open":
        raise Refused(409, "dispute_decided", f"this dispute was {dispute.status}")
    dispute.status = outcome
    world.store.update(dispute)
    payment = world.store.get(Payment, dispute.payment)
    if payment is not None:
        payment.disputed = outcome == "lost"
        world.store.update(payment)
    emit(world, f"dispute.{outcome}", dispute)
    return dispute


@jobs.handles("dispute.open")
def _cardholder_complains(world: World, payment_id: str) -> None:
    payment = world.store.get(Payment, payment_id)
    if payment is not None and not payment.disputed:
        open_dispute(world, payment, "fraudulent")
