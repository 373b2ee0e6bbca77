"""Setup sessions: a page where a customer leaves a card, and nothing is taken. Each ends once."""

from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from sandbox import cards, customers, jobs
from sandbox.errors import Refused, invalid
from sandbox.events import emit
from sandbox.store import Record
from sandbox.world import World

LIFE: Final = timedelta(hours=24)


class Setup(Record):
    """One offer to keep a card. ``reference`` is the caller's own name for it."""

    KIND: ClassVar[str] = "setup_session"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"success_url", "cancel_url", "challenge"})

    status: Literal["open", "complete", "expired", "cancelled"] = "open"
    customer: str
    payment_method: str | None = None
    url: str
    last_error: dict[str, str] | None = None
    mode: Literal["test"] = "test"
    expires_at: datetime
    success_url: str | None
    cancel_url: str | None
    challenge: str | None = None
    """The last four digits of a card that waits for its holder's approval."""


def open_setup(world: World, setup: Setup) -> Setup:
    """Offer to keep a card. Call inside a transaction."""
    customers.find(world, setup.customer, setup.account)
    life = setup.expires_at - world.clock.real()
    if life <= timedelta():
        raise invalid("expires_at is in the past", "expires_at_invalid")
    world.store.insert(setup)
    jobs.put_off(world, "setup.expire", setup.id, life)
    return setup


def attempt(world: World, setup: Setup, card: cards.Card) -> None:
    """Try to keep a card. One that is declined at once is not kept, and the session stays open."""
    setup.challenge = None
    if not card.keepable:
        _decline(world, setup, card.scenario.decline or "not_keepable")
    elif card.scenario.outcome == "challenge":
        setup.challenge = card.last4
        world.store.update(setup)
    else:
        _keep(world, setup, card)


def answer_challenge(world: World, setup: Setup, *, approved: bool) -> None:
    """Let the cardholder approve or refuse that their card is kept."""
    if setup.challenge is None:
        raise Refused(409, "no_challenge", "no card of this session waits for approval")
    card, setup.challenge = cards.approved(setup.challenge), None
    if approved:
        _keep(world, setup, card)
    else:
        _decline(world, setup, cards.REFUSED_BY_PAYER.decline)


def give_up(world: World, setup: Setup) -> None:
    """Let the customer walk away, for good."""
    _end(world, setup, "cancelled")


def _keep(world: World, setup: Setup, card: cards.Card) -> None:
    customer = customers.find(world, setup.customer, setup.account)
    setup.payment_method, setup.last_error = customers.keep(world, customer, card).id, None
    _end(world, setup, "complete")


def _decline(world: World, setup: Setup, code: str) -> None:
    setup.last_error = {"code": code, "message": cards.DECLINES[code]}
    world.store.update(setup)


def _end(world: World, setup: Setup, status: Literal["complete", "expired", "cancelled"]) -> None:
    setup.status, setup.challenge = status, None
    world.store.update(setup)
    jobs.forget(world, "setup.expire", setup.id)
    if status == "complete":
        emit(world, "setup_session.completed", setup)


@jobs.handles("setup.expire")
def _time_is_up(world: World, setup_id: str) -> None:
    setup = world.store.get(Setup, setup_id)
    if setup is not None and setup.status == "open":
        _end(world, setup, "expired")
