"""Two attempts at one step, in every order that three changes from one to the other allow, with every answer.

The histories meet such pairs by chance; here none is left out. The first attempt may be asleep wherever a
process can be, until its successor has its leave; a request that was on its way by then has arrived.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

import pytest

from domain.errors import OutcomeUnknown, ProviderRejected, ProviderUnavailable, Refusal
from domain.evidence import Channel, Word
from domain.payment import PaymentStatus as S
from domain.refund import RefundState
from storage.calls import LEASE
from tests.simulation.clock import Breach, Clock, Step
from tests.simulation.company import Company
from tests.simulation.design import Design
from tests.simulation.house import House
from tests.simulation.mutants import INTERLEAVED
from tests.simulation.rows import Payment
from tests.simulation.saga import Inquiry
from tests.simulation.sayings import Said, money, words
from tests.simulation.truth import Manners

T = TypeVar("T")
OVER: Final = LEASE.total_seconds() + 1
ORDERED: Final = money(500)
CHANGES: Final = 3


class Choices:
    """What is left to choice in one run, and how it was chosen."""

    def __init__(self, wanted: list[int]) -> None:
        self.wanted, self.taken, self.width = wanted, list[int](), list[int]()

    def among(self, options: int) -> int:
        number = len(self.taken)
        chosen = self.wanted[number] if number < len(self.wanted) else 0
        self.taken.append(chosen)
        self.width.append(options)
        return chosen


def every_choice() -> Iterator[Choices]:
    wanted: list[int] | None = []
    while wanted is not None:
        choices = Choices(wanted)
        yield choices
        taken, width = choices.taken, choices.width
        while taken and taken[-1] + 1 == width[len(taken) - 1]:
            taken.pop()
        wanted = [*taken[:-1], taken[-1] + 1] if taken else None


class Scripted(Company):
    """Its answers are chosen, not drawn. Once it is ``calm`` it simply answers."""

    def __init__(self, name: str, clock: Clock, manners: Manners, choices: Choices) -> None:
        super().__init__(name, clock, manners)
        self.choices, self.calm = choices, False

    def asked(self, made_at: float, effect: Callable[[], T], trouble: float, *, write: bool) -> Step:  # noqa: ARG002
        yield "before the call"
        if self._clock.now > made_at + self.fresh:
            raise ProviderUnavailable("overslept")
        answer = 0 if self.calm else self.choices.among(4 if write else 2)
        if answer == 1 and not write:
            raise ProviderUnavailable("no answer")
        if answer == 1:
            yield "after the call"
            raise ProviderRejected("no")
        if answer == 2:
            yield "after the call"
            raise OutcomeUnknown("lost before it was done")
        yield "on its way"
        done = effect()
        yield "after the call"
        if answer == 3:
            raise OutcomeUnknown("lost when it was done")
        return done


class Led:
    """A step that is led by hand, from one of its points to the next."""

    def __init__(self, step: Step) -> None:
        self._step, self.over, self.point = step, False, ""

    def go_on(self) -> None:
        try:
            self.point = str(next(self._step))
        except (StopIteration, Refusal):
            self.over = True


@dataclass
class Turn:
    """What a step wants to know of the activity that it is an attempt of."""

    started_at: float
    scheduled_at: float = 0.0
    number: int = 2


class Bench:
    """One payment at companies whose answers are chosen."""

    def __init__(self, design: Design, choices: Choices, *, idempotent: bool, failover: bool) -> None:
        self.clock, self.choices = Clock(Random(0)), choices
        self.companies: dict[str, Scripted] = {}
        for name in ("alpha", "beta"):
            self.companies[name] = Scripted(name, self.clock, Manners(idempotent=idempotent), choices)
        self.house = House(self.clock, {**self.companies}, design)
        self.saga, self.books, self.laws = self.house.saga, self.house.books, self.house.laws
        self.payment = Payment("pay_1", "order", ORDERED, "alpha", ("beta",) * failover, 0.0, 9e9)
        self.books.place(self.payment)

    def lead(self, first: Step, second: Callable[[], Step], wait: float) -> None:
        """Lead both to their ends. The second begins so long after the first, wherever that is by then."""
        sleeper = Led(first)
        while not sleeper.over and not self.choices.among(2):
            sleeper.go_on()
        if sleeper.point == "on its way" and wait >= OVER:
            sleeper.go_on()
        self.clock.now += wait
        running, resting, changes = Led(second()), sleeper, 1
        while not (running.over and resting.over):
            may_change = changes < CHANGES and not resting.over
            if running.over or (may_change and self.choices.among(2)):
                running, resting, changes = resting, running, changes + 1
            running.go_on()

    def in_peace(self, make: Callable[[], Step]) -> None:
        """Again, until it comes to something, with everybody answering."""
        for company in self.companies.values():
            company.calm = True
        for _ in range(3):
            self.clock.now += OVER
            last = Led(make())
            while not last.over:
                last.go_on()

    def turn(self) -> Any:
        return Turn(started_at=self.clock.now)

    def pay(self) -> None:
        for company in self.companies.values():
            for session in company.sessions:
                company.pay(session, ORDERED)


def opening(design: Design, choices: Choices, *, idempotent: bool, failover: bool) -> S:
    """Two attempts at opening a checkout, then as many as it takes; where that leads to."""
    bench = Bench(design, choices, idempotent=idempotent, failover=failover)
    saga = bench.saga
    bench.lead(saga.open_checkout("pay_1"), lambda: saga.open_checkout("pay_1"), OVER)
    bench.in_peace(lambda: saga.open_checkout("pay_1"))
    sessions = bench.laws.sessions_of("pay_1")
    if bench.payment.status is S.PROVIDER_PENDING and [each.name for each in sessions] != [
        bench.payment.reference
    ]:
        raise Breach(f"I2: {len(sessions)} checkouts were made")
    return bench.payment.status


def asking(design: Design, choices: Choices) -> S:
    """Time is up and nobody knows: somebody asks while an attempt at opening may still be under way."""
    bench = Bench(design, choices, idempotent=True, failover=False)
    saga = bench.saga
    inquiry = Inquiry("pay_1", None, closing=True, intent=S.EXPIRED, at_once=True)

    def ask() -> Step:
        silence = Said(words(Word.UNCLEAR, Channel.CREATE, None, None, None), "create:silence")
        yield from saga.settle("pay_1", silence)
        yield from saga.ask(inquiry, bench.turn())

    bench.lead(saga.open_checkout("pay_1"), ask, 5.0)
    bench.in_peace(lambda: saga.ask(inquiry, bench.turn()))
    return bench.payment.status


def refunding(design: Design, choices: Choices, *, idempotent: bool) -> RefundState:
    """Two attempts at giving money back, then as many as it takes."""
    bench = Bench(design, choices, idempotent=idempotent, failover=False)
    saga, steps, alpha = bench.saga, bench.house.giving_back, bench.companies["alpha"]
    session = alpha.create("pay_1", ORDERED, 9e9)
    bench.books.opened(bench.payment, session.name)
    alpha.pay(session, ORDERED)
    for step in (saga.settle("pay_1", alpha.read(session.name)), steps.give_back("pay_1", "wish", ORDERED)):
        for _ in step:
            pass
    (refund,) = bench.books.refunds.values()
    bench.lead(
        steps.carry_out(refund.id, 0.0, bench.turn()),
        lambda: steps.carry_out(refund.id, 0.0, bench.turn()),
        OVER,
    )
    bench.in_peace(lambda: steps.carry_out(refund.id, 0.0, bench.turn()))
    bench.laws.at_rest()
    return refund.state


SCENES: Final[dict[str, Callable[[Design, Choices], object]]] = {
    "opening, keys known": partial(opening, idempotent=True, failover=False),
    "opening, keys not known": partial(opening, idempotent=False, failover=False),
    "opening, with another provider": partial(opening, idempotent=True, failover=True),
    "asking": asking,
    "refunding, keys known": partial(refunding, idempotent=True),
    "refunding, keys not known": partial(refunding, idempotent=False),
}
ENDS: Final[dict[str, set[object]]] = {
    "opening, keys known": {S.PROVIDER_PENDING, S.FAILED},
    "opening, keys not known": {S.PROVIDER_PENDING, S.FAILED},
    "opening, with another provider": {S.PROVIDER_PENDING, S.FAILED},
    "asking": {S.FAILED, S.EXPIRED},
    "refunding, keys known": {RefundState.SUCCEEDED, RefundState.FAILED},
    "refunding, keys not known": {RefundState.SUCCEEDED, RefundState.FAILED},
}


@pytest.mark.parametrize("scene", SCENES)
def test_no_order_of_two_attempts_breaks_a_promise(scene: str) -> None:
    ends = set()
    for choices in every_choice():
        try:
            ends.add(SCENES[scene](Design(), choices))
        except Breach as breach:
            pytest.fail(f"{scene}, {choices.taken}: {breach}", pytrace=False)
    assert ends == ENDS[scene]


@pytest.mark.parametrize("name", INTERLEAVED)
def test_a_guard_against_overlapping_attempts_is_missed(name: str) -> None:
    def breaks(scene: str, choices: Choices) -> bool:
        try:
            SCENES[scene](INTERLEAVED[name], choices)
        except Breach:
            return True
        return False

    assert any(breaks(scene, choices) for scene in SCENES for choices in every_choice())
