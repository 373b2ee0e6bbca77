"""Plans over HTTP: what a tenant sells, and prices that never change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field

from api.deps import About, AnyCaller, TheHouse, Trader, actor
from api.strict import Answer, Instant, Model, StrictRoute
from domain.calendar import Interval
from domain.catalog import LONGEST, MOST_OFFERED, Feature, Plan, Price, repriced
from domain.errors import ValidationFailed
from domain.money import CurrencyCode, Money, check_amount, exponent
from domain.text import FreeText, check_free_text
from domain.values import new_id
from providers.base import PROVIDERS
from storage import audit, catalog

router = APIRouter(prefix="/v1/plans", tags=["plans"], route_class=StrictRoute)

Name = Annotated[str, FreeText(128)]
TheirName = Annotated[str, Field(max_length=255, pattern="^[!-~]+$"), AfterValidator(check_free_text)]
"""What a payment company calls something of ours."""


class NewFeature(Model):
    feature: Name
    limit: Annotated[int, Field(ge=0, le=1_000_000_000_000)] | None = None
    """How much of it in a period; as much as one likes, unless a number is named."""


class NewPrice(Model):
    """A price, of a period. See ``_check_price`` for what its members may be together."""

    amount: int
    currency: CurrencyCode
    interval: Interval
    interval_count: Annotated[int, Field(ge=1, le=max(LONGEST.values()))] = 1
    trial_days: Annotated[int, Field(ge=0, le=730)] = 0
    per_seat: bool = False
    provider_prices: Annotated[dict[str, TheirName], Field(max_length=10)] = Field(default_factory=dict)
    """By the provider's name, what a company that runs the schedule itself calls this price."""


def _each_once(features: tuple[NewFeature, ...]) -> tuple[NewFeature, ...]:
    if len({feature.feature for feature in features}) != len(features):
        raise ValueError("each feature is named once")
    return features


Features = Annotated[tuple[NewFeature, ...], Field(max_length=100), AfterValidator(_each_once)]
Prices = Annotated[tuple[NewPrice, ...], Field(max_length=MOST_OFFERED)]


class NewPlan(Model):
    name: Name
    description: Annotated[str, FreeText(500)] | None = None
    tier: Annotated[str, FreeText(64)] | None = None
    active: bool = True
    features: Features = ()
    prices: Prices = ()


class PlanChange(Model):
    """Only what is sent changes. ``features`` replaces the list; ``prices`` adds, see ``change_plan``."""

    # No default is declared where null means nothing: a client that sends defaults would change the plan.
    name: Name = Field(default_factory=str)
    description: Annotated[str, FreeText(500)] | None = None
    tier: Annotated[str, FreeText(64)] | None = None
    active: bool = Field(default_factory=bool)
    features: Features = Field(default_factory=tuple)
    prices: Prices = Field(default_factory=tuple)


class FeatureAnswer(Answer):
    feature: str
    limit: int | None = Field(exclude_if=lambda limit: limit is None)


class PriceAnswer(Answer):
    id: str
    amount: int
    currency: str
    interval: Interval
    interval_count: int
    trial_days: int
    per_seat: bool
    provider_prices: dict[str, str]

    @classmethod
    def of(cls, price: Price) -> Self:
        return cls(
            amount=price.money.amount_minor,
            currency=price.money.currency,
            **price.model_dump(include={*cls.model_fields}),
        )


class SupersededPrice(PriceAnswer):
    superseded_at: Instant


class PlanAnswer(Answer):
    id: str
    name: str
    description: str | None
    tier: str | None
    active: bool
    features: list[FeatureAnswer]
    prices: list[PriceAnswer]
    superseded_prices: list[SupersededPrice]
    """Those that are offered no more. Who subscribed at one keeps it."""
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, plan: Plan) -> "PlanAnswer":
        lists = {"features", "prices", "superseded_prices"}
        return cls(
            features=[FeatureAnswer(**feature.model_dump()) for feature in plan.features],
            prices=[PriceAnswer.of(price) for price in plan.offered],
            superseded_prices=[SupersededPrice.of(price) for price in plan.superseded],
            **plan.model_dump(include={*cls.model_fields} - lists),
        )


class PlanList(Answer):
    data: list[PlanAnswer]


@router.post("", status_code=201)
async def create_plan(body: NewPlan, who: Trader, here: TheHouse, about: About) -> PlanAnswer:
    """A new plan, at the prices given. What a plan does not limit is unlimited."""
    now = here.world.clock()
    plan = Plan(
        id=new_id("pln", now), tenant_id=who.tenant_id, created_at=now, updated_at=now, **_sent(body, (), now)
    )
    async with here.world.database.tenant(who.tenant_id) as tx:
        await catalog.add(tx, plan)
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "plan.created", plan.id))
    return PlanAnswer.of(plan)


@router.patch("/{plan_id}")
async def change_plan(
    plan_id: str, body: PlanChange, who: Trader, here: TheHouse, about: About
) -> PlanAnswer:
    """Change what is sent; `null` takes the description or the tier away, `features` replaces the list.

    A price that is on offer already stays. Any other is new, and takes the place of the one of the same
    currency and interval: it is for those who come from now on. Prices that are not sent stay.
    """
    async with here.world.database.tenant(who.tenant_id) as tx:
        before = await catalog.get(tx, plan_id, lock=True)
        now = here.world.clock()
        after = before.model_copy(update=_sent(body, before.prices, now))
        if after != before:
            after = after.model_copy(update={"updated_at": now})
            await catalog.change(tx, before, after)
        await audit.record(tx, about.deed(who.tenant_id, actor(who), "plan.changed", plan_id))
    return PlanAnswer.of(after)


@router.get("/{plan_id}")
async def get_plan(plan_id: str, who: AnyCaller, here: TheHouse) -> PlanAnswer:
    async with here.world.database.tenant(who.tenant_id) as tx:
        return PlanAnswer.of(await catalog.get(tx, plan_id))


@router.get("")
async def list_plans(
    who: AnyCaller,
    here: TheHouse,
    active: Literal["true", "false"] | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> PlanList:
    """The tenant's plans, newest first, perhaps only those that are active, or are not."""
    wanted = None if active is None else active == "true"
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await catalog.find(tx, limit, offset, active=wanted)
    return PlanList(data=[PlanAnswer.of(plan) for plan in found])


def _sent(body: NewPlan | PlanChange, before: Sequence[Price], now: datetime) -> dict[str, Any]:
    """The members of a plan that somebody named, as the plan shall have them."""
    sent = body.model_dump(exclude={"features", "prices"}, exclude_unset=True)
    if "features" in body.model_fields_set:
        sent["features"] = tuple(Feature(**feature.model_dump()) for feature in body.features)
    if "prices" in body.model_fields_set:
        given = [_price(number, price, now) for number, price in enumerate(body.prices)]
        sent["prices"] = repriced(before, given, now)
    return sent


def _price(number: int, given: NewPrice, now: datetime) -> Price:
    money = Money(amount_minor=given.amount, currency=given.currency)
    try:
        _check_price(given, money)
    except ValidationFailed as refusal:
        errors = tuple((f"/prices/{number}{pointer}", why) for pointer, why in refusal.errors)
        raise type(refusal)(errors=errors) from None
    return Price(id=new_id("prc", now), money=money, **given.model_dump(exclude={"amount", "currency"}))


def _check_price(given: NewPrice, money: Money) -> None:
    """Raises ``ValidationFailed``, as if the price stood alone."""
    longest = LONGEST[given.interval]
    if given.interval_count > longest:
        raise ValidationFailed(
            errors=(("/intervalCount", f"at most {longest} of this interval are accepted"),)
        )
    if not PROVIDERS.keys() >= given.provider_prices.keys():
        raise ValidationFailed(errors=(("/providerPrices", "each is a provider we know"),))
    if money.amount_minor:
        check_amount(money)
    else:
        # Nothing is a price as well, that of a free plan.
        exponent(money.currency)
