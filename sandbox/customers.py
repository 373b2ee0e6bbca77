"""Customers and what they can be charged by without being there: the one they want used comes first."""

from typing import ClassVar, Literal

from sandbox import cards
from sandbox.errors import missing
from sandbox.events import emit
from sandbox.store import Query, Record, new_id
from sandbox.world import World


class Customer(Record):
    """Somebody who pays again. ``reference`` is the caller's own name for them."""

    KIND: ClassVar[str] = "customer"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"email", "name"})

    email: str | None = None
    name: str | None = None
    payment_method: str | None = None
    """What they want to be charged by: what they kept last."""
    mode: Literal["test"] = "test"


class Method(Record):
    """A card that is kept, as far as it may be remembered."""

    KIND: ClassVar[str] = "payment_method"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"scenario", "declines"})

    customer: str
    kind: Literal["card"] = "card"
    brand: str | None
    last4: str
    mode: Literal["test"] = "test"
    scenario: str
    declines: int = 0
    """How many charges it has refused."""

    @property
    def parent(self) -> str:
        """Hang from the customer."""
        return self.customer

    @property
    def card(self) -> cards.Card:
        """Bring back the card."""
        return cards.remembered(self.last4, self.scenario, self.brand)

    @property
    def refusal(self) -> str:
        """Say why the next charge will be declined; empty when it will not."""
        scenario = self.card.scenario
        relents = bool(scenario.relents_after) and self.declines >= scenario.relents_after
        return "" if relents else scenario.later


def ensure(world: World, wanted: Customer) -> Customer:
    """Find the customer of this account and reference, or make them; what is said now replaces the old."""
    for known in world.store.all(Customer, Query(account=wanted.account, reference=wanted.reference)):
        known.email, known.name = wanted.email or known.email, wanted.name or known.name
        world.store.update(known)
        return known
    world.store.insert(wanted)
    return wanted


def find(world: World, identity: str, account: str | None = None) -> Customer:
    """Read a customer; another account's looks like none."""
    customer = world.store.get(Customer, identity, account)
    if customer is None:
        raise missing("customer")
    return customer


def methods(world: World, customer: Customer) -> list[Method]:
    """List what is kept: first what they want used, then the newest."""
    kept = world.store.all(Method, Query(parent=customer.id))[::-1]
    return sorted(kept, key=lambda method: method.id != customer.payment_method)


def keep(world: World, customer: Customer, card: cards.Card) -> Method:
    """Keep a card, to be used from now on; the same card is kept once. Call inside a transaction."""
    marks = card.last4, card.scenario.name
    same = [one for one in methods(world, customer) if (one.last4, one.scenario) == marks]
    method = same[0] if same else _new(world, customer, card)
    customer.payment_method = method.id
    world.store.update(customer)
    emit(world, "customer.method_saved", customer)
    return method


def _new(world: World, customer: Customer, card: cards.Card) -> Method:
    method = Method(
        id=new_id("pm"),
        account=customer.account,
        reference=customer.reference,
        created_at=world.clock.real(),
        dialect=customer.dialect,
        customer=customer.id,
        brand=card.brand,
        last4=card.last4,
        scenario=card.scenario.name,
    )
    world.store.insert(method)
    return method


def remove(world: World, customer: Customer, method: Method) -> None:
    """Forget a card; what was kept before it is used from now on. Call inside a transaction."""
    world.store.delete(method)
    if customer.payment_method == method.id:
        left = methods(world, customer)
        customer.payment_method = left[0].id if left else None
        world.store.update(customer)
    emit(world, "customer.method_removed", customer)
