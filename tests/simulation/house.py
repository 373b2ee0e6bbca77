"""The house around the steps: the inbox and its drain, the sweeps, and Temporal, which may be away."""

from typing import Final

from domain.payment import ENDED, OPEN
from domain.payment import PaymentStatus as S
from domain.refund import UNSETTLED
from domain.tenant import LatePolicy
from domain.verdicts import ECHO, Choice
from tests.simulation.books import Books
from tests.simulation.clock import Activity, Attempt, Clock, Step
from tests.simulation.company import Company
from tests.simulation.design import Design
from tests.simulation.giving_back import GivingBack
from tests.simulation.invariants import Invariants
from tests.simulation.rows import Letter, Payment, Refund
from tests.simulation.runs import Heard, LateRun, PaymentRun
from tests.simulation.saga import Saga
from tests.simulation.truth import Event
from workflows import policies

_FOREVER: Final = float("inf")
_ROUND: Final = 1.0
_UNSTARTED_AFTER: Final = 3.0
_FORGOTTEN_AFTER: Final = 120.0
_WAITING: Final = frozenset({"RECEIVED", "UNMATCHED"})


class House:
    def __init__(self, clock: Clock, companies: dict[str, Company], design: Design) -> None:
        self.clock, self.companies, self.design = clock, companies, design
        self.books: Books = design.books(clock, design.sources, design.refund_sources)
        self.laws = Invariants(clock, self.books, companies)
        self.saga: Saga = design.saga(clock, self.books, companies, design, self.laws)
        self.giving_back = GivingBack(clock, self.books, companies, design, self.laws)
        for steps in (self.saga, self.giving_back):
            steps.start_refund = self.start_refund
            steps.on_refund = self.look_after_refund
        self.saga.on_dead = self.retry
        self.runs: dict[str, PaymentRun] = {}
        self.lates: dict[str, LateRun] = {}
        self.refunding: dict[str, Activity] = {}
        self.away = 0.0
        """How often Temporal does not answer."""
        self.poison = 0.0
        for company in companies.values():
            company.fresh = design.fresh
            company.on_event = self.hear
            company.on_session = self.laws.made

    # Payments ---------------------------------------------------------------------------------

    def place(self, payment: Payment) -> bool:
        if not self.books.place(payment):
            return False
        self.clock.tell("order placed", payment.id, payment.ordered, payment.account, payment.alternatives)
        if self.clock.chance(self.away):
            self.clock.met["not started at once"] += 1
        else:
            self.start(payment)
        self._look_after(payment)
        return True

    def start(self, payment: Payment) -> PaymentRun | None:
        """The run that there is, or a new one in place of none or a lost one. None: it has completed."""
        run = self.runs.get(payment.id)
        if run is not None and run.process.completed:
            return None
        if run is None or not run.process.alive:
            run = self.runs[payment.id] = PaymentRun(self, payment)
        return run

    def _look_after(self, payment: Payment) -> None:
        """``Sweeps.start_orders``: the next time that this payment could be found neglected."""
        if payment.status is S.CREATED:
            due = max(payment.created_at + _UNSTARTED_AFTER, self.clock.now)
        else:
            due = max(payment.expires_at + _FORGOTTEN_AFTER, self.clock.now)
        self.clock.at(due + _ROUND * self.clock.dice.random(), lambda: self._sweep(payment))

    def _sweep(self, payment: Payment) -> None:
        run = self.runs.get(payment.id)
        if payment.status not in OPEN or (run is not None and (run.process.alive or run.process.completed)):
            return
        forgotten = payment.expires_at + _FORGOTTEN_AFTER <= self.clock.now
        if (payment.status is S.CREATED or forgotten) and not self.clock.chance(self.away):
            self.clock.tell("sweep starts", payment.id)
            self.clock.met["swept"] += 1
            self.start(payment)
        else:
            self.clock.after(_ROUND, lambda: self._look_after(payment))

    def lose_run(self, payment: Payment) -> None:
        """Temporal's store is gone; the books are not."""
        run, late = self.runs.get(payment.id), self.lates.get(payment.id)
        if run is not None and run.process.alive:
            self.clock.tell("workflow lost", payment.id)
            self.clock.met["workflow lost"] += 1
            run.lose()
            self._look_after(payment)
        if late is not None and late.process.alive:
            late.lose()
        for refund in self.books.refunds.values():
            activity = self.refunding.get(refund.id)
            if refund.payment_id == payment.id and activity is not None and not activity.over:
                activity.cancel()
                self.look_after_refund(refund)

    def cancel(self, payment: Payment) -> None:
        if payment.status not in OPEN or self.clock.chance(self.away):
            return
        run = self.start(payment)
        if run is not None:
            self.clock.tell("tenant cancels", payment.id)
            self.clock.met["cancel asked"] += 1
            run.cancelling = True
            run.process.poke()

    def nudge(self, payment: Payment) -> None:
        if payment.status is S.UNKNOWN and not self.clock.chance(self.away):
            run = self.start(payment)
            if run is not None:
                self.clock.met["nudged"] += 1
                run.nudged = True
                run.process.poke()

    # What is reported -------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """A provider's webhook arrives; a receiver that dies leaves it to be sent again."""
        Attempt(self.clock, "receive", _FOREVER).begin(self._receive(event))

    def _receive(self, event: Event) -> Step:
        yield "before the event is stored"
        letter = self.books.receive(event.account, event.said)
        news = False
        if letter is not None:
            if letter.attempts == 0 and not letter.watched and self.clock.chance(self.poison):
                letter.poisonous = 9 if self.clock.dice.random() < 0.3 else 1
            self._watch(letter)
            if letter.payment_id is not None:
                payment = self.books.payments[letter.payment_id]
                known, news = payment.status, not self._is_echo(letter, payment)
        yield "before the event is acknowledged"
        event.acknowledged = True
        yield "before the event is passed on"
        if news and letter is not None and not self.clock.chance(self.away):
            self._report(payment, known, letter)

    def _is_echo(self, letter: Letter, payment: Payment) -> bool:
        if payment.status not in ENDED:
            return False
        standing = self.design.standing(
            payment.ordered,
            payment.status,
            payment.reference,
            payment.captured,
            LatePolicy.REFUND,
            free=True,
        )
        verdict = self.design.decide(standing, letter.said.words, S.EXPIRED)
        if verdict.note != ECHO:
            return False
        self.clock.met["echo"] += 1
        self.books.processed(letter, verdict.note)
        return True

    def _report(self, payment: Payment, known: S, letter: Letter) -> bool:
        """``messages.report``; False when Temporal refuses, which the next round of the drain meets anew."""
        run = self.runs.get(payment.id)
        if run is None or not run.process.alive:
            if known not in OPEN:
                self._tell_late(payment, (letter.said, letter))
                return True
            run = self.start(payment)
            if run is None:
                return False
        if letter.said.cause in run.heard:
            self.clock.met["signal heard once"] += 1
            return True
        run.heard.add(letter.said.cause)
        run.reports.append((letter.said, letter))
        run.process.poke()
        return True

    def _tell_late(self, payment: Payment, heard: Heard) -> None:
        late = self.lates.get(payment.id)
        if late is None or not late.process.alive:
            late = self.lates[payment.id] = LateRun(self, payment.id)
        late.heard.append(heard)
        late.process.poke()

    def rule(self, payment: Payment, choice: Choice) -> None:
        cause = f"ruling:{len(self.laws.rulings) + 1}"
        self.laws.rulings.add(cause)
        self._tell_late(payment, (choice, cause))

    def retry(self, letter: Letter) -> None:
        """An operator puts a dead event back in line, once what ailed it is mended."""

        def mended() -> None:
            letter.poisonous = 0
            self.books.retry(letter)
            self._watch(letter)

        self.clock.after(86_400.0, mended)

    def _watch(self, letter: Letter) -> None:
        if not letter.watched:
            letter.watched = True
            self.clock.at(letter.due_at + _ROUND * self.clock.dice.random(), lambda: self._drain(letter))

    def _drain(self, letter: Letter) -> None:
        """One round of ``Sweeps.drain_inbox`` for one letter."""
        letter.watched = False
        if letter.state not in _WAITING:
            return
        if letter.due_at <= self.clock.now:
            self.clock.met["drained"] += 1
            Attempt(self.clock, "drain", _FOREVER).begin(self._pass_on(letter))
            letter.watched = True
            self.clock.after(_ROUND, lambda: self._drain(letter))
        else:
            self._watch(letter)

    def _pass_on(self, letter: Letter) -> Step:
        self.books.match(letter)
        known = None
        if letter.payment_id is not None:
            payment = self.books.payments[letter.payment_id]
            known = payment.status
            if self._is_echo(letter, payment):
                return
        if known is None:
            return
        yield "before the letter is passed on"
        if self.clock.chance(self.away) or not self._report(payment, known, letter):
            return
        yield "before that is noted"
        self.books.passed_on(letter)

    # Refunds ----------------------------------------------------------------------------------

    def start_refund(self, refund: Refund) -> None:
        if not self.clock.chance(self.away):
            self._run_refund(refund)

    def _run_refund(self, refund: Refund) -> None:
        running = self.refunding.get(refund.id)
        if running is None or running.over:
            steps, since = self.giving_back, self.clock.now
            self.refunding[refund.id] = Activity(
                self.clock,
                "refund",
                lambda activity: steps.carry_out(refund.id, since, activity),
                policies.PATIENT,
                lambda: None,
            )

    def look_after_refund(self, refund: Refund) -> None:
        """``Sweeps.start_refunds``."""
        self.clock.after(
            _UNSTARTED_AFTER + _ROUND * self.clock.dice.random(), lambda: self._sweep_refund(refund)
        )

    def _sweep_refund(self, refund: Refund) -> None:
        if refund.state not in UNSETTLED:
            return
        if self.clock.chance(self.away):
            self.look_after_refund(refund)
        else:
            self.clock.met["refund swept"] += 1
            self._run_refund(refund)
