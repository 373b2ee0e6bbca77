"""What is said of a payment may come in any order, and any of it twice: each scenario ends as it must.

Every permutation of a scenario's events is played, and after it some of them, or all, once more.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, combinations, permutations
from random import Random
from typing import Final, NamedTuple

import pytest

from domain.evidence import Channel, Word
from domain.money import Money
from domain.payment import PaymentStatus as S
from domain.refund import RefundWord
from domain.tenant import LatePolicy
from domain.verdicts import Choice
from tests.simulation.clock import Clock, Step
from tests.simulation.company import Company
from tests.simulation.design import Design
from tests.simulation.house import House
from tests.simulation.rows import Payment
from tests.simulation.sayings import RefundSaid, Said, money, refund_words, words
from tests.simulation.truth import Manners

ORDERED, OTHER = money(500), money(499)
REFERENCE: Final = "alpha:cs_1"
DESIGN: Final = Design()


class End(NamedTuple):
    status: S
    entitled: bool = False
    back: tuple[int, ...] = ()
    """The sums of the refunds that were written down."""


class Bench:
    """One open payment, and steps that are led to their end one after the other."""

    def __init__(self, policy: LatePolicy) -> None:
        clock = Clock(Random(0))
        company = Company("alpha", clock, Manners())
        self.house = House(clock, {"alpha": company}, DESIGN)
        self.house.laws.policy = policy
        self.payment = Payment("pay_1", "order", ORDERED, "alpha", (), 0.0, 900.0)
        self.house.books.place(self.payment)
        session = company.create("pay_1", ORDERED, 900.0)
        self.house.books.opened(self.payment, session.name)
        self.company = company
        self.intent = S.EXPIRED

    def hear(self, word: Word, cause: str, captured: Money | None = None) -> None:
        """An event by way of the inbox, which swallows it once it has taken effect."""
        said = Said(words(word, Channel.WEBHOOK, "pay_1", REFERENCE, captured), cause)
        session = self.company.sessions[0]
        session.denied = True
        self.company.uttered.add(cause)
        if word is Word.PAID and session.captured is None:
            session.captured = captured
        letter = self.house.books.receive("alpha", said)
        if letter is not None:
            lead(self.house.saga.settle("pay_1", said, self.intent, letter))

    def rule(self, choice: Choice, cause: str) -> None:
        self.house.laws.rulings.add(cause)
        lead(self.house.saga.rule("pay_1", choice, cause))

    def cancel(self) -> None:
        """The tenant wants it closed, and the company has closed it."""
        self.intent = S.CANCELLED
        self.hear(Word.EXPIRED, "closed")

    def wish(self, name: str, amount: int) -> None:
        if f"ref_pay_1_{name}" not in self.house.books.refunds:
            lead(self.house.giving_back.give_back("pay_1", name, money(amount)))

    def hear_of_refund(self, name: str, word: RefundWord) -> None:
        refund = self.house.books.refunds.get(f"ref_pay_1_{name}")
        if refund is None:
            return
        reference = None if word in {RefundWord.ABSENT, RefundWord.UNCLEAR} else "alpha:re_1"
        said = RefundSaid(
            refund_words(word, reference, refund.amount if reference else None), f"{name}:{word}"
        )
        call = self.house.books.calling_refund(refund) if refund.state in {"PENDING", "UNKNOWN"} else None
        if call is not None:
            lead(self.house.giving_back._note(refund, call, said, for_nothing=False))

    @property
    def end(self) -> End:
        self.house.laws.after(self.payment)
        assert {letter.state for letter in self.house.books.letters.values()} <= {"PROCESSED", "QUARANTINED"}
        back = tuple(refund.amount.amount_minor for refund in self.house.books.refunds.values())
        return End(self.payment.status, self.house.books.entitled(self.payment), back)


def lead(step: Step) -> None:
    for _ in step:
        pass


Act = Callable[[Bench], None]
OPEN: Final[dict[str, Act]] = {
    "open": lambda bench: bench.hear(Word.OPEN, "open"),
    "declined": lambda bench: bench.hear(Word.ATTEMPT_FAILED, "declined"),
    "processing": lambda bench: bench.hear(Word.PROCESSING, "processing"),
    "mumbled": lambda bench: bench.hear(Word.UNCLEAR, "mumbled"),
}
PAID: Final[dict[str, Act]] = {"paid": lambda bench: bench.hear(Word.PAID, "paid", ORDERED)}
PAID_AGAIN: Final[dict[str, Act]] = {"paid again": lambda bench: bench.hear(Word.PAID, "paid again", ORDERED)}
OTHER_PAID: Final[dict[str, Act]] = {"other paid": lambda bench: bench.hear(Word.PAID, "other paid", OTHER)}
FAILED: Final[dict[str, Act]] = {"failed": lambda bench: bench.hear(Word.FAILED, "failed")}
EXPIRED: Final[dict[str, Act]] = {"expired": lambda bench: bench.hear(Word.EXPIRED, "expired")}
GIVEN_UP: Final[dict[str, Act]] = {"given up": lambda bench: bench.hear(Word.CANCELLED, "given up")}
CANCEL: Final[dict[str, Act]] = {"cancel": lambda bench: bench.cancel()}
ACCEPT: Final[dict[str, Act]] = {"accept": lambda bench: bench.rule(Choice.ACCEPT, "ruling 1")}
REFUND: Final[dict[str, Act]] = {"refund": lambda bench: bench.rule(Choice.REFUND, "ruling 2")}


def first(order: tuple[str, ...], *names: str) -> str:
    return next(name for name in order if name in names)


PAID_IN_FULL: Final = End(S.SUCCEEDED, entitled=True)
WITHOUT_MONEY: Final = {
    "failed": S.FAILED,
    "expired": S.EXPIRED,
    "given up": S.CANCELLED,
    "cancel": S.CANCELLED,
}


def closed_as(order: tuple[str, ...], *names: str) -> S:
    """What the first of these makes of it."""
    return WITHOUT_MONEY[first(order, *names)]


def paid_or_too_late(policy: LatePolicy, *ends: str) -> Callable[[tuple[str, ...]], End]:
    """The first decisive word stands; money after it goes the way of the tenant's policy."""

    def right(order: tuple[str, ...]) -> End:
        if first(order, "paid", "paid again", *ends).startswith("paid"):
            return PAID_IN_FULL
        status = closed_as(order, *ends)
        if policy is LatePolicy.REFUND or status is S.FAILED:
            return End(status, back=(500,))
        return PAID_IN_FULL if policy is LatePolicy.ACCEPT else End(S.REVIEW)

    return right


@dataclass(frozen=True)
class Scenario:
    acts: dict[str, Act]
    right: Callable[[tuple[str, ...]], End]
    policy: LatePolicy = LatePolicy.REFUND
    before: tuple[Act, ...] = ()


def _reviewed(order: tuple[str, ...]) -> End:
    """Other money waits for a person; a person's word before there is any means nothing."""
    rulings = [name for name in order[order.index("other paid") :] if name in {"accept", "refund"}]
    if not rulings:
        return End(S.REVIEW)
    return PAID_IN_FULL if rulings[0] == "accept" else End(S.FAILED, back=(499,))


def _other_money(order: tuple[str, ...]) -> End:
    return PAID_IN_FULL if first(order, "paid", "other paid") == "paid" else End(S.REVIEW)


def _given_back(order: tuple[str, ...]) -> End:
    """300 of 500 may go back once; again only when the first attempt at it has failed."""
    reserved, waiting, asked = 0, set[str](), list[str]()
    for name in order:
        who, word = name.split()
        if word == "wanted" and who not in asked and reserved + 300 <= 500:
            reserved += 300
            waiting.add(who)
            asked.append(who)
        elif word in {"succeeds", "fails"} and who in waiting:
            waiting.remove(who)
            reserved -= 300 if word == "fails" else 0
    return End(S.SUCCEEDED, entitled=True, back=(300,) * len(asked))


GIVEN_BACK: Final[dict[str, Act]] = {
    "A wanted": lambda bench: bench.wish("A", 300),
    "B wanted": lambda bench: bench.wish("B", 300),
    "A mumbled": lambda bench: bench.hear_of_refund("A", RefundWord.UNCLEAR),
    "A fails": lambda bench: bench.hear_of_refund("A", RefundWord.FAILED),
    "A succeeds": lambda bench: bench.hear_of_refund("A", RefundWord.SUCCEEDED),
    "B fails": lambda bench: bench.hear_of_refund("B", RefundWord.FAILED),
}

SCENARIOS: Final[dict[str, Scenario]] = {
    "paid": Scenario(OPEN | PAID | PAID_AGAIN, lambda _: PAID_IN_FULL),
    "declined, then paid": Scenario(
        {name: OPEN[name] for name in ("open", "declined", "processing")} | PAID, lambda _: PAID_IN_FULL
    ),
    "nothing but talk": Scenario(OPEN, lambda _: End(S.PROVIDER_PENDING)),
    "closed without money": Scenario(
        EXPIRED | GIVEN_UP | FAILED | {"declined": OPEN["declined"], "mumbled": OPEN["mumbled"]},
        lambda order: End(closed_as(order, "expired", "given up", "failed")),
    ),
    **{
        f"expired and paid, {policy}": Scenario(
            EXPIRED | PAID | PAID_AGAIN | {"open": OPEN["open"], "processing": OPEN["processing"]},
            paid_or_too_late(policy, "expired"),
            policy,
        )
        for policy in LatePolicy
    },
    **{
        f"cancelled and paid, {policy}": Scenario(
            CANCEL | PAID | PAID_AGAIN | {"declined": OPEN["declined"]},
            paid_or_too_late(policy, "cancel"),
            policy,
        )
        for policy in LatePolicy
    },
    **{
        f"contradictions, {policy}": Scenario(
            PAID | FAILED | EXPIRED | GIVEN_UP | {"mumbled": OPEN["mumbled"]},
            paid_or_too_late(policy, "failed", "expired", "given up"),
            policy,
        )
        for policy in LatePolicy
    },
    "other money, and a person": Scenario(
        OTHER_PAID | ACCEPT | REFUND | {"open": OPEN["open"], "processing": OPEN["processing"]}, _reviewed
    ),
    "money given back": Scenario(GIVEN_BACK, _given_back, before=(PAID["paid"],)),
    "other money, and the right": Scenario(
        OTHER_PAID | PAID | {"declined": OPEN["declined"], "open": OPEN["open"]}, _other_money
    ),
}


def subsets(names: Iterable[str]) -> Iterable[tuple[str, ...]]:
    known = tuple(names)
    return chain.from_iterable(combinations(known, size) for size in range(len(known) + 1))


def redelivered(acts: dict[str, Act]) -> Iterable[tuple[str, ...]]:
    """Of many events each alone and all of them. What an operator decides again, is decided anew."""
    events = tuple(name for name in acts if name not in {"accept", "refund"})
    return subsets(events) if len(events) < 5 else [(), events, *((event,) for event in events)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_in_whatever_order_it_is_told_it_ends_as_it_must(name: str) -> None:
    scenario = SCENARIOS[name]
    for order in permutations(scenario.acts):
        for again in redelivered(scenario.acts):
            bench = Bench(scenario.policy)
            for act in (*scenario.before, *(scenario.acts[each] for each in (*order, *again))):
                act(bench)
            assert bench.end == scenario.right((*order, *again)), (order, again)
