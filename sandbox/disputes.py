"""Cardholders who want their money back from their bank."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from sandbox import jobs
from sandbox.errors import Refused, invalid, missing
from sandbox.events import emit
from sandbox.payments import Payment
from sandbox.store import Query, Record, new_id
from sandbox.world import World

Stage = Literal["inquiry", "open", "under_review", "won", "lost", "closed"]
Outcome = Literal["open", "under_review", "won", "lost", "closed"]
Reason = Literal["accepted", "expired"]

FEE: Final = 1_500
"""What a dispute costs a merchant, in minor units of its currency; returned unless it is lost."""
EVIDENCE_SECONDS: Final = 7 * 86_400
"""How long a merchant may take to answer, before the time scale."""

_ENDED: Final = frozenset({"won", "lost", "closed"})
_NEXT: Final[dict[str, frozenset[str]]] = {
    "inquiry": frozenset({"open", "closed"}),
    "open": frozenset({"under_review", "won", "lost", "closed"}),
    "under_review": frozenset({"won", "lost", "closed"}),
}


class Dispute(Record):
    """One disputed payment, over its whole amount. An inquiry has not taken any money yet."""

    KIND: ClassVar[str] = "dispute"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"taken", "because", "asked"})

    payment: str
    session: str
    amount: int
    currency: str
    fee: int = 0
    reason: str
    status: Stage = "open"
    evidence_due_by: datetime | None = None
    evidence: dict[str, Any] | None = None
    submitted: bool = False
    mode: Literal["test"] = "test"
    taken: bool = False
    """Whether it ever took the money: an inquiry does not."""
    because: Reason | None = None
    """How it came to be lost, where that was no judgement."""
    asked: dict[str, Any] = Field(default_factory=dict)
    """What a face must remember of what it was told, in its own words; nobody else reads it."""

    @property
    def parent(self) -> str:
        """Hang from the payment."""
        return self.payment


def open_dispute(
    world: World, payment: Payment, reason: str, *, inquiry: bool = False, seconds: float | None = None
) -> Dispute:
    """Dispute a payment; a second dispute while one runs is refused. Call inside a transaction."""
    if any(found.status not in _ENDED for found in world.store.all(Dispute, Query(parent=payment.id))):
        raise Refused(409, "already_disputed", "this payment has an open dispute")
    now = world.clock.real()
    allowed = world.scaled(EVIDENCE_SECONDS) if seconds is None else timedelta(seconds=seconds)
    dispute = Dispute(
        id=new_id("dp"),
        account=payment.account,
        reference=payment.reference,
        created_at=now,
        dialect=payment.dialect,
        payment=payment.id,
        session=payment.session,
        amount=payment.amount,
        currency=payment.currency,
        reason=reason,
        status="inquiry" if inquiry else "open",
        fee=0 if inquiry else FEE,
        taken=not inquiry,
        evidence_due_by=now + allowed,
    )
    world.store.insert(dispute)
    if not inquiry:
        payment.disputed = True
        world.store.update(payment)
    emit(world, "dispute.inquiry" if inquiry else "dispute.opened", dispute)
    return dispute


def decide(world: World, identity: str, outcome: Outcome, because: Reason | None = None) -> Dispute:
    """Lead a dispute on; safe to repeat with the same outcome. Call inside a transaction."""
    dispute = world.store.get(Dispute, identity)
    if dispute is None:
        raise missing("dispute")
    if dispute.status == outcome:
        return dispute
    if outcome not in _NEXT.get(dispute.status, ()):
        raise Refused(409, "dispute_decided", f"this dispute is {dispute.status}")
    if because is not None and outcome != "lost":
        raise invalid("only a dispute that is lost was accepted or left to expire")
    dispute.status, dispute.because = outcome, because
    dispute.taken = dispute.taken or outcome == "open"
    dispute.fee = 0 if outcome in {"won", "closed"} else FEE
    world.store.update(dispute)
    payment = world.store.get(Payment, dispute.payment)
    if payment is not None:
        payment.disputed = outcome not in {"won", "closed"}
        world.store.update(payment)
    emit(world, "dispute.opened" if outcome == "open" else f"dispute.{outcome}", dispute)
    return dispute


def answer(world: World, dispute: Dispute, evidence: dict[str, Any], *, submit: bool) -> Dispute:
    """Take a merchant's evidence, and hand it to the bank when told to. Call inside a transaction."""
    if dispute.status not in {"inquiry", "open"}:
        if dispute.submitted:
            return dispute
        raise Refused(409, "dispute_decided", f"this dispute is {dispute.status}")
    dispute.evidence = evidence
    dispute.submitted = submit
    if submit and dispute.status == "open":
        dispute.status = "under_review"
    world.store.update(dispute)
    if submit:
        emit(world, f"dispute.{dispute.status}", dispute)
    return dispute


@jobs.handles("dispute.open")
def _cardholder_complains(world: World, payment_id: str) -> None:
    payment = world.store.get(Payment, payment_id)
    if payment is not None and not payment.disputed:
        open_dispute(world, payment, "fraudulent")
