"""What is for sale: plans, what they give, and prices, which never change but make room for others.

Whoever subscribed at a price keeps it, also when new subscribers are offered another: see ``repriced``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from domain.calendar import Interval
from domain.errors import ValidationFailed
from domain.money import Money
from domain.values import Value

LONGEST: Final[Mapping[Interval, int]] = {Interval.MONTH: 36, Interval.YEAR: 3}
"""How many months or years a period may have."""
MOST_OFFERED: Final = 20
"""Prices that a plan offers at one time."""
MOST_KEPT: Final = 500
"""Prices that a plan has ever had: all of them are kept, and shown with it."""

MOST_LISTED: Final = 40
"""Plans that a price list for everybody shows."""


class Feature(Value):
    """What a plan gives. ``limit`` is how much of it in a period; None is as much as one likes."""

    feature: str
    limit: Annotated[int, Field(ge=0)] | None = None


class Price(Value):
    """What a plan costs, and how often. It never changes: a new one takes its place for new subscribers."""

    id: str
    money: Money
    interval: Interval
    interval_count: Annotated[int, Field(ge=1, le=36)] = 1
    trial_days: Annotated[int, Field(ge=0, le=730)] = 0
    per_seat: bool = False
    provider_prices: dict[str, str] = Field(default_factory=dict)
    """What companies that run the schedule themselves call it, by the provider's name."""
    superseded_at: datetime | None = None
    """Since when another is offered in its place; subscribers who have it keep it."""

    def of(self, quantity: int) -> Money:
        """A whole period for so many seats; a price that is not by the seat is the same for any number."""
        if quantity < 1:
            raise ValueError("a subscription has one seat or more")
        seats = quantity if self.per_seat else 1
        return Money(amount_minor=self.money.amount_minor * seats, currency=self.money.currency)

    @property
    def kind(self) -> tuple[str, Interval, int]:
        """Of each kind a plan offers one price at a time: by currency, and by the length of the period."""
        return self.money.currency, self.interval, self.interval_count

    def says_the_same_as(self, other: "Price") -> bool:
        """Whether a subscriber could not tell the two apart but by their names."""
        named = {"id", "superseded_at"}
        return self.model_dump(exclude=named) == other.model_dump(exclude=named)


class Plan(Value):
    """A plan as its rows tell it."""

    id: str
    tenant_id: str
    name: str
    description: str | None = None
    tier: str | None = None
    """The tenant's own word for where it stands among its plans."""
    active: bool = True
    """One that is not takes no new subscriptions; those it has go on."""
    features: tuple[Feature, ...] = ()
    prices: tuple[Price, ...] = ()
    """All it ever had, in the order in which they were given."""
    created_at: datetime
    updated_at: datetime

    @property
    def offered(self) -> list[Price]:
        return [price for price in self.prices if price.superseded_at is None]

    @property
    def superseded(self) -> list[Price]:
        return [price for price in self.prices if price.superseded_at is not None]


class Offer(Value):
    """A price, with its plan as that is now."""

    plan: Plan
    price: Price

    @property
    def offered(self) -> bool:
        """Whether somebody new may have it. Who has it already keeps it, whatever this says."""
        return self.plan.active and self.price.superseded_at is None


def repriced(prices: Sequence[Price], given: Sequence[Price], now: datetime) -> tuple[Price, ...]:
    """All prices of a plan after these were given for it; the same as before if nothing was new.

    One that says the same as a price on offer is that price. Any other is new, and takes the place of what
    was on offer of its kind. What is not mentioned stays. Raises ``ValidationFailed``.
    """
    kinds = [price.kind for price in given]
    for number, kind in enumerate(kinds):
        if kind in kinds[:number]:
            raise _refused(f"/prices/{number}", "there is another of this currency and interval before it")
    offered = {price.kind: price for price in prices if price.superseded_at is None}
    new = {
        price.kind: price
        for price in given
        if price.kind not in offered or not price.says_the_same_as(offered[price.kind])
    }
    if len(offered.keys() | new.keys()) > MOST_OFFERED:
        raise _refused("/prices", f"a plan offers {MOST_OFFERED} prices at most")
    if len(prices) + len(new) > MOST_KEPT:
        raise _refused(
            "/prices", f"this plan has had {MOST_KEPT} prices; offer the next in a plan of its own"
        )
    kept = (
        price.model_copy(update={"superseded_at": now})
        if price.superseded_at is None and price.kind in new
        else price
        for price in prices
    )
    return (*kept, *new.values())


def _refused(pointer: str, why: str) -> ValidationFailed:
    return ValidationFailed(errors=((pointer, why),))
