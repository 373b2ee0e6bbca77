"""Subscriptions whose schedule Dodo Payments runs: begun at a checkout, renewed by the sandbox's clock.

A bill is a checkout session that nobody visits: its payment is read, listed and refunded like any other.
Subscriptions are told of in the sandbox's time, which can be pushed forward; their bills in the real one.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from sandbox import cards, checkout, customers, jobs
from sandbox.checkout import Session
from sandbox.customers import Customer
from sandbox.errors import Refused
from sandbox.events import emit, follows
from sandbox.faces.dodo_products import LEAST, Plan, plan
from sandbox.setups import Setup
from sandbox.store import Query, Record
from sandbox.world import World

NAME: Final = "dodo"
_RENEW: Final = "dodo.subscription.renew"
_ENDED: Final = frozenset({"cancelled", "expired", "failed"})


class Subscription(Record):
    """One subscription. ``reference`` is the caller's own name for it."""

    KIND: ClassVar[str] = "dodo_subscription"

    status: Literal["pending", "active", "on_hold", "cancelled"] = "pending"
    customer: str
    product: str
    quantity: int
    trial_days: int
    metadata: dict[str, str]
    billing: dict[str, Any]
    begun_at: datetime | None = None
    """From when its periods count."""
    periods: int = 0
    """How many of them are over, or under way."""
    since: datetime
    """When the present period began, on the sandbox's clock."""
    until: datetime
    cancel_at_next: bool = False
    cancelled_at: datetime | None = None

    @property
    def parent(self) -> str:
        """Hang from the customer."""
        return self.customer

    @property
    def plan(self) -> Plan:
        """Read what is subscribed to."""
        found = plan(self.product)
        if found is None:
            raise AssertionError("only what is a subscription is subscribed to")
        return found

    @property
    def price(self) -> int:
        """Say what one period costs."""
        return self.plan.amount * self.quantity


# --- Beginning ------------------------------------------------------------------------------------------


@follows("checkout.completed")
def _paid(world: World, session: Record) -> None:
    """Begin what the first payment was for."""
    if isinstance(session, Session) and session.dialect == NAME:
        subscription = world.store.get(Subscription, session.asked.get("subscription", ""))
        if subscription is not None and subscription.status == "pending":
            _begin(world, subscription)


@follows("customer.method_saved")
def _kept(world: World, customer: Record) -> None:
    """Begin what waits for a card alone, and try once more what one had failed."""
    if not isinstance(customer, Customer) or customer.dialect != NAME:
        return
    for subscription in world.store.all(Subscription, Query(parent=customer.id)):
        if subscription.status == "pending" and subscription.trial_days:
            _begin(world, subscription)
        elif subscription.status == "on_hold" and bill(world, subscription, subscription.price):
            subscription.status = "active"
            _next_period(world, subscription)
            _told(world, subscription, "active")


def _begin(world: World, subscription: Subscription) -> None:
    now = world.clock.now()
    subscription.status, subscription.since = "active", now
    if subscription.trial_days:
        subscription.until = now + timedelta(days=subscription.trial_days)
        subscription.begun_at = subscription.until
    else:
        subscription.begun_at, subscription.periods = now, 1
        subscription.until = subscription.plan.over(now, 1)
    _renew_when_due(world, subscription)
    _told(world, subscription, "active")


# --- Going on -------------------------------------------------------------------------------------------


@jobs.handles(_RENEW)
def _period_is_over(world: World, identity: str) -> None:
    subscription = world.store.get(Subscription, identity)
    if subscription is None or subscription.status != "active":
        return
    if subscription.cancel_at_next:
        _end(world, subscription, subscription.until)
    elif bill(world, subscription, subscription.price):
        _next_period(world, subscription)
        _told(world, subscription, "renewed")
    else:
        subscription.status = "on_hold"
        _told(world, subscription, "on_hold")


def bill(world: World, subscription: Subscription, amount: int) -> bool:
    """Charge the customer without them; say whether the money came."""
    customer, plan = customers.find(world, subscription.customer), subscription.plan
    identity, now = checkout.new_session_id("cks"), world.clock.real()
    session = Session(
        id=identity,
        account=subscription.account,
        reference=subscription.reference,
        created_at=now,
        dialect=NAME,
        amount=amount,
        currency=plan.currency,
        url=f"{world.config.public_url}/pay/{identity}",
        expires_at=now + checkout.LIFE,
        description=plan.identity,
        customer_email=customer.email,
        success_url=None,
        cancel_url=None,
        metadata=subscription.metadata,
        asked=asked_for(subscription, customer) | {"bill": True},
    )
    checkout.open_session(world, session)
    kept = customers.methods(world, customer)
    reason = kept[0].refusal if kept else "card_declined"
    if not reason:
        card = kept[0].card
        willing = card if card.scenario.outcome == "succeed" else cards.Card(card.last4, cards.SUCCESS)
        checkout.attempt(world, session, willing)
        return session.payment is not None
    for method in kept[:1]:
        method.declines += 1
        world.store.update(method)
    # Only its end is told: nobody can try another card on a bill.
    session.attempted_at = now
    session.last_error = {"code": reason, "message": cards.DECLINES[reason]}
    checkout.expire(world, session)
    return False


def asked_for(subscription: Subscription, customer: Customer) -> dict[str, Any]:
    """Lay out what a session must remember whose payment is for a subscription."""
    item = {
        "product_id": subscription.product,
        "quantity": subscription.quantity,
        "amount": subscription.plan.amount,
    }
    return {
        "cart": [item],
        "customer": who(customer),
        "billing": subscription.billing,
        "subscription": subscription.id,
    }


def who(customer: Customer) -> dict[str, str]:
    """Lay out a customer as payments and subscriptions show them."""
    email = customer.email or "payer@example.com"
    return {"customer_id": customer.id, "email": email, "name": customer.name or email}


# --- Changing and ending --------------------------------------------------------------------------------


def cancel_at_next(world: World, subscription: Subscription, *, wanted: bool) -> None:
    """End with the period that is paid for, or go on after all."""
    _still(subscription)
    if subscription.cancel_at_next is not wanted:
        subscription.cancel_at_next = wanted
        _told(world, subscription, "updated")


def cancel(world: World, subscription: Subscription) -> None:
    """End at once. Nothing is given back."""
    _still(subscription)
    _end(world, subscription, world.clock.now())


def change(world: World, subscription: Subscription, to: Plan, quantity: int, *, prorated: bool) -> None:
    """Change the plan; the period goes on. A difference not paid prevents it, and none is credited."""
    _still(subscription)
    if subscription.status != "active":
        raise Refused(409, "SUBSCRIPTION_NOT_ACTIVE", "only an active subscription changes its plan")
    if to.currency != subscription.plan.currency:
        raise Refused(422, "unprocessable_entity", "the other plan is sold in other money")
    due = _difference(world, subscription, to.amount * quantity) if prorated else 0
    if due >= LEAST.get(to.currency, 1) and not bill(world, subscription, due):
        return
    subscription.product, subscription.quantity = to.identity, quantity
    _told(world, subscription, "plan_changed")


def _difference(world: World, subscription: Subscription, price: int) -> int:
    whole = subscription.until - subscription.since
    left = max(subscription.until - world.clock.now(), timedelta())
    return (
        max(0, price - subscription.price) * (left // timedelta(seconds=1)) // (whole // timedelta(seconds=1))
    )


def _still(subscription: Subscription) -> None:
    if subscription.status in _ENDED:
        raise Refused(422, "SUBSCRIPTION_INACTIVE", "this subscription has ended")


def _end(world: World, subscription: Subscription, at: datetime) -> None:
    subscription.status, subscription.cancelled_at = "cancelled", at
    jobs.forget(world, _RENEW, subscription.id)
    _told(world, subscription, "cancelled")


def _next_period(world: World, subscription: Subscription) -> None:
    subscription.periods += 1
    subscription.since = subscription.until
    begun = subscription.begun_at or subscription.until
    subscription.until = subscription.plan.over(begun, subscription.periods)
    _renew_when_due(world, subscription)


def _renew_when_due(world: World, subscription: Subscription) -> None:
    jobs.forget(world, _RENEW, subscription.id)
    jobs.put_off(world, _RENEW, subscription.id, subscription.until - world.clock.now())


def _told(world: World, subscription: Subscription, what: str) -> None:
    world.store.update(subscription)
    emit(world, f"subscription.{what}", subscription)


def offer(world: World, subscription: Subscription, customer: Customer, session: Session) -> str:
    """Open the page where it begins, and give its address: it takes the price, or for a trial only a card."""
    world.store.insert(subscription)
    if not subscription.trial_days:
        checkout.open_session(world, session)
        return session.url
    setup = Setup(
        id=session.id,
        account=session.account,
        reference=session.reference,
        created_at=session.created_at,
        dialect=NAME,
        customer=customer.id,
        url=f"{world.config.public_url}/setup/{session.id}",
        expires_at=session.expires_at,
        success_url=session.success_url,
        cancel_url=session.cancel_url,
    )
    world.store.insert(setup)
    return setup.url
