"""Any life of a subscription: whatever is wished, paid and refused, in any order, these things hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.billing import TRANSITIONS, Access, AfterDunning, access
from domain.billing import SubscriptionStatus as S
from domain.calendar import Interval
from domain.changes import Proration, change
from domain.dunning import RETRIED_ON
from domain.errors import IllegalTransition, ValidationFailed
from domain.invoice import Invoice, InvoiceStatus, LineKind
from domain.lifecycle import cancel, due, pause, resume
from domain.standing import Step, Terms
from tests.domain.living import Card, Life, terms, unborn

BEGINNINGS = st.sampled_from(
    [
        datetime(2026, 1, 31, 9, tzinfo=UTC),
        datetime(2028, 2, 29, 23, 30, tzinfo=UTC),
        datetime(2026, 9, 25, 0, 30, tzinfo=UTC),
    ]
)
AMOUNTS = st.sampled_from([0, 999, 999, 30_000])
MONTHLY = st.sampled_from([Interval.MONTH, Interval.MONTH, Interval.YEAR])
TERMS = st.builds(terms, AMOUNTS, MONTHLY, st.integers(1, 3))
CARDS = st.sampled_from(Card)
Beginning = tuple[datetime, Terms, int, AfterDunning, bool]
BEGINNING = st.tuples(
    BEGINNINGS,
    TERMS,
    st.sampled_from([0, 0, 2, 14]),
    st.sampled_from(AfterDunning),
    st.sampled_from([*[False] * 4, True]),
)
CHANGES = st.tuples(TERMS, st.sampled_from(Proration), st.sampled_from([None, 0, 12, 24 * 7]))
DEAREST = 90_000
ENDED = {S.CANCELED, S.INCOMPLETE_EXPIRED}
# More than anything that may come due within the longest leap of time, a renewal each month and all tries.
BUSIEST = 150


def _changed(wanted: Terms, proration: Proration, since: datetime | None, life: Life) -> Step:
    return change(life.sub, wanted, proration, life.now, since)


class Lives(RuleBasedStateMachine):
    """One subscription, in the hands of a subscriber, a tenant, a bank and the time."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.asked = False
        """Whether somebody's wish is being carried out, and not what time brings."""

    @initialize(beginning=BEGINNING)
    def goes_to_a_checkout(self, beginning: Beginning) -> None:
        at, wanted, trial, policy, hesitates = beginning
        price = wanted.price.model_copy(update={"trial_days": trial})
        sub = unborn(at, wanted.model_copy(update={"price": price}), "Europe/Budapest")
        self.life = Life(sub, at, policy, watch=self.seen)
        self.given_first = trial > 0 or wanted.total_minor == 0
        if not hesitates:
            self.life.subscribes()

    # --- What may happen --------------------------------------------------------------------------

    @precondition(lambda self: self.life.status is S.INCOMPLETE)
    @rule(card=CARDS)
    def subscribes(self, card: Card) -> None:
        self.life.card = card
        self.life.subscribes()

    @rule(hours=st.sampled_from([1, 23, 24 * 3, 24 * 8, 24 * 40, 24 * 400]), at_once=st.booleans())
    def time_passes(self, *, hours: int, at_once: bool) -> None:
        self.steps = 0
        waits = self.life.status in {S.UNPAID, S.PAUSED, *ENDED} and not self.life.charging
        charges = len(self.life.charges)
        then = self.life.now + timedelta(hours=hours)
        self.life.pushed(then) if at_once else self.life.until(then)
        if waits:
            assert len(self.life.charges) == charges

    @rule(card=CARDS)
    def the_bank_changes_its_mind(self, card: Card) -> None:
        self.life.card = card

    @rule(card=CARDS)
    def another_card_is_kept(self, card: Card) -> None:
        self.steps = 0
        self.life.put_in(card)

    @rule(slow=st.booleans())
    def nobody_knows_for_a_while(self, *, slow: bool) -> None:
        self.life.slow = slow

    @precondition(lambda self: self.life.charging)
    @rule(card=CARDS)
    def the_bank_answers(self, card: Card) -> None:
        self.life.answered(card)

    @precondition(lambda self: self.life.status is not S.INCOMPLETE)
    @rule(at_period_end=st.sampled_from([True] * 4 + [False]))
    def cancels(self, *, at_period_end: bool) -> None:
        self.wishes(lambda life: cancel(life.sub, life.now, at_period_end=at_period_end))

    @precondition(lambda self: not self.life.on_its_way)
    @rule()
    def pauses(self) -> None:
        self.wishes(lambda life: pause(life.sub, life.now))

    @precondition(lambda self: not self.life.on_its_way)
    @rule()
    def resumes(self) -> None:
        self.wishes(lambda life: resume(life.sub, life.now))

    @rule(chain=st.lists(CHANGES, min_size=1, max_size=4))
    def changes(self, chain: list[tuple[Terms, Proration, int | None]]) -> None:
        for wanted, proration, ago in chain:
            if self.life.on_its_way:
                break
            since = None if ago is None else self.life.now - timedelta(hours=ago)
            self.wishes(partial(_changed, wanted, proration, since))
            self.life.until(self.life.now)

    @precondition(lambda self: self.life.status in ENDED and not self.life.charging)
    @rule(beginning=BEGINNING)
    def comes_back(self, beginning: Beginning) -> None:
        self.goes_to_a_checkout(beginning)

    def wishes(self, wish: Callable[[Life], Step]) -> None:
        self.asked = True
        try:
            self.life.do(wish(self.life))
        except (IllegalTransition, ValidationFailed):
            # The only two ways of saying no.
            pass
        finally:
            self.asked = False

    # --- What holds -------------------------------------------------------------------------------

    def seen(self, step: Step) -> None:
        """Of each step, before it is written down."""
        self.steps += 1
        assert self.steps < BUSIEST, "it goes round in circles"
        before, after = self.life.sub, step.after
        assert after.status is before.status or after.status in TRANSITIONS[before.status]
        if step.charge or step.bill:
            assert not self.life.on_its_way
            assert after.status not in ENDED
            # Nobody is charged in a pause, but for its end.
            assert after.paused_at is None
            # Nor after a cancel, but for what they wish themselves.
            assert self.asked or not after.cancel_at_period_end

    @property
    def standing(self) -> list[Invoice]:
        """All that count: what is void is part of another, or was never owed."""
        kept = [invoice for invoice in self.life.closed if invoice.status is not InvoiceStatus.VOID]
        return kept if self.life.pending is None else [*kept, self.life.pending]

    @invariant()
    def credit_is_conserved(self) -> None:
        made = sum(each.totals.credited_minor - each.totals.credit_applied_minor for each in self.standing)
        assert self.life.sub.credit_minor == made
        assert self.life.sub.credit_minor >= 0

    @invariant()
    def nobody_holds_more_than_they_paid(self) -> None:
        paid = self.life.invoices(InvoiceStatus.PAID)
        assert self.life.sub.credit_minor <= sum(each.totals.amount_due_minor for each in paid)

    @invariant()
    def nothing_is_charged_twice(self) -> None:
        lines = [line for invoice in self.standing for line in invoice.lines]
        begun = [line.period.start for line in lines if line.kind is LineKind.PERIOD]
        assert begun == sorted(begun)
        # A year is charged in a month's place at most; each change may round by one.
        assert sum(line.amount_minor for line in lines) <= DEAREST * (
            len(set(begun)) + self.given_first
        ) + len(lines)

    @invariant()
    def who_never_paid_has_no_access(self) -> None:
        if access(self.life.status) is not Access.NONE:
            assert self.given_first or self.life.charges

    @invariant()
    def who_pays_is_never_past_due(self) -> None:
        if S.PAST_DUE in self.life.statuses:
            assert any(card is not Card.GOOD for _, card in self.life.charges)

    @invariant()
    def nothing_is_overdue(self) -> None:
        life = self.life
        if life.on_its_way:
            return
        life.until(life.now)
        if life.on_its_way:
            return
        at = due(life.sub)
        assert at is None or at > life.now
        if life.status is S.PAST_DUE:
            assert life.sub.dunning_since is not None
            assert life.now < life.sub.dunning_since + RETRIED_ON[-1]
            assert life.pending is not None
        if life.status in {S.TRIALING, S.ACTIVE, S.PAST_DUE}:
            assert life.sub.period is not None
            assert life.now < life.sub.period.end
        if life.status in {S.TRIALING, S.ACTIVE}:
            assert life.pending is None


def test_whatever_happens_to_a_subscription_the_rules_hold() -> None:
    quick = settings(
        max_examples=200,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        # What is found is told as it was found: making it shorter takes minutes.
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    run_state_machine_as_test(Lives, settings=quick)
