"""SIGKILL, by the plan: at its time each part in its turn dies without a word, and its supervisor notices."""

import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import psutil

from tests.chaos.clock import PlanClock
from tests.chaos.plan import Kill
from tests.house import House, eventually


@dataclass(frozen=True)
class Killed:
    """A kill that happened."""

    part: str
    at: datetime


async def carry_out(kills: tuple[Kill, ...], house: House, clock: PlanClock, done: list[Killed]) -> None:
    """Kill by the plan and note each kill in ``done``."""
    for kill in kills:
        await clock.until(kill.at)
        # One that is still down cannot be killed: as soon as it lives again.
        pid = await eventually(partial(_alive, house, kill.part))
        os.kill(pid, signal.SIGKILL)
        clock.killed()
        done.append(Killed(kill.part, datetime.now(UTC)))


async def _alive(house: House, part: str) -> int | None:
    try:
        pid = house.pid(part)
        return pid if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
    except (OSError, psutil.Error):
        return None
