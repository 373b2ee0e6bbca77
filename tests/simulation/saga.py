"""The steps of ``activities``, around the same rules, with every point where a process can die."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from activities.payment import _SETTLING
from activities.schedule import ASKED_FOR, RESOLVING, WAITING, next_question
from domain.errors import (
    NotYet,
    OutcomeUnknown,
    Poisonous,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
    Refusal,
)
from domain.evidence import Channel, Observation, Word
from domain.payment import ENDED
from domain.payment import PaymentStatus as S
from domain.refund import Origin
from domain.tenant import LatePolicy
from domain.verdicts import ECHO, FOR_A_PERSON, TOO_EARLY, Choice, Standing, Verdict
from tests.simulation.books import EVENT_OF, Books
from tests.simulation.clock import Activity, Clock, Step
from tests.simulation.company import Company
from tests.simulation.rows import Call, Letter, Payment, Refund
from tests.simulation.sayings import Said, words

if TYPE_CHECKING:
    from tests.simulation.design import Design
    from tests.simulation.invariants import Invariants

_TOO_LATE: Final = ProviderUnavailable("Time was up before the provider could be asked.")
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)


class Progress(NamedTuple):
    """What a step tells its workflow: the row as the step left it."""

    status: S
    reference: str | None


@dataclass(slots=True)
class Inquiry:
    payment_id: str
    reference: str | None
    closing: bool
    intent: S
    since: float | None = None
    at_once: bool = False


@dataclass(slots=True)
class _Attempt:
    payment: Payment
    account: str
    alternatives: tuple[str, ...]
    call: Call
    certain: bool


class Saga:
    """What the steps work with: the books, the companies, and who is told to go on."""

    def __init__(
        self, clock: Clock, books: Books, companies: dict[str, Company], design: "Design", laws: "Invariants"
    ) -> None:
        self.clock, self.books, self.companies = clock, books, companies
        self.design, self.laws = design, laws
        self.start_refund: Callable[[Refund], None] = lambda _: None
        self.on_dead: Callable[[Letter], None] = lambda _: None
        self.on_refund: Callable[[Refund], None] = lambda _: None
        """A refund is on record: the sweep will see to it, whoever dies now."""

    # Opening ----------------------------------------------------------------------------------

    def open_checkout(self, payment_id: str) -> Step:
        payment = self.books.payments[payment_id]
        if payment.status is not S.CREATED:
            return Progress(payment.status, payment.reference)
        company = self.companies[payment.account]
        made_at = self.clock.now
        call = self.books.calling_checkout(payment)
        attempt = _Attempt(payment, payment.account, payment.alternatives, call, certain=call.first)
        yield "after a commit"
        try:
            if self.clock.now >= payment.expires_at:
                raise _TOO_LATE
            reference = yield from self._checkout(company, attempt, made_at)
        except ProviderError as trouble:
            return (yield from self._without(attempt, trouble))
        return (yield from self._opened(payment, reference))

    def _checkout(self, company: Company, attempt: _Attempt, made_at: float) -> Step:
        payment, call, manners = attempt.payment, attempt.call, company.manners
        if not call.first and manners.searchable and self.design.searches:
            self.clock.met["searched before resending"] += 1
            found = yield from self._find(company, payment.id, made_at)
            if found.words.word is not Word.ABSENT:
                if found.words.reference is None:
                    raise OutcomeUnknown("The provider knows a checkout, and does not say where.")
                return found.words.reference
            attempt.certain = True
        elif not call.first and not (call.key_lives and manners.idempotent) and self.design.searches:
            self.clock.met["nobody can be asked"] += 1
            raise OutcomeUnknown("A second request could make a second checkout, and nobody can be asked.")
        session = yield from company.asked(
            made_at,
            lambda: company.create(payment.id, payment.ordered, payment.expires_at),
            manners.trouble_creating,
            write=True,
        )
        return session.name

    def _without(self, attempt: _Attempt, trouble: ProviderError) -> Step:
        payment, call = attempt.payment, attempt.call
        unknown = isinstance(trouble, OutcomeUnknown)
        certain = self.design.is_certain(attempt.certain, unknown)
        over = trouble is _TOO_LATE or isinstance(trouble, ProviderRejected)
        if not self.books.held(call):
            self.clock.met["a no not believed"] += 1
            raise OutcomeUnknown("Somebody else has taken over, and says how it ends.") from trouble
        other = None
        if certain and trouble is not _TOO_LATE and attempt.alternatives:
            other = attempt.alternatives[0]
        if other is not None:
            self.clock.met["failover"] += 1
            self.clock.tell("turns to another provider", payment.id, other)
            self.books.absent(call)
            self.books.turn_to(payment, other, attempt.alternatives)
            self.books.note(payment, f"failover:{payment.id}:{attempt.account}", "payment.failover")
        elif not (over and certain):
            self.books.ended(call, for_nothing=not unknown)
        yield "after a commit"
        if other is not None:
            return (yield from self.open_checkout(payment.id))
        if over:
            return (yield from self._not_opened(attempt, certain=certain))
        raise trouble

    def _not_opened(self, attempt: _Attempt, *, certain: bool) -> Step:
        word = Word.FAILED if certain else Word.UNCLEAR
        cause = f"refused:{attempt.account}:{attempt.call.number}"
        said = Said(words(word, Channel.CREATE, None, None, None), cause)
        leave = attempt.call if certain else None
        return (yield from self.settle(attempt.payment.id, said, leave=leave))

    def _opened(self, payment: Payment, reference: str) -> Step:
        yield "before the transaction"
        if self.books.opened(payment, reference):
            self.books.note(payment, f"opened:{reference}", EVENT_OF[payment.status])
            self.clock.tell("payment is open", payment.id, reference)
            self.laws.after(payment)
        progress = Progress(payment.status, payment.reference)
        yield "after a commit"
        return progress

    # Asking -----------------------------------------------------------------------------------

    def close_checkout(self, inquiry: Inquiry) -> Step:
        said = yield from self._look(inquiry)
        return (yield from self.settle(inquiry.payment_id, said, inquiry.intent))

    def ask(self, inquiry: Inquiry, activity: Activity) -> Step:
        first = activity.number == 1 and not inquiry.at_once
        since = activity.scheduled_at if inquiry.since is None else inquiry.since
        asked_for = timedelta(seconds=activity.started_at - since)
        marks, afterwards = (RESOLVING, _DAY) if inquiry.closing else (WAITING, _HOUR)
        pause = next_question(marks, afterwards, asked_for)
        if first:
            raise NotYet("It is too early to ask.", retry_after=pause)
        try:
            said = yield from self._look(inquiry)
        except Refusal as error:
            return self._go_on(inquiry, asked_for, pause, f"No answer: {error}")
        never_was = said.words.word is Word.ABSENT and inquiry.closing and said.words.reference is None
        if said.words.word not in _SETTLING and not never_was:
            return self._go_on(inquiry, asked_for, pause, f"The provider says: {said.words.raw_state}.")
        return (yield from self.settle(inquiry.payment_id, said, inquiry.intent))

    def _go_on(self, inquiry: Inquiry, asked_for: timedelta, pause: int, why: str) -> Progress:
        if not inquiry.closing or asked_for < ASKED_FOR:
            raise NotYet(why, retry_after=pause)
        self.clock.met["given up asking"] += 1
        payment = self.books.payments[inquiry.payment_id]
        return Progress(payment.status, payment.reference)

    def _look(self, inquiry: Inquiry) -> Step:
        payment = self.books.payments[inquiry.payment_id]
        company = self.companies[payment.account]
        made_at = self.clock.now
        reference = inquiry.reference or payment.reference
        if reference is None and self.books.being_made(inquiry.payment_id):
            self.clock.met["too early to be absent"] += 1
            raise NotYet("Somebody is still asking for the checkout.", retry_after=5)
        if reference is None:
            found = yield from self._find(company, payment.id, made_at)
            if not inquiry.closing or found.words.word is not Word.OPEN or found.words.reference is None:
                return found
            reference = found.words.reference
        named, trouble = reference, company.manners.trouble_asking
        if inquiry.closing:
            return (yield from company.asked(made_at, lambda: company.close(named), trouble, write=True))
        return (yield from company.asked(made_at, lambda: company.read(named), trouble, write=False))

    @staticmethod
    def _find(company: Company, payment_id: str, made_at: float) -> Step:
        trouble = company.manners.trouble_asking
        return company.asked(made_at, lambda: company.find(payment_id), trouble, write=False)

    # Settling ---------------------------------------------------------------------------------

    def settle(
        self,
        payment_id: str,
        said: Said,
        intent: S = S.EXPIRED,
        letter: Letter | None = None,
        leave: Call | None = None,
    ) -> Step:
        yield "before the transaction"
        if letter is not None and letter.poisonous:
            letter.poisonous -= 1
            self.clock.met["letter stumbled"] += 1
            if self.books.stumbled(letter, "poison"):
                self.on_dead(letter)
            raise Poisonous("an event could not take effect")
        payment = self.books.payments[payment_id]
        if leave is not None and not self.books.absent(leave):
            self.clock.met["a no not believed"] += 1
            return Progress(payment.status, payment.reference)
        verdict = self.design.decide(self._standing(payment, said.words), said.words, intent)
        refund = self._write_down(payment, said, verdict, letter)
        self.laws.after(payment)
        progress = Progress(payment.status, payment.reference)
        yield "after a commit"
        if refund is not None:
            self.start_refund(refund)
        return progress

    def _standing(self, payment: Payment, said: Observation) -> Standing:
        late = payment.status in ENDED and said.word is Word.PAID
        return self.design.standing(
            payment.ordered,
            payment.status,
            payment.reference,
            payment.captured,
            self.laws.policy if late else LatePolicy.REFUND,
            free=not late or self.books.order_is_free(payment),
        )

    def _write_down(
        self, payment: Payment, said: Said, verdict: Verdict, letter: Letter | None
    ) -> Refund | None:
        before = payment.status
        captured = said.words.captured if said.words.word is Word.PAID else None
        moved = self.books.move(
            payment, verdict, captured=captured, reference=said.words.reference, cause=said.cause
        )
        self.clock.tell(
            "settled",
            payment.id,
            f"{said.cause} says {said.words.word}: {verdict.note}, now {payment.status}",
        )
        self.laws.carried_out(payment, before, verdict, moved=moved)
        if letter is not None:
            self._file(letter, verdict)
        if not moved:
            if verdict.note != ECHO:
                self.books.note(payment, said.cause, f"payment.{verdict.note}")
            self.clock.met[f"note {verdict.note}"] += 1
            return None
        if captured is not None:
            self.books.post_capture(payment, captured)
        refund = self._consequences(payment, verdict, Origin.LATE_MONEY)
        type_ = EVENT_OF[verdict.to] if verdict.to else "payment.late_succeeded"
        self.books.note(payment, said.cause, type_)
        if verdict.late:
            self.clock.met[f"late money, {verdict.note}"] += 1
        if verdict.to is not None:
            self.clock.met[f"became {verdict.to}"] += 1
        return refund

    def _file(self, letter: Letter, verdict: Verdict) -> None:
        if verdict.note == TOO_EARLY:
            return
        if verdict.note in FOR_A_PERSON:
            self.clock.met["quarantined"] += 1
            self.books.quarantine(letter, verdict.note)
        else:
            self.books.processed(letter, verdict.note)

    def _consequences(self, payment: Payment, verdict: Verdict, origin: Origin) -> Refund | None:
        if verdict.to is S.SUCCEEDED:
            self.books.grant(payment)
        if not verdict.give_back or payment.captured is None:
            return None
        refund = self.books.request(payment, origin, payment.captured, origin)
        self.on_refund(refund)
        return refund

    def rule(self, payment_id: str, choice: Choice, cause: str) -> Step:
        yield "before the transaction"
        payment = self.books.payments[payment_id]
        verdict = self.design.rule(payment.status, choice)
        accepted_by = "operator" if choice is Choice.ACCEPT else None
        moved = self.books.move(payment, verdict, accepted_by=accepted_by, cause=cause)
        self.laws.carried_out(payment, S.REVIEW, verdict, moved=moved)
        self.clock.tell("operator's decision", payment.id, choice, verdict.note)
        refund = None
        if moved:
            self.clock.met[f"ruled {choice}"] += 1
            if payment.status is S.SUCCEEDED and payment.captured is not None:
                self.books.post_accepted(payment, payment.captured)
            refund = self._consequences(payment, verdict, Origin.REVIEW)
        self.books.note(payment, cause, EVENT_OF[verdict.to] if verdict.to else f"payment.{verdict.note}")
        self.laws.after(payment)
        yield "after a commit"
        if refund is not None:
            self.start_refund(refund)
        return payment.status
