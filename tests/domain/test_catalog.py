"""Prices: what a period comes to, and how one makes room for another."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from domain.calendar import Interval
from domain.catalog import MOST_KEPT, MOST_OFFERED, Offer, Plan, Price, repriced
from domain.errors import ValidationFailed
from domain.money import CURRENCIES, Money

THEN, NOW = datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC)
numbers = count()


def price(amount: int = 499_000, currency: str = "HUF", **facts: Any) -> Price:
    """A price by the month, with a name nobody else has."""
    money = Money(amount_minor=amount, currency=currency)
    return Price(**({"id": f"prc_{next(numbers)}", "money": money, "interval": Interval.MONTH} | facts))


def test_seats_are_paid_for_each_and_a_flat_price_once() -> None:
    flat = price()
    assert flat.of(7) == flat.money
    assert price(per_seat=True).of(7).amount_minor == 7 * 499_000
    with pytest.raises(ValueError, match="one seat or more"):
        flat.of(0)


def test_a_new_price_takes_the_place_of_the_one_of_its_kind_and_of_no_other() -> None:
    monthly, yearly, euros = price(), price(interval=Interval.YEAR), price(currency="EUR")
    quarterly = price(interval_count=3)
    dearer = price(599_000)
    after = repriced((monthly, yearly, euros, quarterly), (dearer,), NOW)
    assert after == (monthly.model_copy(update={"superseded_at": NOW}), yearly, euros, quarterly, dearer)


@pytest.mark.parametrize(
    "other",
    [
        price(499_001),
        price(trial_days=14),
        price(per_seat=True),
        price(provider_prices={"dodo": "pdt_1"}),
    ],
)
def test_a_price_that_differs_in_anything_is_another(other: Price) -> None:
    first = price()
    assert [each.id for each in repriced((first,), (other,), NOW) if each.superseded_at is None] == [other.id]


def test_a_price_that_is_given_again_is_the_one_there_is() -> None:
    before = (price(), price(currency="EUR"))
    assert repriced(before, (price(currency="EUR"), price()), NOW) == before
    assert repriced(before, (), NOW) == before


def test_who_goes_back_to_an_old_price_gets_a_new_one_and_the_old_one_stays_superseded() -> None:
    old = price(superseded_at=THEN)
    current, again = price(599_000), price()
    after = repriced((old, current), (again,), NOW)
    assert [each.superseded_at for each in after] == [THEN, NOW, None]
    assert after[2] == again


def test_two_prices_of_one_kind_cannot_be_given_at_once() -> None:
    with pytest.raises(ValidationFailed) as refused:
        repriced((), (price(), price(currency="EUR"), price(599_000)), NOW)
    assert [pointer for pointer, _ in refused.value.errors] == ["/prices/2"]


def test_a_plan_offers_so_many_prices_and_keeps_so_many() -> None:
    offered = tuple(price(currency=code) for code in sorted(CURRENCIES)[:MOST_OFFERED])
    another = price(interval=Interval.YEAR)
    assert len(repriced(offered[1:], (another,), NOW)) == MOST_OFFERED
    with pytest.raises(ValidationFailed, match="not acceptable"):
        repriced(offered, (another,), NOW)
    kept = tuple(price(superseded_at=THEN) for _ in range(MOST_KEPT - 1))
    assert len(repriced(kept, (another,), NOW)) == MOST_KEPT
    with pytest.raises(ValidationFailed, match="not acceptable"):
        repriced((*kept, price(superseded_at=THEN)), (another,), NOW)


@pytest.mark.parametrize(
    ("active", "superseded_at", "offered"), [(True, None, True), (False, None, False), (True, THEN, False)]
)
def test_somebody_new_gets_the_present_price_of_an_active_plan(
    *, active: bool, superseded_at: datetime | None, offered: bool
) -> None:
    plan = Plan(id="pln_1", tenant_id="ten_1", name="Pro", active=active, created_at=THEN, updated_at=THEN)
    assert Offer(plan=plan, price=price(superseded_at=superseded_at)).offered is offered
