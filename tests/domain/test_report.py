"""Shares, sums that add up to the unit, and a history that misses no change of what comes in."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.billing import AfterDunning
from domain.calendar import Interval
from domain.changes import Proration, change
from domain.errors import IllegalTransition, ValidationFailed
from domain.lifecycle import cancel, due, pause, resume
from domain.report import basis_points, revenue
from domain.standing import Step
from tests.domain.living import Card, Life, begun, terms

E4 = 10_000
NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_a_share_is_rounded_to_the_basis_point_and_of_nothing_there_is_none() -> None:
    assert [basis_points(*share) for share in ((1, 3), (2, 3), (1, 20_000), (1, 20_001), (0, 5), (5, 5))] == [
        *(3333, 6667, 1, 0),
        *(0, 10_000),
    ]
    assert basis_points(0, 0) is None


amounts = st.integers(min_value=0, max_value=10**15)


@given(amounts, st.tuples(amounts, amounts, amounts, amounts, amounts))
def test_movements_add_up_to_the_unit_and_each_is_right_to_the_unit(
    start: int, movements: tuple[int, int, int, int, int]
) -> None:
    told = revenue("HUF", start, movements)
    shown = (told.new, told.reactivated, told.expansion, told.contraction, told.churned)
    up, down = sum(shown[:3]), sum(shown[3:])
    assert told.start + up - down == told.end
    for exact, rounded in zip(movements, shown, strict=True):
        assert abs(exact - rounded * E4) <= E4
        assert exact or rounded == 0


def test_twelve_yearly_prices_bring_one_of_them_a_month() -> None:
    assert revenue("EUR", 12 * (10_000 * E4 // 12), (0, 0, 0, 0, 0)).start == 10_000


# --- Every change of what comes in is told --------------------------------------------------------

OFFERS = [terms(amount, interval) for amount in (0, 1_000, 2_500) for interval in Interval]


def act(dice: Random, life: Life) -> None:
    """Time passes, mostly to where something is due; cards come and go, and people change their minds."""
    # While a charge is on its way, nobody may do anything.
    life.until(life.now)
    one, then = dice.random() < 0.5, due(life.sub) or life.now
    wanted = dice.choice(OFFERS).model_copy(update={"quantity": dice.randint(1, 3)})
    deeds: list[Callable[[], None]] = [
        *(lambda: life.until(max(then, life.now)),) * 6,
        lambda: life.days(dice.randint(0, 9)),
        lambda: life.put_in(dice.choice(list(Card))),
        lambda: life.do(cancel(life.sub, life.now, at_period_end=one)),
        lambda: life.do(pause(life.sub, life.now)),
        lambda: life.do(resume(life.sub, life.now)),
        lambda: life.do(change(life.sub, wanted, dice.choice(list(Proration)), life.now)),
    ]
    with suppress(IllegalTransition, ValidationFailed):
        dice.choice(deeds)()


def test_nothing_changes_what_a_subscription_brings_without_an_event() -> None:
    """In two hundred lives, the same ones each time."""
    for number in range(200):
        dice = Random(number)
        life = begun(NOW, dice.choice([terms(), terms(trial_days=14)]))
        life.policy, life.card = dice.choice(list(AfterDunning)), dice.choice(list(Card))

        def look(step: Step, life: Life = life) -> None:
            assert step.told or step.after.mrr_e4 == life.sub.mrr_e4, (life.sub, step)

        life.watch = look
        for _ in range(15):
            act(dice, life)
