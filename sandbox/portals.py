"""Portal sessions: for some minutes, a page where a customer sees to the cards that are kept."""

from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from sandbox import cards, customers
from sandbox.customers import Customer, Method
from sandbox.store import Record
from sandbox.world import World

LIFE: Final = timedelta(minutes=30)


class Portal(Record):
    """One visit. It ends by the clock on the wall: who pushes the sandbox's has the page open meanwhile."""

    KIND: ClassVar[str] = "portal_session"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"return_url"})

    customer: str
    url: str
    mode: Literal["test"] = "test"
    expires_at: datetime
    return_url: str

    def is_over(self, world: World) -> bool:
        """Say whether the page shows nothing any more."""
        return world.clock.real() >= self.expires_at


def update(world: World, customer: Customer, card: cards.Card) -> str | None:
    """Keep a card and use it from now on; else say why not. The portal's visitor has approved already."""
    if not card.keepable:
        return card.scenario.decline or "not_keepable"
    asks = card.scenario.outcome == "challenge"
    customers.keep(world, customer, cards.approved(card.last4) if asks else card)
    return None


def remove(world: World, customer: Customer, method: str | None) -> bool:
    """Forget a card, the one in use when none is named; say whether there was one."""
    identity = method or customer.payment_method
    kept = world.store.get(Method, identity, customer.account) if identity else None
    if kept is None or kept.customer != customer.id:
        return False
    customers.remove(world, customer, kept)
    return True
