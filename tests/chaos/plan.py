"""What will happen, drawn from one seed: who pays how, what is killed when, which answers are lost.

The same seed draws the same plan. Real processes never interleave twice in the same way, so the same plan
is not the same run: a breach may take a few runs of its seed to show again.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from tests.chaos.proxy import PASS, Fate, Way

T = TypeVar("T")
SHOPS: Final = 5
PARTS: Final = ("api", "worker", "temporal", "postgres")
_SECONDS_PER_KILL: Final = 7.0
_PAYMENTS_PER_SECOND: Final = 4.0
# Before the first kill something must be under way, and after the last one somebody must still come to pay.
_FIRST, _LAST = 0.04, 0.93


class Payer(StrEnum):
    """What becomes of a checkout, as far as people are concerned."""

    PAYS = "pays"
    IS_DECLINED_FIRST = "is declined, then pays"
    PAYS_BY_BANK = "pays by bank"
    GIVES_UP = "gives up"
    STAYS_AWAY = "stays away"
    IS_CANCELLED = "is cancelled by the shop"
    RACES_CANCEL = "pays while the shop cancels"
    HAS_TWO_BROWSERS = "pays in two browsers at once"
    PAYS_AT_THE_EDGE = "pays in the last moment"
    PAYS_LATE = "pays after the end"
    PAYS_WRONGLY = "pays another amount"


_OF_A_HUNDRED: Final = {
    Payer.PAYS: 52,
    Payer.IS_DECLINED_FIRST: 8,
    Payer.PAYS_BY_BANK: 2,
    Payer.GIVES_UP: 6,
    Payer.STAYS_AWAY: 7,
    Payer.IS_CANCELLED: 3,
    Payer.RACES_CANCEL: 8,
    Payer.HAS_TWO_BROWSERS: 6,
    Payer.PAYS_AT_THE_EDGE: 4,
    Payer.PAYS_LATE: 3,
    Payer.PAYS_WRONGLY: 1,
}
_WILLING: Final = {Payer.PAYS, Payer.IS_DECLINED_FIRST, Payer.PAYS_BY_BANK, Payer.HAS_TWO_BROWSERS}
# What the payment company does to its webhooks about a payment; mostly nothing.
_WEBHOOKS: Final = {None: 72, "lost": 8, "duplicate": 10, "reorder": 5, "late": 5}
# Seconds. Whoever races a cancel must be quick; at the edge they count from the deadline.
_THINKS_FOR: Final = {Payer.RACES_CANCEL: (0, 0.25), Payer.PAYS_AT_THE_EDGE: (-0.4, 0.4)}
_AMOUNTS: Final = {"HUF": (100, 2_000_000), "EUR": (50, 50_000), "USD": (50, 50_000), "JPY": (1, 20_000)}


@dataclass(frozen=True)
class Order:
    """One sale: when it begins, in seconds, and how it will go."""

    number: int
    shop: int
    begins_at: float
    payer: Payer
    amount: int
    currency: str
    expires_in_seconds: int
    thinks_for: float
    """Seconds between seeing the checkout and acting; for a payer at the edge, seconds after the deadline."""
    webhooks: str | None
    asks_again: bool
    """Whether the shop sends its order once more when all is over."""

    @property
    def key(self) -> str:
        return f"order-{self.number}"

    @property
    def user(self) -> str:
        return f"user-{self.number}"

    @property
    def should_be_paid(self) -> bool:
        """Whether nothing but an outage keeps this payer from paying in time."""
        return self.payer in _WILLING


@dataclass(frozen=True)
class Kill:
    """Which part gets SIGKILL, and how many seconds after the beginning."""

    part: str
    at: float


@dataclass(frozen=True)
class Plan:
    seed: int
    orders: tuple[Order, ...]
    kills: tuple[Kill, ...]
    seconds: float
    """How long new orders come in."""


def draw(seed: int, payments: int, kills: int) -> Plan:
    seconds = max(kills * _SECONDS_PER_KILL, payments / _PAYMENTS_PER_SECOND, 1.0)
    orders = tuple(_order(seed, number, payments, seconds) for number in range(payments))
    return Plan(seed, orders, tuple(_kills(seed, kills, seconds)), seconds)


def _order(seed: int, number: int, payments: int, seconds: float) -> Order:
    dice = random.Random(f"{seed} order {number}")
    payer = _pick(dice, _OF_A_HUNDRED)
    currency = dice.choice(list(_AMOUNTS))
    webhooks = _pick(dice, _WEBHOOKS)
    if payer is Payer.PAYS_LATE and webhooks == "lost":
        # Nobody asks about an ended payment: without its webhook that money could be found by no one yet.
        webhooks = None
    return Order(
        number=number,
        shop=dice.randrange(SHOPS),
        begins_at=seconds * (number + dice.random()) / payments,
        payer=payer,
        amount=dice.randint(*_AMOUNTS[currency]),
        currency=currency,
        expires_in_seconds=_life(dice, payer),
        thinks_for=dice.uniform(*_THINKS_FOR.get(payer, (0, 0.8))),
        webhooks=webhooks,
        asks_again=dice.random() < 0.15,
    )


def _life(dice: random.Random, payer: Payer) -> int:
    """Business seconds until the checkout expires. At our time scale sixty of them take one."""
    if payer is Payer.PAYS_AT_THE_EDGE:
        return dice.randint(180, 300)
    if payer is Payer.STAYS_AWAY:
        return dice.randint(120, 900)
    # Long enough for a step to be missed when its worker died (22 s), and to be done again.
    return dice.randint(1_800, 3_000)


def _kills(seed: int, kills: int, seconds: float) -> Iterator[Kill]:
    dice = random.Random(f"{seed} kills")
    parts: list[str] = []
    while len(parts) < kills:
        parts += dice.sample(PARTS, len(PARTS))
    slot = (_LAST - _FIRST) * seconds / max(kills, 1)
    for number, part in enumerate(parts[:kills]):
        # Anywhere in its slot: some follow each other at once, and find the house still on its knees.
        yield Kill(part, _FIRST * seconds + slot * (number + dice.random()))


def fates(seed: int, line: str) -> Iterator[Fate]:
    """What becomes of the answers on one line, request after request, for ever."""
    dice = random.Random(f"{seed} fates of {line}")
    for _ in itertools.count():
        roll, seconds = dice.random(), dice.uniform(0.05, 1.0)
        if roll < 0.03:
            yield Fate(Way.RESET)
        elif roll < 0.06:
            yield Fate(Way.CLOSE)
        elif roll < 0.12:
            yield Fate(Way.DELAY, seconds)
        else:
            yield PASS


def _pick(dice: random.Random, weights: dict[T, int]) -> T:
    return dice.choices(list(weights), list(weights.values()))[0]
