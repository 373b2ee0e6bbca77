"""A price list in words: what a period is called, what a longer one saves, and what is left out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from console.pricelist import WORDS, PriceList, PriceTag, price_list
from documents.words import Language
from domain.calendar import Interval
from domain.catalog import Feature, Plan, Price
from domain.invoice import Tax
from domain.money import Money
from domain.tenant import Tenant, TenantSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EN, HU = Language.EN, Language.HU
MONTH, YEAR = Interval.MONTH, Interval.YEAR


def price(amount: int, interval: Interval = MONTH, currency: str = "EUR", **facts: Any) -> Price:
    money = Money(amount_minor=amount, currency=currency)
    return Price(id=f"prc_{amount}", money=money, interval=interval, **facts)


def plan(*prices: Price, name: str = "Pro", **facts: Any) -> Plan:
    when = {"created_at": NOW, "updated_at": NOW}
    return Plan(id=f"pln_{name}", tenant_id="ten_1", name=name, prices=prices, **when, **facts)


def listed(*plans: Plan, language: Language = EN, **settings: Any) -> PriceList:
    tenant = Tenant(
        id="ten_1",
        name="Shop",
        app_name="shop",
        contact_email="a@b.hu",
        organization=None,
        sandbox=True,
        suspended=False,
        settings=TenantSettings(**settings),
        created_at=NOW,
    )
    return price_list(tenant, plans, language)


def tags(*prices: Price, language: Language = EN) -> list[PriceTag]:
    (found,) = listed(plan(*prices), language=language).plans
    return found.prices


@pytest.mark.parametrize(
    ("given", "english", "hungarian"),
    [
        (price(1250), "€12.50 per month", "12,50 EUR havonta"),
        (price(499000, currency="HUF"), "HUF 4,990 per month", "4 990 Ft havonta"),
        (price(500, YEAR, "JPY"), "¥500 per year", "500 ¥ évente"),
        (price(900, interval_count=3), "€9.00 every 3 months", "9,00 EUR 3 havonta"),
        (price(900, YEAR, interval_count=2), "€9.00 every 2 years", "9,00 EUR 2 évente"),
        (price(900, per_seat=True), "€9.00 per seat, per month", "9,00 EUR felhasználónként, havonta"),
        (price(0), "Free ", "Ingyenes "),
    ],
)
def test_a_price_reads_as_people_say_it(given: Price, english: str, hungarian: str) -> None:
    for language, said in ((EN, english), (HU, hungarian)):
        (tag,) = tags(given, language=language)
        assert f"{tag.shown} {tag.per or ''}".replace("\u00a0", " ") == said
        assert (tag.amount, tag.currency) == (given.money.amount_minor, given.money.currency)


def test_a_trial_is_counted_in_days() -> None:
    said = [tags(price(900, trial_days=days))[0].trial for days in (0, 1, 14)]
    assert said == [None, "1 day free", "14 days free"]
    assert tags(price(900, trial_days=14), language=HU)[0].trial == "14 nap ingyen"


@pytest.mark.parametrize(
    ("yearly", "saves"), [(10_000, 16), (11_881, None), (11_880, 1), (12_000, None), (13_000, None), (1, 99)]
)
def test_what_a_year_saves_is_rounded_down_and_never_flatters(yearly: int, saves: int | None) -> None:
    monthly, by_year = tags(price(1000), price(yearly, YEAR))
    assert (monthly.saves, by_year.saves) == (None, saves)
    assert by_year.saving == (saves and f"{saves}% less than monthly")


def test_only_what_can_be_compared_is() -> None:
    others = (
        price(10, YEAR, "USD"),
        price(10, YEAR, per_seat=True),
    )
    for other in others:
        assert [tag.saves for tag in tags(price(1000), other)] == [None, None]
    assert tags(price(1000), price(2400, interval_count=3))[1].saves == 20
    assert tags(price(0), price(0, YEAR))[1].saves is None


def test_periods_stand_from_the_shortest_to_the_longest() -> None:
    prices = (price(5, YEAR), price(1), price(3, interval_count=3), price(9, YEAR, interval_count=2))
    said = listed(plan(*prices), language=HU).periods
    assert [period.name for period in said] == ["Havi", "3 havi", "Éves", "2 éves"]
    assert [period.key for period in said] == ["month-1", "month-3", "year-1", "year-2"]


def test_plans_of_a_tier_stand_together_and_those_without_a_price_are_left_out() -> None:
    one = price(1)
    plans = [
        plan(one, name="a", tier="basic"),
        plan(one, name="b"),
        plan(name="c", tier="basic"),
        plan(one, name="d", tier="basic"),
        plan(price(2, superseded_at=NOW), name="e"),
    ]
    assert [each.name for each in listed(*plans).plans] == ["a", "d", "b"]
    chosen = listed(*plans, pricing_plans=("pln_a", "pln_b", "pln_d"))
    assert [each.name for each in chosen.plans] == ["a", "b", "d"]


def test_currencies_are_named_in_the_order_of_the_prices() -> None:
    found = listed(plan(price(1, currency="HUF"), price(2)), plan(price(3, currency="USD"), name="b"))
    assert found.currencies == ["HUF", "EUR", "USD"]
    assert listed().currencies == []


def test_limits_are_of_the_plan_or_of_each_seat() -> None:
    features = (Feature(feature="exports", limit=1500), Feature(feature="sso"))
    said = [line.text for line in listed(plan(price(1), features=features)).plans[0].features]
    assert said == ["up to 1,500", None]
    by_seat = listed(plan(price(1, per_seat=True), features=features), language=HU).plans[0].features
    assert by_seat[0].text == "legfeljebb 1\u00a0500 felhasználónként"


@pytest.mark.parametrize(
    ("tax", "said"),
    [
        (Tax(), None),
        (Tax(rate_basis_points=2700, label="ÁFA"), "Prices include ÁFA (27%)."),
        (Tax(rate_basis_points=750, inclusive=False), "VAT (7.5%) is added to the prices."),
        (Tax(rate_basis_points=100, label="{tax}{0}"), "Prices include {tax}{0} (1%)."),
    ],
)
def test_what_is_said_of_taxes_is_what_invoices_will_say(tax: Tax, said: str | None) -> None:
    assert listed(plan(price(1)), tax=tax).tax == said


def test_braces_in_other_peoples_names_mean_nothing() -> None:
    assert listed(plan(price(1), name="{plan}{0}%s")).plans[0].choose == "Choose {plan}{0}%s"


def test_both_languages_say_the_same_things() -> None:
    for name in WORDS[EN].__slots__:
        english, hungarian = getattr(WORDS[EN], name), getattr(WORDS[HU], name)
        assert type(english) is type(hungarian)
        assert len(english) == len(hungarian) or isinstance(english, str)
