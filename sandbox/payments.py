"""Money that was captured. A payment exists from the moment it is ours, and only then."""

from typing import ClassVar, Literal

from sandbox import cards, jobs
from sandbox.store import Query, Record, new_id
from sandbox.world import World

DISPUTE_SECONDS = 2
"""How long the cardholder waits who complains, before the time scale."""


class Payment(Record):
    """A capture: what was really taken, whatever the session asked for."""

    KIND: ClassVar[str] = "payment"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"scenario"})

    session: str
    """The session, or the charge, that brought it."""
    amount: int
    amount_refunded: int = 0
    currency: str
    status: Literal["succeeded"] = "succeeded"
    disputed: bool = False
    last4: str
    mode: Literal["test"] = "test"
    scenario: str

    @property
    def parent(self) -> str:
        """Hang from the session, or from the charge that took it without one."""
        return self.session

    @property
    def card(self) -> cards.Card:
        """Bring back the card that paid."""
        return cards.remembered(self.last4, self.scenario)


def capture(world: World, *, of: Record, amount: int, currency: str, card: cards.Card) -> Payment:
    """Take the money of a session or a charge. Call inside the transaction that closes it."""
    payment = Payment(
        id=new_id("py"),
        account=of.account,
        reference=of.reference,
        created_at=world.clock.real(),
        dialect=of.dialect,
        session=of.id,
        amount=amount,
        currency=currency,
        last4=card.last4,
        scenario=card.scenario.name,
    )
    world.store.insert(payment)
    if card.scenario.disputed:
        jobs.put_off(world, "dispute.open", payment.id, world.scaled(DISPUTE_SECONDS))
    return payment


def newest(world: World, reference: str) -> Payment | None:
    """Find the last capture made under a reference, whoever's it is."""
    found = world.store.all(Payment, Query(reference=reference))
    return found[-1] if found else None
