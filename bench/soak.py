"""How a platform bears a steady load for half an hour: ``python -m bench.soak [MINUTES] [PER_SECOND]``.

Payments of every kind begin at a fixed rate, whatever becomes of those before. Afterwards every queue must
run empty, every promise must hold, and no process of ours may have grown with time.
"""

import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median
from typing import Any, Final

import httpx
import psutil
from rich.console import Console
from rich.progress import track
from sqlalchemy import text

import inspection
from activities.world import World
from bench.receivers import Quick
from dev import PARTS, Platform
from tests.house import CARD, DECLINED, UNHURRIED, House, Json, Tenant
from tests.world import world_of

MINUTES: Final = 30.0
PER_SECOND: Final = 5.0
TENANTS: Final = 5
# Each of these has a webhook endpoint, and its payments take half as much again.
LISTENING: Final = 1
OURS: Final = ("api", "worker")
MIB_A_MINUTE: Final = 1.0
# Caches and pools fill at first; what comes after that is growth.
WARM_UP: Final = 0.2
LOOKED_EVERY: Final = 5.0
COME_BACK: Final = 1.0
# What nobody pays expires while the run lasts; the last of it a while after, and so much later all is done.
LEFT_FOR: Final = 120
DRAINED_WITHIN: Final = LEFT_FOR + 90.0

_QUEUES: Final = {
    "open payments": (
        "SELECT count(*) FROM payments WHERE status IN ('CREATED', 'PROVIDER_PENDING', 'UNKNOWN')"
    ),
    "inbox": "SELECT count(*) FROM inbox WHERE state = 'RECEIVED'",
    "refunds": "SELECT count(*) FROM refunds WHERE state IN ('PENDING', 'UNKNOWN')",
    "deliveries": "SELECT count(*) FROM deliveries WHERE state = 'PENDING'",
}


@dataclass
class Sample:
    """The platform at one moment of the run."""

    minute: float
    mib: dict[str, float]
    queues: dict[str, int]


@dataclass
class Soak:
    """What was done and seen."""

    outcomes: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    created_in: list[float] = field(default_factory=list)
    """Seconds that creating took, each."""
    samples: list[Sample] = field(default_factory=list)
    drained_in: float | None = None
    left: dict[str, int] = field(default_factory=dict)
    """What was in the queues when that was over."""
    breaches: list[str] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)

    def slope(self, part: str) -> float:
        """MiB a minute, over the samples after the warm-up."""
        warm = self.samples[int(len(self.samples) * WARM_UP) :]
        return linear_regression([each.minute for each in warm], [each.mib[part] for each in warm]).slope

    @property
    def sound(self) -> bool:
        grown = any(self.slope(part) >= MIB_A_MINUTE for part in OURS)
        return self.drained_in is not None and not (grown or self.breaches or self.restarts)

    def facts(self) -> Json:
        return {
            "payments": sum(self.outcomes.values()),
            "outcomes": dict(self.outcomes),
            "troubles": dict(self.troubles),
            "create_p50_seconds": round(median(self.created_in), 3),
            "mib_a_minute": {part: round(self.slope(part), 3) for part in PARTS},
            "mib_at_the_end": {part: round(self.samples[-1].mib[part]) for part in PARTS},
            "longest_queues": {name: max(sample.queues[name] for sample in self.samples) for name in _QUEUES},
            "drained_in_seconds": self.drained_in,
            "left": self.left,
            "breaches": self.breaches,
            "restarts": self.restarts,
            "sound": self.sound,
        }


# --- What payers do -------------------------------------------------------------------------------


async def _opened(tenant: Tenant, **order: Any) -> Json:
    """A payment with its checkout. Whoever was told to come back does, but not ten times a second."""
    answer = await tenant.create(**order)
    answer.raise_for_status()
    payment: Json = answer.json()
    pause = COME_BACK
    while payment["checkoutUrl"] is None:
        await asyncio.sleep(pause)
        pause = min(2 * pause, COME_BACK * 16)
        payment = await tenant.get(payment)
        if payment["status"] not in {"CREATED", "PROVIDER_PENDING"}:
            raise AssertionError(payment["status"])
    return payment


async def _pay(tenant: Tenant, payment: Json, card: str) -> None:
    # Not with a client of its own for each: to make one takes as much of the processor as a small saga.
    await tenant.house.http.post(payment["checkoutUrl"], data={"cardNumber": card, "action": "pay"})


async def _paid(tenant: Tenant, payment: Json) -> str:
    await _pay(tenant, payment, CARD)
    return "paid"


async def _declined_then_paid(tenant: Tenant, payment: Json) -> str:
    await _pay(tenant, payment, DECLINED)
    await _pay(tenant, payment, CARD)
    return "declined, then paid"


async def _refunded(tenant: Tenant, payment: Json) -> str:
    await _pay(tenant, payment, CARD)
    await tenant.eventually(payment, "SUCCEEDED")
    asked = await tenant.call(
        "POST",
        f"/v1/payments/{payment['id']}/refunds",
        json={"reason": "soaked"},
        headers={"Idempotency-Key": f"refund-{payment['id']}"},
    )
    asked.raise_for_status()
    return "paid and refunded"


async def _cancelled(tenant: Tenant, payment: Json) -> str:
    (await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")).raise_for_status()
    return "cancelled"


async def _left(_tenant: Tenant, _payment: Json) -> str:
    return "left to expire"


_WAYS: Final[dict[Callable[[Tenant, Json], Awaitable[str]], int]] = {
    _paid: 78,
    _declined_then_paid: 8,
    _refunded: 6,
    _cancelled: 4,
    _left: 4,
}


async def one_payment(tenant: Tenant, choice: random.Random, soak: Soak) -> None:
    (way,) = choice.choices([*_WAYS], [*_WAYS.values()])
    began = time.monotonic()
    try:
        payment = await _opened(
            tenant,
            userId=f"user-{choice.randrange(1_000)}",
            entitlements=[{"feature": "pro"}],
            expiresInSeconds=LEFT_FOR if way is _left else 86_400,
        )
        soak.created_in.append(time.monotonic() - began)
        soak.outcomes[await way(tenant, payment)] += 1
    except (httpx.HTTPError, AssertionError, TimeoutError) as trouble:
        soak.troubles[type(trouble).__name__] += 1


# --- Looking at the platform ----------------------------------------------------------------------


def _mib(pid: int) -> float:
    """Of a process and its children: PostgreSQL and uvicorn have some. Shared pages count once each."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(each.memory_info().rss for each in family if each.is_running()) / 2**20


async def queues(world: World) -> dict[str, int]:
    async with world.database.system() as tx:
        return {name: (await tx.execute(text(query))).scalar_one() for name, query in _QUEUES.items()}


async def look(house: House, world: World, began: float) -> Sample:
    mib = {part: _mib(house.pid(part)) for part in PARTS}
    return Sample((time.monotonic() - began) / 60, mib, await queues(world))


async def drained(world: World) -> float | None:
    """In how many seconds all queues ran empty, if they did."""
    began = time.monotonic()
    while time.monotonic() - began < DRAINED_WITHIN:
        if not any((await queues(world)).values()):
            return round(time.monotonic() - began, 1)
        await asyncio.sleep(1)
    return None


# --- The run --------------------------------------------------------------------------------------


async def measure(house: House, world: World, minutes: float, per_second: float, console: Console) -> Soak:
    """Load it, look at it, and judge it."""
    # The same mixture each time.
    soak, choice, began = Soak(), random.Random(1), time.monotonic()  # noqa: S311 # nosec B311
    pids = {part: house.pid(part) for part in PARTS}
    async with AsyncExitStack() as held:
        receivers = [await held.enter_async_context(Quick.listening()) for _ in range(LISTENING)]
        tenants = [await house.tenant(receiver.url) for receiver in receivers]
        tenants += [await house.tenant() for _ in range(TENANTS - LISTENING)]
        turns, next_look = itertools.cycle(tenants), 0.0
        async with asyncio.TaskGroup() as payers:
            for number in track(
                range(int(minutes * 60 * per_second)),
                "Payments",
                console=console,
                transient=True,
                refresh_per_second=1,
            ):
                due = began + number / per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                payers.create_task(one_payment(next(turns), choice, soak))
                if time.monotonic() - began >= next_look:
                    soak.samples.append(await look(house, world, began))
                    next_look += LOOKED_EVERY
        # The receivers stay for what is still on its way to them.
        soak.drained_in = await drained(world)
        soak.left = await queues(world)
    soak.restarts = [part for part in PARTS if house.pid(part) != pids[part]]
    async with inspection.platform() as here:
        checks = [] if here is None else await inspection.verify(here)
    soak.breaches = [check.promise for check in checks if check.outcome == "breach"]
    return soak


async def main() -> int:
    console = Console(highlight=False, soft_wrap=True)
    minutes, per_second = ([*map(float, sys.argv[1:3]), *(MINUTES, PER_SECOND)[len(sys.argv) - 1 :]])[:2]
    port_base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000"))
    with tempfile.TemporaryDirectory(prefix="paysaga soak ") as folder:
        os.environ["PAYSAGA_DATA_DIR"] = folder
        async with (
            Platform(Path(folder), port_base, settings=UNHURRIED, say=console.print) as platform,
            httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=30) as http,
        ):
            house = House(platform.ready, http, Path(folder))
            console.print(f"\n{per_second:g} payments a second for {minutes:g} minutes")
            async with world_of(house) as world:
                soak = await measure(house, world, minutes, per_second, console)
    facts: dict[str, Any] = soak.facts()
    console.print_json(json.dumps(facts))
    console.print("[green]✓ sound[/]" if soak.sound else "[red]✗ not sound[/]")
    return 0 if soak.sound else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
