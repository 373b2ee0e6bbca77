"""Tell the history of a seed, step by step, or play many: ``python -m tests.simulation SEED [HOW_MANY]``."""

import sys
import time
from collections import defaultdict

from tests.simulation.history import play

# ruff: noqa: T201 - to tell is what it is for


def main(seed: int, how_many: int | None) -> bool:
    """Whether all promises were kept."""
    if how_many is None:
        told = play(seed, tell=True)
        print(told)
        return told.breach is None
    met: defaultdict[str, int] = defaultdict(int)
    began = time.process_time()
    for number in range(seed, seed + how_many):
        told = play(number, met=met)
        if told.breach is not None:
            print(told)
            return False
    for kind in sorted(met):
        print(f"{met[kind]:>10}  {kind}")
    print(f"{how_many} histories from {seed} in {time.process_time() - began:.0f} s: all promises kept")
    return True


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    if len(numbers) not in {1, 2}:
        sys.exit(str(__doc__))
    sys.exit(0 if main(numbers[0], numbers[1] if len(numbers) == 2 else None) else 1)
