"""A subscription that lives in memory: what is decided about it is carried out on a tiny book of its own.

It does what ``activities.billing`` does with a database, and a card in the place of a company.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.billing import AfterDunning, SubscriptionStatus
from domain.calendar import Interval, Rhythm
from domain.catalog import Price
from domain.errors import IllegalTransition
from domain.invoice import Invoice, InvoiceStatus, Party, Reason, Tax
from domain.invoicing import Heading, credit_after, drawn_up
from domain.lifecycle import due, failed, paid, take, whole_period
from domain.money import Money
from domain.standing import Bill, Step, Subscription, Terms

I = InvoiceStatus  # noqa: E741
S = SubscriptionStatus

HEADING = Heading(issuer=Party(name="Issuer"), recipient=Party(name="Recipient"), tax=Tax())


class Card(StrEnum):
    """What is kept for the subscriber, and what their bank says to it."""

    NONE = "no_method"
    GOOD = "good"
    POOR = "insufficient_funds"
    LOST = "lost_card"


def terms(
    amount_minor: int = 1_000, interval: Interval = Interval.MONTH, seats: int = 1, trial_days: int = 0
) -> Terms:
    price = Price(
        id=f"pri_{amount_minor}_{interval}",
        money=Money(amount_minor=amount_minor, currency="HUF"),
        interval=interval,
        trial_days=trial_days,
        per_seat=True,
    )
    return Terms(plan_id="plan_1", plan_name="Gold", price=price, quantity=seats)


def unborn(at: datetime, wanted: Terms, zone: str = "UTC") -> Subscription:
    """One whose subscriber has just been sent to a checkout."""
    return Subscription(
        id="sub_1",
        tenant_id="ten_1",
        user_id="user_1",
        customer_id="cus_1",
        account_id="acc_1",
        provider="sandbox",
        status=S.INCOMPLETE,
        terms=wanted,
        rhythm=Rhythm(anchor=at, interval=wanted.price.interval, zone=zone),
        sandbox=True,
        begun_at=at,
        created_at=at,
        updated_at=at,
    )


@dataclass
class Life:
    """One subscription, its books, and the card that is charged for it."""

    sub: Subscription
    now: datetime
    policy: AfterDunning = AfterDunning.CANCEL
    card: Card = Card.GOOD
    slow: bool = False
    """Whether nobody can say at once how a charge ends."""
    pending: Invoice | None = None
    closed: list[Invoice] = field(default_factory=list)
    charging: Invoice | None = None
    charges: list[tuple[datetime, str]] = field(default_factory=list)
    """When a card was charged, and how that ended."""
    given_back: int = 0
    told: list[tuple[str, datetime]] = field(default_factory=list)
    statuses: list[SubscriptionStatus] = field(default_factory=list)
    watch: Callable[[Step], None] = lambda _: None

    @property
    def status(self) -> SubscriptionStatus:
        return self.sub.status

    @property
    def on_its_way(self) -> bool:
        """Whether a charge of what is open has begun and not ended."""
        return self.charging is not None and self.pending is not None and self.charging.id == self.pending.id

    @property
    def events(self) -> list[str]:
        return [name for name, _ in self.told]

    @property
    def tried(self) -> list[datetime]:
        return [at for at, _ in self.charges]

    def invoices(self, status: InvoiceStatus) -> list[Invoice]:
        return [invoice for invoice in self.closed if invoice.status is status]

    # --- What happens to it -------------------------------------------------------------------

    def until(self, then: datetime) -> None:
        """Live on until then, each deadline noticed when it comes."""
        while self._on(then):
            pass
        self.now = max(self.now, then)

    def pushed(self, then: datetime) -> None:
        """The clock jumps; whatever should have happened is caught up with."""
        self.now = then
        self.until(then)

    def days(self, days: float) -> None:
        self.until(self.now + timedelta(days=days))

    def put_in(self, card: Card) -> None:
        """Another card is kept, and everybody who may be healed by that is told."""
        self.card = card
        if self.status in {S.TRIALING, S.ACTIVE, S.PAST_DUE, S.UNPAID, S.PAUSED}:
            self.sub = self.sub.model_copy(update={"method_changed": True})
        self.until(self.now)

    def subscribes(self) -> None:
        """Its first payment, at the checkout, or what stands for it when there is nothing to pay."""
        if self.sub.terms.price.trial_days or not self.sub.terms.total_minor:
            self.sub = self.sub.model_copy(update={"set_up_at": self.now})
            self.until(self.now)
            return
        period = self.sub.rhythm.period(0)
        bill = Bill(reason=Reason.START, lines=(whole_period(self.sub.terms, period),), period=period)
        self.pending = self.charging = drawn_up(self.sub, None, bill, HEADING, self.now)
        self.answered(Card.GOOD)

    def answered(self, card: Card) -> None:
        """The bank's word on the charge that is on its way."""
        charged, self.charging = self.charging, None
        assert charged is not None
        self.charges.append((self.now, card))
        wanted = self.pending is not None and self.pending.id == charged.id
        if card is not Card.GOOD:
            if wanted:
                self.do(failed(self.sub, card, self.now, charged.created_at, self.policy))
            return
        try:
            step = paid(self.sub, charged.reason, self.now) if wanted else None
        except IllegalTransition:
            step = None
        if step is None:
            self.given_back += charged.totals.amount_due_minor
            return
        self._close(charged, I.PAID)
        self.do(step)

    def do(self, step: Step) -> None:
        """Write down what was decided, as the database's side does it."""
        self._becomes(step)
        if step.drop is not None and self.pending is not None:
            dropped = self.pending
            self._close(dropped, step.drop)
            if step.drop is I.VOID:
                self._credit(self.sub.credit_minor + dropped.totals.credit_applied_minor)
        if step.bill is not None:
            drawn = drawn_up(self.sub, self.pending, step.bill, HEADING, step.at)
            credit = credit_after(self.sub, self.pending, drawn)
            if self.pending is not None:
                self._close(self.pending, I.VOID)
            self._credit(credit)
            self.pending = drawn
        if step.charge and self.pending is not None:
            self._charge(self.pending, step.at)

    def _on(self, then: datetime) -> bool:
        if self.charging is not None and not self.slow:
            self.answered(self.card)
            return True
        if self.on_its_way:
            return False
        at = due(self.sub)
        if at is None or at > then:
            return False
        self.now = max(self.now, at)
        step = take(self.sub, self.now, self.policy, has_method=self.card is not Card.NONE)
        assert step is not None
        self.do(step)
        return True

    def _charge(self, invoice: Invoice, at: datetime) -> None:
        if invoice.totals.amount_due_minor:
            assert self.charging is None, "another charge is on its way"
            self.charging = invoice
            return
        self._close(invoice, I.PAID)
        self._becomes(paid(self.sub, invoice.reason, at))

    def _becomes(self, step: Step) -> None:
        self.watch(step)
        self.sub = step.after
        self.told += [(name, step.at) for name in step.told]
        if not self.statuses or self.statuses[-1] is not self.status:
            self.statuses.append(self.status)

    def _credit(self, minor: int) -> None:
        self.sub = self.sub.model_copy(update={"credit_minor": minor})

    def _close(self, invoice: Invoice, as_: InvoiceStatus) -> None:
        self.closed.append(invoice.model_copy(update={"status": as_}))
        self.pending = None


def begun(at: datetime, wanted: Terms | None = None, zone: str = "UTC") -> Life:
    """A subscription at the moment its subscriber has paid, or has set a card up for its trial."""
    life = Life(unborn(at, wanted or terms(), zone), at)
    life.subscribes()
    return life
