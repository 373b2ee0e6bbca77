"""What an adapter sends: the money that was meant, under a key that stays the same; lists, to their end."""

import asyncio
import contextlib
import itertools
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from domain.errors import AmountOutOfRange, CurrencyUnsupported, OutcomeUnknown, ProviderError
from domain.evidence import Word
from domain.money import CURRENCIES, Money
from domain.payment import PaymentOrder
from domain.reconciliation import Listed, Page
from providers.base import Capability, Checkout
from providers.sandbox import Sandbox
from tests.providers.case import Case, case_of, changed
from tests.providers.scripted import Asked, Company, Json, opened, says
from tests.providers.verbs import NOW, PRICE, VERBS, WINDOW, Ask, NamedAsk, charge, order, refund

# --- Operation keys ---------------------------------------------------------------------------------

KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


async def sent_by(case: Case, company: Company, http: httpx.AsyncClient, verb: str, ask: Ask) -> list[Asked]:
    """What a fresh adapter sends for this. Whether the answer fits is not asked here."""
    company.plays(case.scripts[verb])
    with contextlib.suppress(ProviderError, AmountOutOfRange, CurrencyUnsupported):
        await ask(case.adapter(http, company.base))
    return list(company.asked)


def likeness(case: Case, asked: Asked) -> tuple[object, ...]:
    """All of a request that must be the same the next time."""
    headers = tuple((name, value) for name, value in asked.headers if name not in case.volatile)
    return asked.method, asked.target, headers, asked.body


def about(ask: NamedAsk, thing: str, at: datetime) -> Ask:
    return lambda it: ask(it, thing, at)


async def check_keys(case: Case, company: Company, http: httpx.AsyncClient) -> None:
    keys: dict[str, str] = {}
    named = {name: verb.named for name, verb in case.verbs.items() if verb.named is not None}
    for (name, ask), thing in itertools.product(named.items(), ("one", "another")):
        # The second time another process asks, an hour later.
        first, second = [
            await sent_by(case, company, http, name, about(ask, thing, at))
            for at in (NOW, NOW + timedelta(hours=1))
        ]
        same = [likeness(case, one) for one in first] == [likeness(case, one) for one in second]
        assert same, f"{name} sends something else the second time"
        for asked in filter(lambda one: one.writes, first):
            key = asked.header(case.key_header or "")
            assert key is not None, f"{name} writes without a key: {asked.method} {asked.path}"
            what = f"{name} of {thing}, {asked.path}"
            assert key not in keys, f"{what} has the key of {keys.get(key)}"
            keys[key] = what


async def test_a_write_that_is_repeated_is_the_same_to_the_byte_and_so_is_its_key(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    if Capability.IDEMPOTENT_WRITES in case.provider.capabilities:
        await check_keys(case, company, http)


async def test_keys_are_short_and_plain(case: Case, company: Company, http: httpx.AsyncClient) -> None:
    for name, verb in case.verbs.items():
        for asked in await sent_by(case, company, http, name, verb.ask):
            key = asked.header(case.key_header) if case.key_header else None
            assert key is None or KEY.fullmatch(key), f"{name}: {key}"
            assert key is None or asked.writes
            assert asked.body or asked.header("content-length") in {None, "0"}


async def test_each_request_carries_its_own_accounts_key_and_no_other(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    """Two accounts' adapters at work at once, as in every worker."""
    async with opened() as neighbour:
        for name, verb in case.verbs.items():
            company.plays(case.scripts[name])
            neighbour.plays(case.scripts[name])
            ours = case.adapter(http, company.base)
            theirs = case.adapter(http, neighbour.base, case.other)
            await asyncio.gather(verb.ask(ours), verb.ask(theirs), verb.ask(ours))
            for at, mine, other in (
                (company, case.secrets, case.other),
                (neighbour, case.other, case.secrets),
            ):
                for asked in at.asked:
                    assert mine[case.api_key] in str(asked.headers), f"{name} sends no key"
                    assert other[case.api_key] not in str(asked), f"{name} sends another account's key"


async def test_nothing_is_asked_for_packed_and_every_request_is_for_the_address_it_was_given(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    for name, verb in case.verbs.items():
        for asked in await sent_by(case, company, http, name, verb.ask):
            assert asked.header("accept-encoding") == "identity", name
            assert asked.header("host") == company.base.removeprefix("http://")


# --- Money ------------------------------------------------------------------------------------------

AMOUNTS: Final = tuple(
    Money(amount_minor=amount, currency=currency)
    for currency, amounts in {
        "HUF": (1, 100, 1_990_000, 1_990_050),
        "EUR": (1, 49, 1_999),
        "JPY": (1, 1_000),
        "KWD": (10, 1_000, 1_005, 1_234_567),
        "ISK": (1, 5_000),
        "MGA": (1, 50_000, 50_005),
        "XOF": (655,),
    }.items()
    for amount in amounts
)


def paying(verb: str, money: Money) -> Ask:
    if verb == "open_checkout":
        return lambda it: it.open_checkout(order("money", money))
    return lambda it: it.charge_saved(charge("money", money), NOW)


async def check_money(case: Case, company: Company, http: httpx.AsyncClient) -> None:
    units = case.provider.units
    paid_by = [verb for verb in ("open_checkout", "charge_saved") if verb in case.verbs]
    for verb, money in itertools.product(paid_by, AMOUNTS):
        asked = await sent_by(case, company, http, verb, paying(verb, money))
        written = [one for one in asked if one.writes]
        try:
            meant = units.of(money)
        except (AmountOutOfRange, CurrencyUnsupported):
            assert not written, f"{verb}: {money} was sent"
            continue
        sent = case.sent[verb](written[-1])
        assert (sent.units, sent.currency.upper()) == (meant, money.currency), f"{verb}: {money}"
        assert units.money(sent.units, sent.currency) == money


async def test_what_is_sent_is_the_money_that_was_meant_or_nothing(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    await check_money(case, company, http)


async def test_part_of_a_payment_goes_back_as_that_part(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    part = Money(amount_minor=PRICE.amount_minor // 2, currency=PRICE.currency)
    await sent_by(case, company, http, "refund", lambda it: it.refund(refund("part", part), NOW))
    sent = case.sent["refund"]([asked for asked in company.asked if asked.writes][-1])
    assert case.provider.units.money(sent.units, sent.currency) == part


async def test_the_money_that_came_is_told_as_it_came(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    for money in AMOUNTS:
        try:
            units = case.provider.units.of(money)
        except (AmountOutOfRange, CurrencyUnsupported):
            continue
        company.plays(case.paid(units, money.currency))
        said = await VERBS["read_checkout"].ask(case.adapter(http, company.base))
        assert (said.word, said.captured) == (Word.PAID, money)


async def test_money_that_we_cannot_count_is_never_taken_for_other_money(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    for units, currency in (
        (PRICE.amount_minor, "XXX"),
        (PRICE.amount_minor, "HU"),
        (-1, "HUF"),
        (1 << 63, "HUF"),
    ):
        company.plays(case.paid(units, currency))
        try:
            said = await VERBS["read_checkout"].ask(case.adapter(http, company.base))
        except ProviderError:
            continue
        captured = said.captured
        assert captured is None or (captured.currency == currency and captured.currency not in CURRENCIES)


# --- Lists ------------------------------------------------------------------------------------------

LISTS: Final = ("list_payments", "list_refunds", "list_disputes")
FAR_TOO_MANY: Final = 8


async def read_all(
    case: Case, company: Company, http: httpx.AsyncClient, verb: str, pages: list[Json]
) -> list[Listed]:
    """All entries of a list, each page read by a fresh adapter: another process takes the cursor up."""
    (listing, *rest), items, cursor = case.scripts[verb], list[Listed](), None
    for number in range(FAR_TOO_MANY):
        company.plays([listing._replace(said=pages[min(number, len(pages) - 1)]), *rest])
        page = await getattr(case.adapter(http, company.base), verb)(WINDOW, cursor, NOW)
        assert isinstance(page, Page)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
    raise AssertionError(f"{verb} never ends")


def names(prefix: str, many: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(many)]


@pytest.mark.parametrize("verb", LISTS)
async def test_a_list_is_read_to_its_end_over_its_pages(
    case: Case, company: Company, http: httpx.AsyncClient, verb: str
) -> None:
    if verb not in case.verbs:
        return
    full = [names(f"page{number}", case.full_page[verb]) for number in range(3)]
    short = full[2][:-1]
    whole = [case.page(verb, one, True) for one in full]
    ends: dict[str, tuple[list[Json], list[str]]] = {
        "the last page short": ([*whole[:2], case.page(verb, short, False)], [*full[0], *full[1], *short]),
        "the last page full": (
            [*whole[:2], case.page(verb, full[2], False), case.page(verb, [], False)],
            list(itertools.chain(*full)),
        ),
        "the last page empty": ([*whole[:2], case.page(verb, [], False)], [*full[0], *full[1]]),
        "nothing at all": ([case.page(verb, [], False)], []),
    }
    for what, (pages, expected) in ends.items():
        company.history.clear()
        found = [item.reference for item in await read_all(case, company, http, verb, pages)]
        assert found == expected, what
        targets = [asked.target for asked in company.history]
        assert len(targets) == len(set(targets)), f"{what}: a page was asked for twice"


@pytest.mark.parametrize("verb", LISTS)
async def test_a_list_that_promises_more_and_shows_nothing_is_left(
    case: Case, company: Company, http: httpx.AsyncClient, verb: str
) -> None:
    if verb not in case.verbs:
        return
    again = names("the same", case.full_page[verb])
    # Who counts pages cannot tell a company that shows one page for ever from one that has as many.
    counts = case.page(verb, again, True) == case.page(verb, again, False)
    for shown in [[]] if counts else [[], again]:
        try:
            await read_all(case, company, http, verb, [case.page(verb, shown, True)])
        except ProviderError:
            continue
        assert shown == [], "the same page for ever was taken for a whole list"


@pytest.mark.parametrize("verb", LISTS)
async def test_an_entry_that_nobody_can_read_stays_in_the_list(
    case: Case, company: Company, http: httpx.AsyncClient, verb: str
) -> None:
    if verb not in case.verbs:
        return
    good = case.page(verb, names("entry", 3), False)
    strange: tuple[Any, ...] = (None, [], "?", {}, 7)
    for nonsense in strange:
        found = await read_all(case, company, http, verb, [changed(good, f"{case.entries}.1", nonsense)])
        assert [item.said is None for item in found] == [False, True, False], nonsense
        assert [item.reference for item in found] == ["entry-0", None, "entry-2"]


async def test_a_search_goes_on_over_the_page_that_has_only_others(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    for verb, (others, *_) in case.endless.items():
        asked = await sent_by(case, company, http, verb, VERBS[verb].ask)
        first = next(number for number, one in enumerate(asked) if others.fits(one))
        company.plays(case.scripts[verb], spoilt=(first, says(200, others.said)))
        answer = await VERBS[verb].ask(case.adapter(http, company.base))
        assert VERBS[verb].understood(answer), f"{verb}: {answer!r}"
        assert len([one for one in company.asked if others.fits(one)]) > 1


async def test_a_search_without_end_is_given_up_and_does_not_say_absent(
    case: Case, company: Company, http: httpx.AsyncClient
) -> None:
    for verb, script in case.endless.items():
        company.plays(script)
        with pytest.raises(OutcomeUnknown):
            await VERBS[verb].ask(case.adapter(http, company.base))
        assert 1 < len(company.asked) < 100, verb


# --- That these checks can fail ---------------------------------------------------------------------


@pytest.mark.usefixtures("unregistered")
async def test_an_adapter_that_forgets_keys_or_money_does_not_pass(
    company: Company, http: httpx.AsyncClient
) -> None:
    class Forgetful(Sandbox):
        name = "forgetful"

        def _headers(self, key: str | None = None) -> dict[str, str]:
            return super()._headers(None if key is None else f"{key[:30]}{uuid4().hex}")

    class Rounding(Sandbox):
        name = "rounding"

        async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:
            money = Money(amount_minor=order.money.amount_minor // 100 * 100, currency=order.money.currency)
            return await super().open_checkout(order.model_copy(update={"money": money}), customer)

    case = case_of("sandbox")
    with pytest.raises(AssertionError, match="the second time"):
        await check_keys(replace(case, provider=Forgetful), company, http)
    with pytest.raises(AssertionError, match="open_checkout"):
        await check_money(replace(case, provider=Rounding), company, http)
