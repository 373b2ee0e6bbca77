"""Checkout sessions: an offer to pay that ends once, as complete, expired or cancelled.

One with a customer keeps the card that pays. A card that can be kept, and fails later, pays there once.

Functions that change a session are called inside a transaction, after ``jobs.run_due``.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from sandbox import cards, customers, faults, jobs, money, payments
from sandbox.cards import DECLINES
from sandbox.errors import Refused, invalid, missing
from sandbox.events import emit
from sandbox.store import Record, new_id
from sandbox.world import World

LIFE = timedelta(hours=24)
BANK_SECONDS = 5


class Session(Record):
    """One checkout. ``reference`` is the caller's payment id."""

    KIND: ClassVar[str] = "checkout_session"
    PRIVATE: ClassVar[frozenset[str]] = frozenset(
        {
            *("description", "customer_email", "success_url", "cancel_url", "challenge", "bank", "skew"),
            *("attempted_at", "lasting", "asked"),
        }
    )

    status: Literal["open", "complete", "expired", "cancelled"] = "open"
    payment_status: Literal["unpaid", "processing", "paid", "failed"] = "unpaid"
    amount: int
    currency: str
    amount_captured: int = 0
    currency_captured: str | None = None
    url: str
    payment: str | None = None
    customer: str | None = None
    """Who pays; what they pay with is kept for charges without them."""
    last_error: dict[str, str] | None = None
    mode: Literal["test"] = "test"
    metadata: dict[str, str]
    expires_at: datetime
    description: str | None
    customer_email: str | None
    success_url: str | None
    cancel_url: str | None
    challenge: str | None = None
    """The last four digits of a card that waits for its holder's approval."""
    bank: tuple[str, str] | None = None
    """Last four digits and scenario of a bank payment under way."""
    skew: tuple[str, ...] = ()
    """Faults met before the capture that change what it will take."""
    attempted_at: datetime | None = None
    """When the payer first did something."""
    lasting: bool = False
    """Whether a payer who walks away may come back."""
    asked: dict[str, Any] = Field(default_factory=dict)
    """What a face must remember of the caller's order, in its own words; nobody else reads it."""


def open_session(world: World, session: Session) -> Session:
    """Offer a payment. Its life is counted on the sandbox's clock, from the caller's (real) time."""
    money.check(session.amount, session.currency)
    life = session.expires_at - world.clock.real()
    if life <= timedelta():
        raise invalid("expires_at is in the past", "expires_at_invalid")
    session.skew = faults.skew()
    world.store.insert(session)
    jobs.put_off(world, "checkout.expire", session.id, life)
    return session


def new_session_id(prefix: str = "cs") -> str:
    """Make the id that the page's address needs before the session is stored."""
    return new_id(prefix)


def find(world: World, identity: str, account: str | None = None) -> Session:
    """Read a session; another account's looks like none."""
    session = world.store.get(Session, identity, account)
    if session is None:
        raise missing("checkout session")
    return session


def expire(world: World, session: Session) -> Session:
    """Withdraw the offer; safe to repeat."""
    if session.status == "complete":
        raise Refused(409, "session_complete", "this session was paid or is being paid")
    if session.status == "cancelled":
        raise Refused(409, "session_cancelled", "the payer gave this session up")
    if session.status == "open":
        _end(world, session, "expired")
    return session


def give_up(world: World, session: Session) -> None:
    """Let the payer walk away: for good, unless the session outlasts that."""
    if not session.lasting:
        _acted(world, session)
        _end(world, session, "cancelled")


def attempt(world: World, session: Session, card: cards.Card) -> None:
    """Try to pay an open session with a card. A decline leaves it open."""
    scenario = card.scenario
    session.challenge = None
    _acted(world, session)
    if scenario.outcome == "decline" and not (session.customer and card.keepable):
        decline(world, session, scenario.decline)
    elif scenario.outcome == "challenge":
        session.challenge = card.last4
        world.store.update(session)
    elif scenario.outcome == "bank":
        session.status, session.payment_status = "complete", "processing"
        session.bank, session.skew = (card.last4, scenario.name), session.skew + faults.skew()
        _leave_open(world, session, "checkout.processing")
        jobs.put_off(world, "checkout.bank_answers", session.id, world.scaled(BANK_SECONDS))
    else:
        _capture(world, session, card)


def answer_challenge(world: World, session: Session, *, approved: bool) -> None:
    """Let the cardholder approve or refuse the payment that waits for them."""
    if session.challenge is None:
        raise Refused(409, "no_challenge", "no card of this session waits for approval")
    card = cards.approved(session.challenge)
    session.challenge = None
    if approved:
        _capture(world, session, card)
    else:
        decline(world, session, cards.REFUSED_BY_PAYER.decline)


def decline(world: World, session: Session, code: str) -> None:
    """Record an attempt that failed; the session stays open."""
    _acted(world, session)
    session.last_error = {"code": code, "message": DECLINES[code]}
    world.store.update(session)
    emit(world, "payment.attempt_failed", session)


def overtake(world: World, session: Session) -> None:
    """Let something true be told before the answer that opens a session is out, where a fault asks for it."""
    if any(rule.fault == "beforeAnswer" for rule in faults.HITS.get()):
        decline(world, session, "card_declined")


def _acted(world: World, session: Session) -> None:
    session.attempted_at = session.attempted_at or world.clock.real()


def _capture(world: World, session: Session, card: cards.Card) -> None:
    # Every caller has checked, under the write lock, that nothing was captured before: say so again here.
    if session.payment is not None:
        raise AssertionError("a session captures once")
    amount, currency = faults.skewed(session.amount, session.currency, session.skew + faults.skew())
    payment = payments.capture(world, of=session, amount=amount, currency=currency, card=card)
    session.status, session.payment_status = "complete", "paid"
    session.payment, session.amount_captured, session.currency_captured = payment.id, amount, currency
    session.last_error = None
    _leave_open(world, session, "checkout.completed")
    if session.customer and card.keepable:
        customers.keep(world, customers.find(world, session.customer, session.account), card)


def _end(world: World, session: Session, status: Literal["expired", "cancelled"]) -> None:
    session.status, session.challenge = status, None
    _leave_open(world, session, f"checkout.{status}")


def _leave_open(world: World, session: Session, event: str) -> None:
    world.store.update(session)
    jobs.forget(world, "checkout.expire", session.id)
    emit(world, event, session)


@jobs.handles("checkout.expire")
def _time_is_up(world: World, session_id: str) -> None:
    session = world.store.get(Session, session_id)
    if session is not None and session.status == "open":
        expire(world, session)


@jobs.handles("checkout.bank_answers")
def _bank_answers(world: World, session_id: str) -> None:
    session = world.store.get(Session, session_id)
    if session is None or session.payment_status != "processing" or session.bank is None:
        return
    card = cards.remembered(*session.bank)
    if not card.scenario.decline:
        _capture(world, session, card)
        return
    session.payment_status = "failed"
    session.last_error = {"code": card.scenario.decline, "message": DECLINES[card.scenario.decline]}
    _leave_open(world, session, "checkout.failed")
