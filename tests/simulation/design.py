"""The rules that a history is played by: the platform's own, unless a mutant stands in for one of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from domain import payment as payment_rules
from domain import refund as refund_rules
from domain import verdicts
from domain.evidence import Observation
from domain.money import Money
from domain.payment import PaymentStatus
from domain.refund import RefundObservation, RefundState, RefundVerdict
from domain.tenant import LatePolicy
from domain.verdicts import Choice, Standing, Verdict
from providers.wire import FRESH
from tests.simulation.books import Books
from tests.simulation.saga import Saga


def certain_unless_unknown(certain: bool, unknown: bool) -> bool:  # noqa: FBT001 - two facts, read in order
    """Whether nothing came of a call: ``activities.opening`` says so in place."""
    return certain and not unknown


@dataclass
class Design:
    decide_on: Callable[[Standing, Observation, PaymentStatus], Verdict] = verdicts.decide
    rule: Callable[[PaymentStatus, Choice], Verdict] = verdicts.rule
    decide_refund: Callable[[RefundState, Money, RefundObservation], RefundVerdict] = (
        refund_rules.decide_refund
    )
    sources: Callable[..., list[PaymentStatus]] = payment_rules.sources
    refund_sources: Callable[[RefundState], list[RefundState]] = refund_rules.sources
    is_certain: Callable[[bool, bool], bool] = certain_unless_unknown
    fresh: float = FRESH.total_seconds()
    """How old an adapter may be when a request leaves."""
    searches: bool = True
    """Whether a repeated call looks first for what an earlier one did."""
    books: type[Books] = Books
    saga: type[Saga] = Saga
    _standings: dict[Any, Standing] = field(default_factory=dict)
    _verdicts: dict[Any, Verdict] = field(default_factory=dict)

    def standing(
        self,
        ordered: Money,
        status: PaymentStatus,
        reference: str | None,
        captured: Money | None,
        policy: LatePolicy,
        *,
        free: bool,
    ) -> Standing:
        """One object per standing, so that a verdict is looked up and not worked out a million times."""
        key = (ordered, status, reference, captured, policy, free)
        known = self._standings.get(key)
        if known is None:
            known = self._standings[key] = Standing(
                ordered=ordered,
                status=status,
                reference=reference,
                captured=captured,
                late_policy=policy,
                order_is_free=free,
            )
        return known

    def decide(self, standing: Standing, said: Observation, intent: PaymentStatus) -> Verdict:
        # Both are kept for ever, by us and by ``company.words``: their ids stay theirs.
        key = (id(standing), id(said), intent)
        known = self._verdicts.get(key)
        if known is None:
            known = self._verdicts[key] = self.decide_on(standing, said, intent)
        return known
