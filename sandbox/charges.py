"""Charges: money taken from a kept card without the payer. Each ends at once; also a declined one is kept."""

from typing import ClassVar, Literal

from pydantic import Field

from sandbox import cards, customers, faults, money, payments
from sandbox.customers import Customer, Method
from sandbox.errors import Refused, invalid
from sandbox.events import emit
from sandbox.store import Query, Record
from sandbox.world import World


class Charge(Record):
    """One try to take money. ``reference`` is the caller's payment id."""

    KIND: ClassVar[str] = "charge"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"description", "given_up", "metadata", "key", "asked"})

    status: Literal["succeeded", "failed", "cancelled"] = "failed"
    """Only a face that lets one be given up has cancelled ones."""
    amount: int
    currency: str
    amount_captured: int = 0
    currency_captured: str | None = None
    customer: str
    payment_method: str
    payment: str | None = None
    last_error: dict[str, str] | None = None
    mode: Literal["test"] = "test"
    description: str | None = None
    given_up: str | None = None
    """Why it was cancelled, in the words of the face."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """What a face must show again of the caller's order."""
    key: str | None = None
    """The idempotency key that made it."""
    asked: str = ""
    """The digest of what was asked under that key."""


def made_before(world: World, wanted: Charge) -> Charge | None:
    """Find what the same key made before, however long ago.

    A key of anything else is forgotten after a day of the sandbox's time; a charge may be asked for again
    after its clock was pushed by years, and must not be made twice for that.
    """
    if wanted.key is None:
        return None
    query = Query(account=wanted.account, reference=wanted.reference)
    for known in world.store.all(Charge, query):
        if known.key == wanted.key:
            if known.asked != wanted.asked:
                raise invalid("this key was used with other parameters", "idempotency_mismatch")
            return known
    return None


def attempt(world: World, charge: Charge) -> Charge:
    """Take the money, or note why the bank does not give it. Call inside a transaction."""
    money.check(charge.amount, charge.currency)
    method = _method(world, customers.find(world, charge.customer, charge.account), charge.payment_method)
    reason = method.refusal
    if reason:
        method.declines += 1
        world.store.update(method)
        charge.last_error = {"code": reason, "message": cards.DECLINES[reason]}
    else:
        _capture(world, charge, method)
    world.store.insert(charge)
    emit(world, f"charge.{charge.status}", charge)
    return charge


def _method(world: World, customer: Customer, identity: str) -> Method:
    method = world.store.get(Method, identity, customer.account)
    if method is None or method.customer != customer.id:
        raise Refused(402, "payment_method_removed", "the customer keeps no such payment method")
    return method


def _capture(world: World, charge: Charge, method: Method) -> None:
    amount, currency = faults.skewed(charge.amount, charge.currency, faults.skew())
    payment = payments.capture(world, of=charge, amount=amount, currency=currency, card=method.card)
    charge.status, charge.payment = "succeeded", payment.id
    charge.amount_captured, charge.currency_captured = amount, currency
