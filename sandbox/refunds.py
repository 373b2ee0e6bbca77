"""Money that goes back. The refunds of a payment never add up to more than was captured."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import Field

from sandbox import jobs
from sandbox.errors import Refused, invalid
from sandbox.events import emit
from sandbox.payments import Payment
from sandbox.store import Record, new_id
from sandbox.world import World

REFUND_SECONDS = 10
"""How long the two slow refund cards take, before the time scale."""


class Refund(Record):
    """One refund, whole or in part. ``refund_reference`` is the caller's own name for it."""

    KIND: ClassVar[str] = "refund"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"asked"})

    refund_reference: str | None
    payment: str
    session: str
    amount: int
    currency: str
    status: Literal["pending", "succeeded", "failed"]
    reason: str | None
    failure: dict[str, str] | None = None
    mode: Literal["test"] = "test"
    asked: dict[str, Any] = Field(default_factory=dict)
    """What a face must remember of the caller's order, in its own words; nobody else reads it."""

    @property
    def parent(self) -> str:
        """Hang from the payment."""
        return self.payment

    @property
    def own_reference(self) -> str | None:
        """Be found by the caller's own name, too."""
        return self.refund_reference

    def wire(self) -> dict[str, object]:
        """Show the caller's own name as ``reference``, and the session's beside it."""
        shown = super().wire()
        shown["payment_reference"] = shown["reference"]
        shown["reference"] = shown.pop("refund_reference")
        return shown


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller asks for. No amount means all that is left."""

    amount: int | None
    reference: str | None
    reason: str | None
    prefix: str = "re"
    """What the refund's id begins with."""
    asked: dict[str, Any] = field(default_factory=dict)


def refund(world: World, payment: Payment, order: Order) -> Refund:
    """Give money back. Call inside a transaction."""
    left = payment.amount - payment.amount_refunded
    amount = left if order.amount is None else order.amount
    if payment.disputed:
        raise Refused(400, "payment_disputed", "a disputed payment cannot be refunded")
    if not 0 < amount <= left:
        raise invalid(f"{left} is left to refund", "refund_exceeds_capture")
    manner = payment.card.scenario.refunds
    made = Refund(
        id=new_id(order.prefix),
        account=payment.account,
        reference=payment.reference,
        created_at=world.clock.real(),
        dialect=payment.dialect,
        refund_reference=order.reference,
        payment=payment.id,
        session=payment.session,
        amount=amount,
        currency=payment.currency,
        status="pending" if manner == "pending" else "succeeded",
        reason=order.reason,
        asked=order.asked,
    )
    world.store.insert(made)
    payment.amount_refunded += amount
    world.store.update(payment)
    emit(world, f"refund.{made.status}", made)
    if manner != "at_once":
        job = "refund.succeed" if manner == "pending" else "refund.fail"
        jobs.put_off(world, job, made.id, world.scaled(REFUND_SECONDS))
    return made


@jobs.handles("refund.succeed")
def _succeed(world: World, refund_id: str) -> None:
    made = world.store.get(Refund, refund_id)
    if made is not None and made.status == "pending":
        made.status = "succeeded"
        world.store.update(made)
        emit(world, "refund.succeeded", made)


@jobs.handles("refund.fail")
def _bounce(world: World, refund_id: str) -> None:
    made = world.store.get(Refund, refund_id)
    payment = None if made is None else world.store.get(Payment, made.payment)
    if made is None or payment is None or made.status == "failed":
        return
    made.status = "failed"
    made.failure = {"code": "account_closed", "message": "the cardholder's account is closed"}
    payment.amount_refunded -= made.amount
    world.store.update(made)
    world.store.update(payment)
    emit(world, "refund.failed", made)
