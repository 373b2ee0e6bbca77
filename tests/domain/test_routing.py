"""Where a payment goes: the provider it names, else the first rule that covers it, else what is usual."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import Money
from domain.routing import route
from domain.tenant import RoutingRule, TenantSettings

HUF, EUR = Money(amount_minor=1_990_000, currency="HUF"), Money(amount_minor=4_900, currency="EUR")
EVERYWHERE = ("sandbox", "stripe", "dodo")
FORINTS = RoutingRule(currencies=("HUF",), providers=("dodo", "sandbox"))
LARGE = RoutingRule(currencies=("HUF",), min_amount=1_000_000, max_amount=1_990_000, providers=("stripe",))
ALL = RoutingRule(providers=("stripe", "dodo"))
USUAL = {"default_provider": "stripe", "provider_order": ("dodo", "stripe", "sandbox")}


@pytest.mark.parametrize(
    ("settings", "accounts", "money", "named", "way"),
    [
        # Who chose nothing gets the oldest account, and no other.
        ({}, EVERYWHERE, HUF, None, ("sandbox",)),
        ({}, (), HUF, None, ()),
        # The default, then the order.
        (USUAL, EVERYWHERE, HUF, None, ("stripe", "dodo", "sandbox")),
        ({"provider_order": ("dodo",)}, EVERYWHERE, HUF, None, ("dodo",)),
        # What was chosen and has no account any more is not replaced by what was not chosen.
        ({"default_provider": "stripe"}, ("sandbox",), HUF, None, ()),
        # A payment's own word.
        (USUAL | {"routing_rules": (ALL,)}, EVERYWHERE, HUF, "sandbox", ("sandbox",)),
        (USUAL, ("dodo",), HUF, "sandbox", ()),
        # Rules, the first that covers it.
        (USUAL | {"routing_rules": (FORINTS, ALL)}, EVERYWHERE, HUF, None, ("dodo", "sandbox")),
        (USUAL | {"routing_rules": (FORINTS, ALL)}, EVERYWHERE, EUR, None, ("stripe", "dodo")),
        (USUAL | {"routing_rules": (FORINTS,)}, EVERYWHERE, EUR, None, ("stripe", "dodo", "sandbox")),
        (USUAL | {"routing_rules": (LARGE, FORINTS)}, EVERYWHERE, HUF, None, ("stripe",)),
        ({"routing_rules": (FORINTS,)}, ("sandbox", "stripe"), HUF, None, ("sandbox",)),
        # A rule whose providers have no account leads nowhere.
        ({"routing_rules": (LARGE, FORINTS)}, ("sandbox",), HUF, None, ()),
    ],
)
def test_a_payment_goes_where_its_tenant_said(
    settings: dict[str, object],
    accounts: tuple[str, ...],
    money: Money,
    named: str | None,
    way: tuple[str, ...],
) -> None:
    assert route(TenantSettings(**settings), accounts, money, named) == way


@pytest.mark.parametrize(
    ("amount", "covered"),
    [(999_999, False), (1_000_000, True), (1_500_000, True), (1_990_000, True), (1_990_001, False)],
)
def test_both_ends_of_a_range_belong_to_it(amount: int, covered: bool) -> None:  # noqa: FBT001
    assert LARGE.covers(Money(amount_minor=amount, currency="HUF")) is covered


NAMES = st.sampled_from(["sandbox", "stripe", "dodo", "elsewhere"])
MONEY = st.builds(Money, amount_minor=st.integers(1, 10_000), currency=st.sampled_from(["HUF", "EUR", "JPY"]))
RULES = st.builds(
    RoutingRule,
    currencies=st.lists(st.sampled_from(["HUF", "EUR"]), max_size=2, unique=True).map(tuple),
    min_amount=st.none() | st.integers(1, 10_000),
    max_amount=st.none() | st.integers(1, 10_000),
    providers=st.lists(NAMES, min_size=1, max_size=4).map(tuple),
)
SETTINGS = st.builds(
    TenantSettings,
    default_provider=st.none() | NAMES,
    provider_order=st.lists(NAMES, max_size=4).map(tuple),
    routing_rules=st.lists(RULES, max_size=3).map(tuple),
)
ACCOUNTS = st.lists(NAMES, max_size=4, unique=True).map(tuple)


@given(SETTINGS, ACCOUNTS, MONEY, st.none() | NAMES)
def test_whatever_was_said_each_account_has_one_turn_and_nobody_else_has_any(
    settings: TenantSettings, accounts: tuple[str, ...], money: Money, named: str | None
) -> None:
    way = route(settings, accounts, money, named)
    assert way == route(settings, accounts, money, named)
    assert len(way) == len({*way})
    assert {*way} <= {*accounts}
    if named is not None:
        assert way == ((named,) if named in accounts else ())
    elif not settings.routing_rules:
        # An account that is added later changes nothing for those that were there.
        more = route(settings, (*accounts, "new"), money)
        assert way == tuple(name for name in more if name != "new")
