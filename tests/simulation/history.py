"""One seed, one history: who orders and pays, what breaks and when, and whether all promises were kept."""

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.simulation.clock import Breach, Clock
from tests.simulation.company import Company
from tests.simulation.design import Design
from tests.simulation.house import House
from tests.simulation.people import People
from tests.simulation.sayings import money
from tests.simulation.truth import Manners

_HOUR: Final = 3600.0
# How long a checkout may be paid; for a day only in one history of ten.
_LIVES: Final = (60.0, 60.0, 60.0, 60.0, 300.0, 300.0, 900.0, 900.0, 900.0, 86_400.0)
_AS_IT_IS: Final = Design()


@dataclass
class Told:
    """What became of one history."""

    seed: int
    breach: str | None = None
    trace: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Everything that a person needs who wants to see it again."""
        end = f"BREACH {self.breach}" if self.breach else "all promises kept"
        return "\n".join([*self.trace, f"seed {self.seed}: {end}", f"python -m tests.simulation {self.seed}"])


def play(
    seed: int, design: Design = _AS_IT_IS, met: defaultdict[str, int] | None = None, *, tell: bool = False
) -> Told:
    """Play the history of this seed. One that breaks a promise is played again, to be told in full."""
    dice = Random(seed)
    clock = Clock(dice)
    if met is not None:
        clock.met = met
    told = Told(seed)
    if tell:
        clock.trace = told.trace
    try:
        house = _set_up(clock, design)
        clock.run()
        house.laws.at_rest()
    except Breach as breach:
        if not tell:
            return play(seed, design, tell=True)
        told.breach = str(breach)
    return told


def _set_up(clock: Clock, design: Design) -> House:
    dice = clock.dice
    life = _LIVES[int(dice.random() * len(_LIVES))]
    if dice.random() < 0.85:
        clock.stormy_until = life * (0.3 + 4 * dice.random()) if life < _HOUR else _HOUR * 30 * dice.random()
    # Each history has troubles of its own: all of them at once would hide what one of them does.
    clock.dies = (0.0, 0.0, 0.02, 0.08)[int(dice.random() * 4)]
    clock.sleeps = (0.0, 0.0, 0.03, 0.1)[int(dice.random() * 4)]
    clock.pace = (0.05, 0.5, 4.0)[int(dice.random() * 3)]
    companies = {name: Company(name, clock, _manners(dice, life)) for name in ("alpha", "beta")}
    companies["gamma"] = Company("gamma", clock, Manners())
    house = House(clock, companies, design)
    house.away = (0.0, 0.0, 0.3)[int(dice.random() * 3)]
    talk = all(company.manners.searchable and not company.manners.amnesia for company in companies.values())
    # A run hears each event once: after it has stumbled over one, only an answer to its question helps.
    house.poison = (0.0, 0.0, 0.0, 0.2)[int(dice.random() * 4)] if talk else 0.0
    if clock.stormy_until:
        clock.tell("storm", f"until {clock.stormy_until:.0f}, dies {clock.dies}, sleeps {clock.sleeps}")
    for company in companies.values():
        clock.tell(company.name, company.manners)
    People(house, life, money((500, 1000)[int(dice.random() * 2)])).begin()
    return house


def _manners(dice: Random, life: float) -> Manners:
    def some(*values: float) -> float:
        return values[int(dice.random() * len(values))]

    trouble = some(0.0, 0.0, 0.15, 0.5, 0.9)
    shared = dice.random() < 0.6
    # Whoever waits a day for one that cannot be asked does nothing else in four thousand steps.
    searchable = dice.random() < (0.92 if life < _HOUR else 0.99)
    return Manners(
        idempotent=dice.random() < (0.6 if searchable else 0.8) or not (searchable or life < _HOUR),
        searchable=searchable,
        trouble_creating=trouble,
        trouble_asking=trouble if shared else some(0.0, 0.0, 0.5),
        trouble_refunding=trouble if shared else some(0.0, 0.5, 0.9),
        refuses=some(0.1, 0.5),
        close_lies=some(0.0, 0.5),
        forgets=some(0.0, 0.0, 0.0, 0.2),
        mumbles=some(0.0, 0.0, 0.1),
        loses_events=some(0.0, 0.0, 0.3, 1.0),
        repeats_events=some(0.0, 0.2),
        delays_events=some(1.0, 1.0, 30.0, 900.0),
        outlives=some(0.0, 1800.0, 1e9),
        refund_pending=some(0.0, 0.5),
        refund_fails=some(0.0, 0.5),
        amnesia=dice.random() < 0.05,
        straggles=dice.random() < 0.1,
        hides_amounts=some(0.0, 0.0, 0.0, 0.0, 0.3),
    )
