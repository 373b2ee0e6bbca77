"""A hundred thousand histories of whatever can go wrong, a seed each, and every promise kept in all.

A seed that breaks one prints what happened step by step, and the command that plays it again.
"""

from collections import defaultdict
from typing import Final

import pytest

from tests.simulation.history import play
from tests.simulation.mutants import GUARDS, RULES

EACH = 10_000
# The first of them each time that the tests run; all hundred thousand with ``make slow``.
CHUNKS: Final = [0, *(pytest.param(chunk, marks=pytest.mark.slow) for chunk in range(1, 10))]
# Each mutant is found much sooner than this; see how soon with ``python -m tests.simulation.mutants``.
SOON: Final = 10_000

STEPS: Final = {
    "open": ("after a commit", "before the call", "after the call", "before the transaction"),
    "ask": ("before the call", "after the call", "before the transaction", "after a commit"),
    "close": ("before the call", "after the call", "before the transaction", "after a commit"),
    "settle": ("before the transaction", "after a commit"),
    "rule": ("before the transaction", "after a commit"),
    "refund": ("before the call", "after the call", "before the transaction", "after a commit"),
    "receive": (
        "before the event is stored",
        "before the event is acknowledged",
        "before the event is passed on",
    ),
    "drain": ("before the letter is passed on", "before that is noted"),
}
DEATHS: Final = {f"{step} died {point}" for step, points in STEPS.items() for point in points}
ZOMBIES: Final = {
    f"{step} finished by a zombie" for step in ("open", "ask", "close", "settle", "rule", "refund")
}
ENDS: Final = {
    f"became {status}"
    for status in ("SUCCEEDED", "FAILED", "EXPIRED", "CANCELLED", "UNKNOWN", "REVIEW", "PROVIDER_PENDING")
}
REFUNDS: Final = {
    "refund asked",
    "refund refused",
    "refund swept",
    "refund sent again",
    "refund became SUCCEEDED",
    "refund became FAILED",
    "refund became UNKNOWN",
    "refund became PENDING",
    "refund note unclear",
}
MONEY: Final = {
    "paid at the close",
    "money slipped through",
    "close acknowledged, not done",
    "other money paid",
    "amount not told",
    "late money, late_money",
    "late money, late_accepted",
    "late money, late_held",
    "ruled accept",
    "ruled refund",
    "order placed again",
    "order not free",
    "note other_money",
    "note no_amount",
}
CALLS: Final = {
    "answer lost",
    "hung",
    "refused",
    "straggler",
    "failover",
    "key met again",
    "searched before resending",
    "nobody can be asked",
    "not called, overslept",
    "had to wait for leave",
    "too early to be absent",
    "a no not believed",
    "note overtaken",
    "silence at the close",
    "checkout forgotten for good",
    "given up asking",
    "note absent",
}
MESSAGES: Final = {
    "event lost",
    "event repeated",
    "duplicate swallowed",
    "duplicate heard again",
    "drained",
    "echo",
    "forged",
    "quarantined",
    "letter stumbled",
    "letter dead",
    "signal heard once",
    "contradicted",
    "note contradicted",
    "note not_understood",
    "note other_checkout",
    "cancel asked",
    "nudged",
    "not started at once",
    "swept",
    "workflow lost",
}
# What is no longer met is no longer tested.
TO_BE_MET: Final = DEATHS | ZOMBIES | ENDS | REFUNDS | MONEY | CALLS | MESSAGES


@pytest.mark.timeout(180)
@pytest.mark.parametrize("chunk", CHUNKS)
def test_every_promise_is_kept_in_every_history(chunk: int) -> None:
    met: defaultdict[str, int] = defaultdict(int)
    for seed in range(chunk * EACH, (chunk + 1) * EACH):
        told = play(seed, met=met)
        if told.breach is not None:
            pytest.fail(f"{told}", pytrace=False)
    assert not {kind for kind in TO_BE_MET if not met[kind]}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", [*RULES, *GUARDS])
def test_a_wrong_rule_is_found(name: str) -> None:
    design = {**RULES, **GUARDS}[name]
    assert any(play(seed, design).breach for seed in range(SOON))


def test_a_seed_tells_the_same_history_every_time() -> None:
    for seed in range(200):
        assert str(play(seed, tell=True)) == str(play(seed, tell=True))


def test_a_breach_prints_its_steps_and_how_to_see_it_again() -> None:
    design = RULES["any amount is a success"]
    told = next(told for seed in range(SOON) if (told := play(seed, design)).breach)
    assert f"python -m tests.simulation {told.seed}" in str(told)
    assert "order placed" in str(told)
