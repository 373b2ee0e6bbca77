"""What lines come to: nothing is ever negative, and no unit is lost between lines, tax and credit."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import Period
from domain.invoice import Line, LineKind, Tax, Totals, tax_within, totals

START = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY = Period(start=START, end=START + timedelta(days=31))
AMOUNTS = st.lists(st.integers(-(10**11), 10**11), max_size=6)
CREDITS = st.integers(0, 10**12)
TAXES = st.builds(Tax, rate_basis_points=st.integers(0, 10_000), inclusive=st.booleans())


def lines(amounts: list[int]) -> tuple[Line, ...]:
    return tuple(
        Line(
            kind=LineKind.UNUSED if amount < 0 else LineKind.PERIOD,
            plan_name="Pro",
            price_id="prc_1",
            quantity=1,
            unit_minor=abs(amount),
            amount_minor=amount,
            period=JANUARY,
        )
        for amount in amounts
    )


def come_to(amounts: list[int], tax: Tax, credit: int = 0) -> Totals:
    return totals(lines(amounts), tax, credit)


@pytest.mark.parametrize(
    ("tax", "subtotal", "taxed", "total"),
    [
        (Tax(rate_basis_points=2700, inclusive=True), 12_700, 2_700, 12_700),
        (Tax(rate_basis_points=2700, inclusive=False), 10_000, 2_700, 12_700),
        (Tax(), 12_700, 0, 12_700),
        (Tax(rate_basis_points=10_000, inclusive=True), 1, 1, 1),
        (Tax(rate_basis_points=5_000, inclusive=False), 1, 1, 2),
    ],
)
def test_a_rate_is_in_the_price_or_on_top_of_it(tax: Tax, subtotal: int, taxed: int, total: int) -> None:
    said = come_to([subtotal], tax)
    assert (said.subtotal_minor, said.tax_minor, said.total_minor) == (subtotal, taxed, total)


def test_a_credit_is_used_as_far_as_there_is_something_to_pay() -> None:
    said = come_to([500], Tax(), credit=800)
    assert (said.total_minor, said.credit_applied_minor, said.amount_due_minor) == (500, 500, 0)


def test_what_comes_to_less_than_nothing_is_credited_with_its_tax() -> None:
    said = come_to([1_000, -3_000], Tax(rate_basis_points=2700, inclusive=False), credit=100)
    assert (said.total_minor, said.credited_minor) == (0, 2_540)
    assert (said.credit_applied_minor, said.amount_due_minor) == (0, 0)


@given(AMOUNTS, TAXES, CREDITS)
def test_only_subtotal_and_tax_may_be_negative(amounts: list[int], tax: Tax, credit: int) -> None:
    said = come_to(amounts, tax, credit)
    parts = (said.total_minor, said.credited_minor, said.credit_applied_minor, said.amount_due_minor)
    assert min(parts) >= 0


@given(AMOUNTS, TAXES, CREDITS)
def test_total_less_credit_is_due_and_all_credit_that_fits_is_used(
    amounts: list[int], tax: Tax, credit: int
) -> None:
    said = come_to(amounts, tax, credit)
    assert said.total_minor - said.credit_applied_minor == said.amount_due_minor
    assert said.credit_applied_minor == min(credit, said.total_minor)


@given(AMOUNTS, TAXES, CREDITS)
def test_total_and_credited_are_what_the_lines_say(amounts: list[int], tax: Tax, credit: int) -> None:
    said = come_to(amounts, tax, credit)
    gross = sum(amounts) if tax.inclusive else sum(amounts) + said.tax_minor
    assert said.subtotal_minor == sum(amounts)
    assert said.total_minor - said.credited_minor == gross
    assert 0 in (said.total_minor, said.credited_minor)


@given(AMOUNTS, TAXES)
def test_a_tax_is_right_to_half_a_unit(amounts: list[int], tax: Tax) -> None:
    rate = Fraction(tax.rate_basis_points, 10_000)
    exact = sum(amounts) * (rate / (1 + rate) if tax.inclusive else rate)
    assert abs(come_to(amounts, tax).tax_minor - exact) <= Fraction(1, 2)


@given(AMOUNTS, TAXES)
def test_a_credit_mirrors_its_charge(amounts: list[int], tax: Tax) -> None:
    charge, credit = come_to(amounts, tax), come_to([-amount for amount in amounts], tax)
    assert (credit.subtotal_minor, credit.tax_minor) == (-charge.subtotal_minor, -charge.tax_minor)
    assert (credit.total_minor, credit.credited_minor) == (charge.credited_minor, charge.total_minor)


@given(AMOUNTS, TAXES, CREDITS)
def test_what_was_credited_pays_for_the_same_again(amounts: list[int], tax: Tax, credit: int) -> None:
    given_back = come_to([-amount for amount in amounts], tax).credited_minor
    assert come_to(amounts, tax, credit + given_back).amount_due_minor <= come_to(amounts, tax).credited_minor


@given(AMOUNTS, TAXES)
def test_whoever_gets_all_back_gets_all_of_the_tax_back(amounts: list[int], tax: Tax) -> None:
    said = come_to(amounts, tax)
    assert tax_within(said.total_minor - said.credited_minor, tax) == said.tax_minor
