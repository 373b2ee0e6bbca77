"""Rules and guards with one thing wrong, for the simulator to find.

``RULES`` are wrong in ``domain``. ``GUARDS`` are wrong in what storage and steps do: they live in our own
picture of those, and say nothing of the originals; ``tests/mutants`` does.
"""

from collections.abc import Callable
from itertools import count
from typing import Any, Final

from domain import payment, refund, verdicts
from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.payment import ENDED
from domain.payment import PaymentStatus as S
from domain.refund import RefundObservation, RefundState, RefundVerdict, RefundWord
from domain.tenant import LatePolicy
from domain.verdicts import Choice, Standing, Verdict
from tests.simulation.books import Books
from tests.simulation.clock import Step
from tests.simulation.company import Company
from tests.simulation.design import Design
from tests.simulation.history import play
from tests.simulation.rows import Call, Called, Letter, Payment, Refund
from tests.simulation.saga import Inquiry, Saga
from tests.simulation.sayings import Said

Decide = Callable[[Standing, Observation, S], Verdict]


def as_if(**facts: Any) -> Decide:
    """The rule, blind to what is really so."""

    def decide(standing: Standing, said: Observation, intent: S) -> Verdict:
        return verdicts.decide(standing.model_copy(update=facts), said, intent)

    return decide


def but(when: Callable[[Standing, Observation], bool], verdict: Verdict) -> Decide:
    """The rule, and one case decided wrongly."""

    def decide(standing: Standing, said: Observation, intent: S) -> Verdict:
        return verdict if when(standing, said) else verdicts.decide(standing, said, intent)

    return decide


def _any_money_will_do(standing: Standing, said: Observation, intent: S) -> Verdict:
    paid = said.word is Word.PAID and said.captured is not None
    return verdicts.decide(
        standing.model_copy(update={"ordered": said.captured}) if paid else standing, said, intent
    )


def _any_checkout_will_do(standing: Standing, said: Observation, intent: S) -> Verdict:
    return verdicts.decide(standing, said.model_copy(update={"reference": standing.reference}), intent)


def _terminal_regresses(to: S, *, late: bool = False) -> list[S]:
    return [*payment.sources(to, late=late), *([S.SUCCEEDED] if to is S.FAILED else [])]


def _accepts_whatever_stands(_status: S, choice: Choice) -> Verdict:
    return verdicts.rule(S.REVIEW, choice)


def _keeps_what_it_gives_back(status: S, choice: Choice) -> Verdict:
    return verdicts.rule(status, choice).model_copy(update={"give_back": False})


def _silence_is_failure(state: RefundState, asked: Money, said: RefundObservation) -> RefundVerdict:
    if said.word is RefundWord.UNCLEAR and state in refund.UNSETTLED:
        return RefundVerdict(to=RefundState.FAILED, note="failed")
    return refund.decide_refund(state, asked, said)


def _absence_is_failure(state: RefundState, asked: Money, said: RefundObservation) -> RefundVerdict:
    if said.word in {RefundWord.UNCLEAR, RefundWord.PENDING} and state in refund.UNSETTLED:
        return RefundVerdict(to=RefundState.SUCCEEDED, note="succeeded")
    return refund.decide_refund(state, asked, said)


RULES: Final[dict[str, Design]] = {
    "a time-out at the close is the end": Design(
        decide_on=but(
            lambda standing, said: (
                standing.status is S.PROVIDER_PENDING
                and (said.word, said.channel) == (Word.UNCLEAR, Channel.CLOSE)
            ),
            Verdict(to=S.EXPIRED, note="expired"),
        )
    ),
    "a time-out at the create is a failure": Design(
        decide_on=but(
            lambda standing, said: (
                standing.status is S.CREATED and (said.word, said.channel) == (Word.UNCLEAR, Channel.CREATE)
            ),
            Verdict(to=S.FAILED, note="failed"),
        )
    ),
    "failed may overwrite succeeded": Design(
        decide_on=but(
            lambda standing, said: (standing.status, said.word) == (S.SUCCEEDED, Word.FAILED),
            Verdict(to=S.FAILED, note="failed"),
        ),
        sources=_terminal_regresses,
    ),
    "late money is refunded though it is captured already": Design(
        decide_on=but(
            lambda standing, said: standing.status in ENDED and said.word is Word.PAID,
            Verdict(note="late_money", late=True, give_back=True),
        )
    ),
    "whatever was captured is forgotten": Design(decide_on=as_if(captured=None)),
    "any amount is a success": Design(decide_on=_any_money_will_do),
    "an order is paid twice": Design(decide_on=as_if(order_is_free=True)),
    "late money is always taken": Design(decide_on=as_if(late_policy=LatePolicy.ACCEPT)),
    "any checkout will do": Design(decide_on=_any_checkout_will_do),
    "a checkout that is denied has failed": Design(
        decide_on=but(
            lambda standing, said: standing.status is S.PROVIDER_PENDING and said.word is Word.ABSENT,
            Verdict(to=S.FAILED, note="absent"),
        )
    ),
    "a sum that nobody names is an echo": Design(
        decide_on=but(
            lambda standing, said: (
                standing.status in ENDED
                and standing.captured is None
                and (said.word, said.captured) == (Word.PAID, None)
            ),
            Verdict(note=verdicts.ECHO),
        )
    ),
    "what nobody understands is an echo": Design(
        decide_on=but(
            lambda standing, said: (
                standing.status in ENDED and (said.word, said.channel) == (Word.UNCLEAR, Channel.WEBHOOK)
            ),
            Verdict(note=verdicts.ECHO),
        )
    ),
    "a create's answer undoes a checkout": Design(
        decide_on=but(
            lambda standing, said: standing.status is S.PROVIDER_PENDING and said.channel is Channel.CREATE,
            Verdict(to=S.UNKNOWN, note="unclear"),
        )
    ),
    "an operator decides about what is not under review": Design(rule=_accepts_whatever_stands),
    "an operator's refund keeps the money": Design(rule=_keeps_what_it_gives_back),
    "a refund fails by silence": Design(decide_refund=_silence_is_failure),
    "a refund succeeds by silence": Design(decide_refund=_absence_is_failure),
}


class DedupeOnSeen(Books):
    def receive(self, account: str, said: Said) -> Letter | None:
        seen = (account, said.cause) in self.letters
        letter = super().receive(account, said)
        return None if seen else letter


class EffectAfterProcessed(Saga):
    def settle(
        self,
        payment_id: str,
        said: Said,
        intent: S = S.EXPIRED,
        letter: Letter | None = None,
        leave: Call | None = None,
    ) -> Step:
        if letter is not None:
            self.books.processed(letter, "on its way")
        return (yield from super().settle(payment_id, said, intent, letter, leave))


class NoReservation(Books):
    def request(self, payment: Payment, name: str, amount: Money, origin: str) -> Refund:
        before, payment.refund_reserved = payment.refund_reserved, 0
        made = super().request(payment, name, amount, origin)
        payment.refund_reserved = max(before, payment.refund_reserved)
        return made


class NoLease(Books):
    def _busy(self, row: Called) -> bool:  # noqa: ARG002
        return False


class EveryCallIsTheFirst(Books):
    def _leave(self, row: Called) -> Call:
        call = super()._leave(row)
        call.first = True
        return call


class BelievesSleepers(Books):
    """A "no" counts, whoever asks by now."""

    @staticmethod
    def held(call: Call) -> bool:  # noqa: ARG004
        return True

    @staticmethod
    def absent(call: Call) -> bool:
        call.number = call.row.attempts
        Books.absent(call)
        return True


class BelievesSleepersOnRefunds(Books):
    @staticmethod
    def ended(call: Call, *, for_nothing: bool) -> bool:
        return Books.ended(call, for_nothing=for_nothing) or isinstance(call.row, Refund)


class ForgetsWhoIsCalling(Books):
    def being_made(self, payment_id: str) -> bool:  # noqa: ARG002
        return False


class ExpiresUnasked(Saga):
    """The end of time is the end of the payment, whatever the provider would say."""

    def close_checkout(self, inquiry: Inquiry) -> Step:
        company: Company = self.companies[self.books.payments[inquiry.payment_id].account]
        said = company.utter(Word.EXPIRED, inquiry.payment_id, inquiry.reference, None)
        return (yield from self.settle(inquiry.payment_id, said, inquiry.intent))


class GrantsLateMoney(Saga):
    def _consequences(self, payment: Payment, verdict: Verdict, origin: Any) -> Refund | None:
        refund = super()._consequences(payment, verdict, origin)
        if verdict.late and verdict.to is None:
            self.books.grant(payment)
        return refund


def _certain_though_unknown(certain: bool, unknown: bool) -> bool:  # noqa: ARG001, FBT001
    return certain


def _always_certain(certain: bool, unknown: bool) -> bool:  # noqa: FBT001
    return certain or not unknown


GUARDS: Final[dict[str, Design]] = {
    "an event is processed before it takes effect": Design(saga=EffectAfterProcessed),
    "an event that was seen is swallowed": Design(books=DedupeOnSeen),
    "a request is sent again without a search": Design(searches=False),
    "another provider is asked after an unknown outcome": Design(is_certain=_certain_though_unknown),
    "every no is certain": Design(is_certain=_always_certain),
    "earlier calls are forgotten": Design(books=EveryCallIsTheFirst),
    "a sleeper still sends": Design(fresh=float("inf")),
    "nothing is reserved for a refund": Design(books=NoReservation),
    "a payment expires unasked": Design(saga=ExpiresUnasked),
    "late money is granted for": Design(saga=GrantsLateMoney),
}

INTERLEAVED: Final[dict[str, Design]] = {
    "a sleeper's no is believed": Design(books=BelievesSleepers),
    "a sleeper's no to a refund is believed": Design(books=BelievesSleepersOnRefunds),
    "nobody waits for leave to call": Design(books=NoLease),
    "absence is believed while somebody calls": Design(books=ForgetsWhoIsCalling),
    "a create's answer undoes a checkout": RULES["a create's answer undoes a checkout"],
}
"""These need two attempts at once, which chance seldom brings: every order of the two is tried."""


def how_soon(design: Design) -> int:
    """After how many histories it is found."""
    return next(seed for seed in count() if play(seed, design).breach) + 1


if __name__ == "__main__":
    for where, designs in {"domain": RULES, "guards": GUARDS}.items():
        for name, design in designs.items():
            print(f"{how_soon(design):>6} histories  {where}: {name}")  # noqa: T201
