"""The step of ``activities.refund``, and the wish of a tenant that leads to one."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from activities.schedule import RESOLVING, next_question
from domain.errors import (
    NotYet,
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
    RefundExceedsCaptured,
)
from domain.money import Money
from domain.payment import PaymentStatus as S
from domain.refund import UNSETTLED, RefundWord
from tests.simulation.books import Books
from tests.simulation.clock import Activity, Clock, Step
from tests.simulation.company import Company
from tests.simulation.rows import Call, Refund
from tests.simulation.sayings import RefundSaid, refund_words

if TYPE_CHECKING:
    from tests.simulation.design import Design
    from tests.simulation.invariants import Invariants

_DAY: Final = timedelta(days=1)


class GivingBack:
    def __init__(
        self,
        clock: Clock,
        books: Books,
        companies: dict[str, Company],
        design: "Design",
        laws: "Invariants",
    ) -> None:
        self.clock, self.books, self.companies = clock, books, companies
        self.design, self.laws = design, laws
        self.start_refund: Callable[[Refund], None] = lambda _: None
        self.on_refund: Callable[[Refund], None] = lambda _: None
        """A refund is on record: the sweep will see to it, whoever dies now."""

    def give_back(self, payment_id: str, name: str, amount: Money) -> Step:
        """What a tenant wants back of a payment that has succeeded: some of it, or all."""
        yield "before the transaction"
        payment = self.books.payments[payment_id]
        if payment.status is not S.SUCCEEDED:
            return
        try:
            refund = self.books.request(payment, name, amount, "tenant")
        except RefundExceedsCaptured:
            self.clock.met["refund refused"] += 1
            return
        self.clock.met["refund asked"] += 1
        self.clock.tell("refund asked", refund.id, amount)
        self.on_refund(refund)
        self.laws.after(payment)
        yield "after a commit"
        self.start_refund(refund)

    def carry_out(self, refund_id: str, since: float, activity: Activity) -> Step:
        refund = self.books.refunds[refund_id]
        if refund.state not in UNSETTLED:
            return refund.state
        company = self.companies[refund.account]
        made_at = self.clock.now
        call = self.books.calling_refund(refund)
        asked_for = timedelta(seconds=activity.started_at - since)
        try:
            said = yield from self._ask_for_refund(company, refund, call, made_at)
        except ProviderError as trouble:
            sent = isinstance(trouble, OutcomeUnknown)
            unheard = RefundSaid(refund_words(RefundWord.UNCLEAR, None, None), f"unheard:{refund.id}")
            yield from self._note(refund, call, unheard if sent else None, for_nothing=not sent)
            raise self._not_yet(asked_for, trouble.detail) from trouble
        state = yield from self._note(refund, call, said, for_nothing=False)
        if state in UNSETTLED:
            raise self._not_yet(asked_for, f"The provider says: {said.words.raw_state}.")
        return state

    def _ask_for_refund(self, company: Company, refund: Refund, call: Call, made_at: float) -> Step:
        if not call.first and self.design.searches:
            found = yield from self._find_refund(company, refund.id, made_at)
            if found.words.word is not RefundWord.ABSENT:
                return found
            self.clock.met["refund sent again"] += 1
        try:
            return (
                yield from company.asked(
                    made_at,
                    lambda: company.refund(refund.id, refund.reference, refund.amount),
                    company.manners.trouble_refunding,
                    write=True,
                )
            )
        except ProviderAuthFailed as refused:
            raise ProviderUnavailable(refused.detail) from refused
        except ProviderRejected:
            found = yield from self._find_refund(company, refund.id, made_at)
            if found.words.word is not RefundWord.ABSENT:
                return found
            return RefundSaid(refund_words(RefundWord.FAILED, None, None), f"refused:{refund.id}")

    @staticmethod
    def _find_refund(company: Company, refund_id: str, made_at: float) -> Step:
        trouble = company.manners.trouble_asking
        return company.asked(made_at, lambda: company.find_refund(refund_id), trouble, write=False)

    def _note(self, refund: Refund, call: Call, said: RefundSaid | None, *, for_nothing: bool) -> Step:
        yield "before the transaction"
        if not self.books.ended(call, for_nothing=for_nothing):
            self.clock.met["a refund's no not believed"] += said is not None and said.cause.startswith(
                "refused"
            )
            said = None
        if said is not None:
            verdict = self.design.decide_refund(refund.state, refund.amount, said.words)
            self.clock.tell(
                "refund heard of", refund.id, f"{said.words.word}: {verdict.note}, was {refund.state}"
            )
            self.clock.met[f"refund note {verdict.note}"] += 1
            if verdict.to is not None:
                moved = self.books.move_refund(refund, verdict.to, said.cause)
                self.laws.refund_carried_out(refund, verdict, moved=moved)
                self.clock.met[f"refund became {verdict.to}"] += 1
        self.laws.after(self.books.payments[refund.payment_id])
        state = refund.state
        yield "after a commit"
        return state

    def _not_yet(self, asked_for: timedelta, why: str) -> NotYet:
        return NotYet(why, retry_after=next_question(RESOLVING, _DAY, asked_for))
