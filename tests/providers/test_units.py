"""Companies count money in their own ways; ours are the minor units of ISO 4217, to the last of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import AmountOutOfRange, CurrencyUnsupported
from domain.money import CURRENCIES, Money, exponent
from providers.base import PROVIDERS
from providers.stripe.units import UNITS as STRIPE
from providers.units import ISO, Units

WHOLE_FORINTS = Units(decimals={"HUF": 0})


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        (1, "HUF", 1),
        (100, "HUF", 100),
        (1_990_000, "HUF", 1_990_000),
        (1_990_050, "HUF", 1_990_050),
        (500, "JPY", 500),
        (5120, "KWD", 5120),
        # Whole ariary to Stripe, hundredths to ISO.
        (50_000, "MGA", 500),
        # Whole krónur and shillings to ISO, hundredths to Stripe.
        (5, "ISK", 500),
        (5, "UGX", 500),
        (1_990_050, "TWD", 1_990_050),
    ],
)
def test_stripe_counts_its_own_way(amount: int, currency: str, units: int) -> None:
    money = Money(amount_minor=amount, currency=currency)
    assert STRIPE.of(money) == units
    assert STRIPE.money(units, currency.lower()) == money


@pytest.mark.parametrize(("amount", "currency"), [(50_001, "MGA"), (5_125, "KWD")])
def test_what_stripe_cannot_express_is_refused_not_rounded(amount: int, currency: str) -> None:
    with pytest.raises(AmountOutOfRange):
        STRIPE.of(Money(amount_minor=amount, currency=currency))


@pytest.mark.parametrize(
    ("least", "currency"), [(17_500, "HUF"), (50, "EUR"), (30, "GBP"), (50, "JPY"), (10, "KWD")]
)
def test_stripe_takes_its_least_amount_and_no_less(least: int, currency: str) -> None:
    STRIPE.check(Money(amount_minor=least, currency=currency))
    with pytest.raises(AmountOutOfRange):
        STRIPE.check(Money(amount_minor=least - 1, currency=currency))


def test_a_currency_that_nobody_can_be_charged_in_is_refused() -> None:
    with pytest.raises(CurrencyUnsupported):
        STRIPE.of(Money(amount_minor=100, currency="KPW"))


def test_a_part_of_a_whole_unit_is_no_money_of_ours() -> None:
    with pytest.raises(ValueError, match="fraction"):
        STRIPE.money(550, "isk")
    with pytest.raises(ValueError, match="currency"):
        STRIPE.money(550, "points")


def test_a_company_that_knows_whole_forints_only_is_told_no_others() -> None:
    assert WHOLE_FORINTS.of(Money(amount_minor=1_990_000, currency="HUF")) == 19_900
    assert WHOLE_FORINTS.money(19_900, "HUF") == Money(amount_minor=1_990_000, currency="HUF")
    for amount in (1, 1_990_050):
        with pytest.raises(AmountOutOfRange):
            WHOLE_FORINTS.of(Money(amount_minor=amount, currency="HUF"))


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(min_value=0, max_value=10**12))
def test_every_amount_that_is_taken_comes_back_as_it_was(currency: str, amount: int) -> None:
    money = Money(amount_minor=amount, currency=currency)
    for units in (ISO, WHOLE_FORINTS, *(provider.units for provider in PROVIDERS.values())):
        try:
            counted = units.of(money)
        except (AmountOutOfRange, CurrencyUnsupported):
            continue
        assert units.money(counted, currency.lower()) == money


@given(st.sampled_from(sorted(STRIPE.currencies)), st.integers(min_value=0, max_value=10**10))
def test_every_whole_unit_of_every_currency_can_be_told_to_stripe(currency: str, whole: int) -> None:
    money = Money(amount_minor=whole * 10 ** exponent(currency), currency=currency)
    assert STRIPE.money(STRIPE.of(money), currency) == money
