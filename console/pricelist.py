"""What a tenant sells, as everybody may read it: one list in one language, for page and element alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.strict import Answer
from documents.words import Language, count, money, tax_name
from domain import catalog
from domain.calendar import MONTHS_A_YEAR, Interval
from domain.invoice import Tax
from domain.money import exponent
from domain.tenant import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language's. Braces are places for values."""

    periods: Mapping[tuple[Interval, bool], str]
    """By the interval, and whether there are several of them: what the switch calls a period."""
    per: Mapping[tuple[Interval, bool], str]
    """The same, behind an amount."""
    seat: str
    seats_limit: str
    limit: str
    free: str
    trial: tuple[str, str]
    """For one day, and for more."""
    saving: str
    choose: str
    current: str
    recommended: str
    switch: str
    nothing: str
    title: str
    in_the_shop: str
    tax_inside: str
    tax_on_top: str


_ENGLISH: Final = Words(
    periods={
        (Interval.MONTH, False): "Monthly",
        (Interval.MONTH, True): "Every {count} months",
        (Interval.YEAR, False): "Yearly",
        (Interval.YEAR, True): "Every {count} years",
    },
    per={
        (Interval.MONTH, False): "per month",
        (Interval.MONTH, True): "every {count} months",
        (Interval.YEAR, False): "per year",
        (Interval.YEAR, True): "every {count} years",
    },
    seat="per seat, {per}",
    seats_limit="{limit} per seat",
    limit="up to {count}",
    free="Free",
    trial=("{days} day free", "{days} days free"),
    saving="{percent}% less than monthly",
    choose="Choose {plan}",
    current="Your plan",
    recommended="Recommended",
    switch="How often you pay",
    nothing="Nothing is on sale here at the moment.",
    title="Prices",
    in_the_shop="To choose a plan, go to the shop.",
    tax_inside="Prices include {tax}.",
    tax_on_top="{tax} is added to the prices.",
)

_HUNGARIAN: Final = Words(
    periods={
        (Interval.MONTH, False): "Havi",
        (Interval.MONTH, True): "{count} havi",
        (Interval.YEAR, False): "Éves",
        (Interval.YEAR, True): "{count} éves",
    },
    per={
        (Interval.MONTH, False): "havonta",
        (Interval.MONTH, True): "{count} havonta",
        (Interval.YEAR, False): "évente",
        (Interval.YEAR, True): "{count} évente",
    },
    seat="felhasználónként, {per}",
    seats_limit="{limit} felhasználónként",
    limit="legfeljebb {count}",
    free="Ingyenes",
    trial=("{days} nap ingyen", "{days} nap ingyen"),
    saving="{percent}%-kal kevesebb, mint havonta",
    choose="Választom: {plan}",
    current="Az Ön csomagja",
    recommended="Ajánlott",
    switch="Fizetés gyakorisága",
    nothing="Itt most nincs megvásárolható csomag.",
    title="Árak",
    in_the_shop="Csomagot az üzletben választhat.",
    tax_inside="Az árak tartalmazzák: {tax}.",
    tax_on_top="Az árakhoz hozzáadódik: {tax}.",
)

WORDS: Final[Mapping[Language, Words]] = {Language.EN: _ENGLISH, Language.HU: _HUNGARIAN}


class FeatureLine(Answer):
    """``text`` is the limit in words; a feature without a limit needs none."""

    feature: str
    limit: int | None
    text: str | None


class PriceTag(Answer):
    """A price: exact for programs, and in words for people."""

    id: str
    amount: int
    currency: str
    exponent: int
    interval: Interval
    interval_count: int
    trial_days: int
    per_seat: bool
    period: str
    """The key of its period in the list."""
    saves: int | None
    """Whole per cent, rounded down, against the same plan paid monthly."""
    shown: str
    per: str | None
    trial: str | None
    saving: str | None


class PlanOnSale(Answer):
    id: str
    name: str
    description: str | None
    tier: str | None
    choose: str
    features: list[FeatureLine]
    prices: list[PriceTag]


class PeriodOnSale(Answer):
    key: str
    interval: Interval
    name: str


class PriceList(Answer):
    tenant_id: str
    name: str
    sandbox: bool
    language: Language
    currencies: list[str]
    """The first is the one to show unless another is asked for."""
    periods: list[PeriodOnSale]
    """From the shortest to the longest."""
    plans: list[PlanOnSale]
    tax: str | None
    words: Mapping[str, str]
    """What else the element says."""


def price_list(tenant: Tenant, plans: Sequence[catalog.Plan], language: Language) -> PriceList:
    """Plans without a price are left out. Those of one tier stand together, in the order of the first."""
    words = WORDS[language]
    on_sale = [plan for plan in plans if plan.offered]
    if tenant.settings.pricing_plans is None:
        on_sale = _by_tier(on_sale)
    offered = [price for plan in on_sale for price in plan.offered]
    periods = sorted({(_months(price), price.interval, price.interval_count) for price in offered})
    return PriceList(
        tenant_id=tenant.id,
        name=tenant.name,
        sandbox=tenant.sandbox,
        language=language,
        currencies=list(dict.fromkeys(price.money.currency for price in offered)),
        periods=[
            PeriodOnSale(
                key=_key(interval, number), interval=interval, name=_say(words.periods, interval, number)
            )
            for _, interval, number in periods
        ],
        plans=[_on_sale(plan, language) for plan in on_sale],
        tax=_tax(tenant.settings.tax, language),
        words={name: getattr(words, name) for name in ("current", "recommended", "switch", "nothing")},
    )


def _by_tier(plans: Sequence[catalog.Plan]) -> list[catalog.Plan]:
    first: dict[str, int] = {}
    for number, plan in enumerate(plans):
        first.setdefault(plan.tier or plan.id, number)
    return sorted(plans, key=lambda plan: first[plan.tier or plan.id])


def _on_sale(plan: catalog.Plan, language: Language) -> PlanOnSale:
    per_seat = all(price.per_seat for price in plan.offered)
    return PlanOnSale(
        choose=WORDS[language].choose.replace("{plan}", plan.name),
        features=[_line(feature, language, per_seat=per_seat) for feature in plan.features],
        prices=[_tag(price, plan, language) for price in plan.offered],
        **plan.model_dump(include={"id", "name", "description", "tier"}),
    )


def _line(feature: catalog.Feature, language: Language, *, per_seat: bool) -> FeatureLine:
    words, text = WORDS[language], None
    if feature.limit is not None:
        text = words.limit.format(count=count(feature.limit, language))
        text = words.seats_limit.format(limit=text) if per_seat else text
    return FeatureLine(feature=feature.feature, limit=feature.limit, text=text)


def _tag(price: catalog.Price, plan: catalog.Plan, language: Language) -> PriceTag:
    words, amount, currency = WORDS[language], price.money.amount_minor, price.money.currency
    per = _say(words.per, price.interval, price.interval_count)
    saves = _saves(price, plan)
    trial = words.trial[price.trial_days > 1].format(days=price.trial_days)
    return PriceTag(
        amount=amount,
        currency=currency,
        exponent=exponent(currency),
        period=_key(price.interval, price.interval_count),
        saves=saves,
        shown=money(amount, currency, language, spoken=True) if amount else words.free,
        per=(words.seat.format(per=per) if price.per_seat else per) if amount else None,
        trial=trial if price.trial_days and amount else None,
        saving=words.saving.format(percent=saves) if saves else None,
        **price.model_dump(include={"id", "interval", "interval_count", "trial_days", "per_seat"}),
    )


def _saves(price: catalog.Price, plan: catalog.Plan) -> int | None:
    for monthly in plan.offered:
        if monthly.kind == (price.money.currency, Interval.MONTH, 1) and monthly.per_seat == price.per_seat:
            by_the_month = monthly.money.amount_minor * _months(price)
            less = by_the_month - price.money.amount_minor
            return less * 100 // by_the_month or None if less > 0 else None
    return None


def _months(price: catalog.Price) -> int:
    return price.interval_count * (MONTHS_A_YEAR if price.interval is Interval.YEAR else 1)


def _key(interval: Interval, number: int) -> str:
    return f"{interval}-{number}"


def _say(words: Mapping[tuple[Interval, bool], str], interval: Interval, number: int) -> str:
    return words[interval, number > 1].format(count=number)


def _tax(tax: Tax, language: Language) -> str | None:
    if not tax.rate_basis_points:
        return None
    words = WORDS[language]
    # The label is the tenant's own text: braces in it mean nothing.
    return (words.tax_inside if tax.inclusive else words.tax_on_top).replace("{tax}", tax_name(tax, language))
