"""Any chain of changes costs what its previews said, and no minor unit is lost or made on the way."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing import AfterDunning, SubscriptionStatus
from domain.calendar import Interval, Rhythm
from domain.catalog import Price
from domain.changes import Proration, change, counts_from
from domain.errors import IllegalTransition, ValidationFailed
from domain.invoice import Invoice, InvoiceStatus, Party, Reason, Tax
from domain.invoicing import Heading, credit_after, drawn_up
from domain.lifecycle import begun, cancel, failed, paid, pause, resume, take, whole_period
from domain.money import Money
from domain.standing import Bill, Step, Subscription, Terms

NOW = datetime(2027, 1, 31, 9, 30, 15, 123_456, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOBODY = Party(name="Nobody")
S = SubscriptionStatus
LIVE = {InvoiceStatus.OPEN, InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE}


def price(amount: int, interval: Interval = Interval.MONTH, **facts: Any) -> Price:
    money = Money(amount_minor=amount, currency="HUF")
    return Price(id=f"prc_{amount}_{interval}", money=money, interval=interval, per_seat=True, **facts)


def terms(of: Price, quantity: int = 1) -> Terms:
    return Terms(plan_id="pln", plan_name="Pro", price=of, quantity=quantity)


def subscription(of: Terms, **facts: Any) -> Subscription:
    return Subscription(
        id="sub",
        tenant_id="ten",
        user_id="anna",
        customer_id="cus",
        account_id="acc",
        provider="sandbox",
        status=S.INCOMPLETE,
        terms=of,
        rhythm=Rhythm(anchor=NOW, interval=of.price.interval, count=of.price.interval_count),
        sandbox=True,
        begun_at=NOW,
        created_at=NOW,
        updated_at=NOW,
        **facts,
    )


@dataclass
class Life:
    """A subscription with its invoices, as storage would keep them; nothing else is played."""

    sub: Subscription
    tax: Tax
    now: datetime = NOW
    invoices: list[Invoice] = field(default_factory=list)

    @classmethod
    def of(cls, first: Terms, tax: Tax | None = None) -> "Life":
        """Begun: tried out, or paid for."""
        life = cls(subscription(first), tax or Tax())
        if first.price.trial_days:
            life.sub = life.sub.model_copy(update={"set_up_at": NOW})
            life.do(take(life.sub, NOW, AfterDunning.CANCEL))
            return life
        life.do(begun(life.sub, NOW))
        period = life.sub.rhythm.period(0)
        bill = Bill(reason=Reason.START, lines=(whole_period(first, period),), period=period)
        life.do(Step(after=life.sub, at=NOW, bill=bill))
        if life.open is not None:
            life.settle(InvoiceStatus.PAID)
        return life

    @property
    def heading(self) -> Heading:
        return Heading(issuer=NOBODY, recipient=NOBODY, tax=self.tax)

    @property
    def open(self) -> Invoice | None:
        still = [invoice for invoice in self.invoices if invoice.status is InvoiceStatus.OPEN]
        assert len(still) <= 1
        return still[0] if still else None

    def preview(self, to: Terms, proration: Proration) -> tuple[Invoice | None, datetime]:
        """What a change would invoice, and from when on it counts, as it is told: to the millisecond."""
        step = change(self.sub, to, proration, self.now)
        told = counts_from(self.sub, self.now)
        told = told.replace(microsecond=told.microsecond // 1000 * 1000)
        if step.bill is None:
            return None, told
        return drawn_up(step.after, self.open, step.bill, self.heading, self.now), told

    def change(
        self, to: Terms, proration: Proration = Proration.PRORATE, since: datetime | None = None
    ) -> Invoice | None:
        step = change(self.sub, to, proration, self.now, since)
        self.do(step)
        return self.invoices[-1] if step.bill else None

    def do(self, step: Step | None) -> None:
        assert step is not None
        open_, self.sub = self.open, step.after
        if step.drop is not None and open_ is not None:
            self.settle(step.drop)
            if step.drop is InvoiceStatus.VOID:
                self.credit(open_.totals.credit_applied_minor)
        if step.bill is not None:
            drawn = drawn_up(self.sub, open_, step.bill, self.heading, step.at)
            if open_ is not None:
                self.settle(InvoiceStatus.VOID)
            held = credit_after(self.sub, open_, drawn)
            self.sub = self.sub.model_copy(update={"credit_minor": held})
            self.invoices.append(drawn)
            if drawn.totals.amount_due_minor == 0:
                self.pay()

    def settle(self, to: InvoiceStatus) -> None:
        open_ = self.open
        assert open_ is not None
        place = self.invoices.index(open_)
        self.invoices[place] = open_.model_copy(update={"status": to})

    def credit(self, amount: int) -> None:
        self.sub = self.sub.model_copy(update={"credit_minor": self.sub.credit_minor + amount})

    def pay(self) -> None:
        """The open invoice is paid, if there is one."""
        open_ = self.open
        if open_ is not None:
            self.settle(InvoiceStatus.PAID)
            self.do(paid(self.sub, open_.reason, self.now))

    def decline(self, code: str) -> None:
        open_ = self.open
        if open_ is not None:
            self.do(failed(self.sub, code, self.now, open_.created_at, AfterDunning.UNPAID))

    def pass_time(self, by: timedelta, *, declines: str | None) -> None:
        """All that falls due until then, each charge with the same luck."""
        until = self.now + by
        while (step := take(self.sub, until, AfterDunning.UNPAID)) is not None:
            self.now = max(self.now, step.at)
            self.do(step)
            if step.charge and declines is None:
                self.pay()
            elif step.charge:
                self.decline(declines or "")
        self.now = until

    def pause_for(self, by: timedelta) -> None:
        self.do(pause(self.sub, self.now))
        self.now += by
        self.do(resume(self.sub, self.now))

    def check(self) -> None:
        """What holds at any moment, whatever was done."""
        assert self.open is None or self.open.totals.amount_due_minor > 0
        for invoice in self.invoices:
            sums = invoice.totals
            assert min(sums.total_minor, sums.amount_due_minor, sums.credited_minor) >= 0
            assert sums.total_minor - sums.credit_applied_minor == sums.amount_due_minor
        live = [invoice.totals for invoice in self.invoices if invoice.status in LIVE]
        given = sum(sums.credited_minor for sums in live)
        assert self.sub.credit_minor == given - sum(sums.credit_applied_minor for sums in live) >= 0


PRICES = [price(199_000), price(499_000), price(0), price(4_990_000, Interval.YEAR), price(100)]
CODES = st.sampled_from([None, None, "insufficient_funds", "stolen_card"])
DEEDS = st.one_of(
    st.tuples(
        st.just("change"),
        st.builds(terms, st.sampled_from(PRICES), st.integers(1, 5)),
        st.sampled_from(Proration),
    ),
    st.tuples(st.just("time"), st.integers(0, 45 * 24 * 60).map(lambda m: timedelta(minutes=m)), CODES),
    st.tuples(st.sampled_from(["cancel", "resume", "pause", "card"]), st.none(), st.none()),
)
TAXES = st.builds(Tax, rate_basis_points=st.sampled_from([0, 500, 2700]), inclusive=st.booleans())


def act(life: Life, deed: str, what: Any, how: Any) -> None:
    match deed:
        case "time":
            life.pass_time(what, declines=how)
        case "cancel":
            life.do(cancel(life.sub, life.now, at_period_end=True))
        case "resume":
            life.do(resume(life.sub, life.now))
        case "pause":
            life.do(pause(life.sub, life.now))
        case "card":
            life.pay()
        case _:
            announced, since = life.preview(what, how)
            life.now += timedelta(minutes=7)
            made = life.change(what, how, since)
            assert (made is None) is (announced is None)
            if made is not None and announced is not None:
                assert made.totals == announced.totals
                assert [line.amount_minor for line in made.lines] == [
                    line.amount_minor for line in announced.lines
                ]
            # The bank has its say, or not yet: one open invoice is all there is in any case.
            if life.sub.status is S.ACTIVE:
                life.pay()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*PRICES, price(199_000, trial_days=14)]), TAXES, st.lists(DEEDS, max_size=14))
def test_any_chain_costs_what_its_previews_say_and_credit_is_neither_lost_nor_made(
    first: Price, tax: Tax, deeds: list[tuple[str, Any, Any]]
) -> None:
    life = Life.of(terms(first), tax)
    for deed in deeds:
        try:
            act(life, *deed)
        except (IllegalTransition, ValidationFailed):
            continue
        life.check()


@given(
    st.lists(st.tuples(st.sampled_from([0, 100, 199_000, 499_000]), st.integers(1, 200)), max_size=8), TAXES
)
def test_a_period_costs_no_less_than_its_cheapest_terms_and_no_more_than_its_dearest(
    chain: list[tuple[int, int]], tax: Tax
) -> None:
    life = Life.of(terms(price(199_000)), tax)
    life.pause_for(DAY)
    assert life.sub.period is not None
    end, prices = life.sub.period.end, [199_000]
    for amount, hours in chain:
        life.now = min(life.now + hours * HOUR, end)
        life.change(terms(price(amount)))
        life.pay()
        prices.append(amount)
    lines = [line.amount_minor for invoice in life.invoices for line in invoice.lines]
    assert min(prices) - len(chain) <= sum(lines) <= max(prices) + len(chain)


def test_there_and_back_within_an_hour_costs_nothing() -> None:
    life = Life.of(terms(price(199_000)))
    life.now += 10 * DAY + HOUR / 3
    life.change(terms(price(499_000), 3))
    life.pay()
    life.now += HOUR / 3
    life.change(terms(price(199_000)))
    assert sum(line.amount_minor for invoice in life.invoices for line in invoice.lines) == 199_000


def test_a_preview_holds_for_the_rest_of_the_hour_and_with_its_date_for_longer() -> None:
    life, dearer = Life.of(terms(price(199_000))), terms(price(499_000))
    life.now += 10 * DAY
    announced, since = life.preview(dearer, Proration.PRORATE)
    for later, wish in ((HOUR - timedelta(milliseconds=1), None), (3 * DAY, since)):
        life.now = NOW + 10 * DAY + later
        step = change(life.sub, dearer, Proration.PRORATE, life.now, wish)
        assert step.bill is not None
        made = drawn_up(step.after, None, step.bill, life.heading, life.now)
        assert announced is not None
        assert made.totals == announced.totals


@pytest.mark.parametrize("since", [NOW + DAY, NOW - DAY])
def test_a_change_counts_from_an_instant_of_the_present_period_that_has_been(since: datetime) -> None:
    life = Life.of(terms(price(199_000)))
    with pytest.raises(ValidationFailed):
        life.change(terms(price(499_000)), since=since)


def test_a_change_while_money_is_owed_asks_for_all_of_it_at_once() -> None:
    life = Life.of(terms(price(199_000)))
    life.pass_time(31 * DAY, declines="insufficient_funds")
    assert life.sub.status is S.PAST_DUE
    owed = life.open
    made = life.change(terms(price(499_000)))
    assert made is not None
    assert owed is not None
    assert made.lines[0] == owed.lines[0]
    life.pay()
    assert (life.sub.status, life.open) == (S.ACTIVE, None)


def test_credit_that_was_set_against_what_is_owed_goes_on_to_what_takes_its_place() -> None:
    life = Life.of(terms(price(499_000)))
    life.change(terms(price(199_000)))
    life.change(terms(price(499_000)))
    life.change(terms(price(400_000)))
    assert life.sub.credit_minor == 99_000
    life.pass_time(31 * DAY, declines="insufficient_funds")
    owed = life.open
    assert owed is not None
    assert (owed.totals.credit_applied_minor, life.sub.credit_minor) == (99_000, 0)
    made = life.change(terms(price(199_000)))
    assert made is not None
    assert (made.totals.credit_applied_minor, life.sub.credit_minor) == (99_000, 0)
    life.check()


def test_a_change_to_less_while_money_is_owed_may_leave_nothing_to_pay() -> None:
    life = Life.of(terms(price(199_000)))
    life.pass_time(28 * DAY + HOUR / 2, declines="insufficient_funds")
    life.change(terms(price(0)))
    assert (life.sub.status, life.open, life.sub.credit_minor) == (S.ACTIVE, None, 0)


def test_a_change_within_a_trial_costs_nothing_and_keeps_its_end() -> None:
    life = Life.of(terms(price(199_000, trial_days=14)))
    end = life.sub.trial_end
    assert life.change(terms(price(4_990_000, Interval.YEAR), 2)) is None
    assert (life.sub.status, life.sub.trial_end) == (S.TRIALING, end)
    life.pass_time(14 * DAY, declines=None)
    assert [invoice.totals.total_minor for invoice in life.invoices] == [9_980_000]


def test_a_change_keeps_the_wish_to_end_it() -> None:
    life = Life.of(terms(price(199_000)))
    life.do(cancel(life.sub, life.now, at_period_end=True))
    life.change(terms(price(4_990_000, Interval.YEAR)))
    assert life.sub.period is not None
    assert life.sub.cancel_at == life.sub.period.end > NOW + 360 * DAY


def test_what_is_to_come_with_the_next_period_costs_nothing_until_then_and_can_be_taken_back() -> None:
    life, before = Life.of(terms(price(199_000))), terms(price(199_000))
    assert life.change(terms(price(499_000), 2), Proration.NEXT_PERIOD) is None
    assert (life.sub.terms, life.sub.pending) == (before, terms(price(499_000), 2))
    life.change(before)
    assert life.sub.pending is None
    life.change(terms(price(499_000), 2), Proration.NEXT_PERIOD)
    life.pass_time(31 * DAY, declines=None)
    assert life.invoices[-1].totals.total_minor == 998_000


def test_a_change_to_what_it_is_makes_nothing() -> None:
    life = Life.of(terms(price(199_000)))
    life.change(terms(price(499_000), 2))
    made = len(life.invoices)
    step = change(life.sub, terms(price(499_000), 2), Proration.PRORATE, life.now)
    assert (step.bill, step.told, len(life.invoices)) == (None, (), made)


def test_only_the_time_that_is_left_is_given_back_after_a_pause() -> None:
    life = Life.of(terms(price(280_000)))
    life.now += 21 * DAY
    life.pause_for(90 * DAY)
    made = life.change(terms(price(0)))
    # The first period is that from 31 January to 28 February.
    assert made is not None
    assert made.totals.credited_minor == 70_000
