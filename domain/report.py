"""What a tenant's business comes to in a span of time: the figures of the summary, and how they are made up.

No figure is a fraction: shares are basis points, and null where there is nothing to be a share of.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final

from domain.dispute import DisputeState
from domain.values import Value

USUAL: Final = timedelta(days=30)
LONGEST: Final = timedelta(days=366)
E4: Final = 10_000


class Span(Value):
    """From ``start`` on and before ``end``."""

    start: datetime
    end: datetime


class Sum(Value):
    """How many, and how much they come to."""

    count: int = 0
    amount: int = 0


class Volume(Value):
    """The payments of one currency, and what is left of what was paid."""

    currency: str
    created: Sum = Sum()
    succeeded: Sum = Sum()
    refunded: Sum = Sum()
    disputed: Sum = Sum()

    @property
    def net(self) -> int:
        """Below nothing when a bank took more than was left."""
        return self.succeeded.amount - self.refunded.amount - self.disputed.amount


class SuccessRate(Value):
    """Of the payments that have ended, how many were paid."""

    succeeded: int
    ended: int

    @property
    def basis_points(self) -> int | None:
        return basis_points(self.succeeded, self.ended)


class Standing(Value):
    """So many of one kind, of one currency, in one state."""

    status: str
    currency: str
    count: int
    amount: int


class Disputes(Value):
    by_status: tuple[Standing, ...]

    @property
    def opened(self) -> int:
        return sum(each.count for each in self.by_status)

    @property
    def won(self) -> int:
        return self._that_are(DisputeState.WON)

    @property
    def lost(self) -> int:
        return self._that_are(DisputeState.LOST)

    def _that_are(self, state: DisputeState) -> int:
        return sum(each.count for each in self.by_status if each.status == state)


class TimeToPay(Value):
    """How long payers took at the checkout, in whole seconds."""

    payments: int
    median_seconds: int | None
    p95_seconds: int | None


class Revenue(Value):
    """What the subscriptions of one currency bring in a month, in minor units, and why it is another sum now.

    ``start + new + reactivated + expansion - contraction - churned == end``, to the unit.
    """

    currency: str
    start: int
    new: int
    reactivated: int
    expansion: int
    contraction: int
    churned: int
    end: int

    @property
    def churn_basis_points(self) -> int | None:
        """Of what came in at the start, the share that is lost: by those who left, or pay less."""
        return basis_points(self.contraction + self.churned, self.start)


class Churn(Value):
    """Of the subscriptions that brought something at the start, how many bring nothing at the end."""

    at_start: int
    lost: int

    @property
    def basis_points(self) -> int | None:
        return basis_points(self.lost, self.at_start)


class Trials(Value):
    """The trials that began; of those that are over, how many came to be paid for."""

    started: int
    ended: int
    converted: int

    @property
    def basis_points(self) -> int | None:
        return basis_points(self.converted, self.ended)


class Recovered(Value):
    """The invoices of one currency of which a charge was in vain, and what has become of them."""

    currency: str
    failed: Sum
    recovered: Sum
    lost: Sum

    @property
    def pending(self) -> Sum:
        """Still being tried, or waiting for a card."""
        return Sum(
            count=self.failed.count - self.recovered.count - self.lost.count,
            amount=self.failed.amount - self.recovered.amount - self.lost.amount,
        )


class Recovery(Value):
    """Of the invoices of which a charge was in vain, and whose end is known, how many were paid after all."""

    by_currency: tuple[Recovered, ...]

    @property
    def failed(self) -> int:
        return sum(each.failed.count for each in self.by_currency)

    @property
    def recovered(self) -> int:
        return sum(each.recovered.count for each in self.by_currency)

    @property
    def lost(self) -> int:
        return sum(each.lost.count for each in self.by_currency)

    @property
    def pending(self) -> int:
        return sum(each.pending.count for each in self.by_currency)

    @property
    def basis_points(self) -> int | None:
        return basis_points(self.recovered, self.recovered + self.lost)


class Takings(Value):
    """What the payments come to that were created in a span, or in a piece of it, from ``start`` on."""

    start: datetime
    volume: tuple[Volume, ...]
    payments_by_status: dict[str, int]
    success_rate: SuccessRate
    failures_by_reason: dict[str, int]
    time_to_pay: TimeToPay


class Summary(Takings):
    """All figures of one span, as they were at one instant."""

    end: datetime
    refunds: tuple[Standing, ...]
    disputes: Disputes
    mrr: tuple[Revenue, ...]
    churn: Churn
    trials: Trials
    recovery: Recovery


def basis_points(part: int, whole: int) -> int | None:
    """``part`` of ``whole`` in hundredths of a per cent, half a one rounded up; None of nothing."""
    return None if whole <= 0 else (2 * E4 * part + whole) // (2 * whole)


def minor(amount_e4: int) -> int:
    """Ten-thousandths of a minor unit in whole ones, half a one rounded up."""
    return (amount_e4 + E4 // 2) // E4


def revenue(currency: str, start_e4: int, movements_e4: Iterable[int]) -> Revenue:
    """The sums in minor units, from ten-thousandths of one.

    ``movements_e4`` are new, reactivated, expansion, contraction and churned. The running total is rounded,
    not each movement: so they add up, and what did not move is nothing.
    """
    new, reactivated, expansion, contraction, churned = movements_e4
    signed = (start_e4, new, reactivated, expansion, -contraction, -churned)
    totals = [minor(total) for total in accumulate(signed)]
    moved = [after - before for before, after in pairwise(totals)]
    return Revenue(
        currency=currency,
        start=totals[0],
        new=moved[0],
        reactivated=moved[1],
        expansion=moved[2],
        contraction=-moved[3],
        churned=-moved[4],
        end=totals[-1],
    )
