"""One run: a house under load, with its kills and lost answers, and the judgement when all is quiet."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from dev import Platform
from tests.chaos import evidence, kills
from tests.chaos.clock import PlanClock
from tests.chaos.evidence import Evidence
from tests.chaos.judgement import Ruling, judge
from tests.chaos.kills import Killed
from tests.chaos.mail import Mailroom, moods
from tests.chaos.payers import Company, Sale
from tests.chaos.plan import SHOPS, Plan, fates
from tests.chaos.proxy import Proxy
from tests.chaos.shops import SETTLED, Shop, Told
from tests.house import UNHURRIED, House

# A minute of business takes a second.
TIME_SCALE: Final = 60
_NEWS_EVERY: Final = 5.0
# How long after the last order all must be over, and then at rest. Checkouts live for 50 s at most, a step
# or a courier whose worker died is missed after 22, and an endpoint that says nothing costs 15.
_REST_WITHIN: Final = 120.0

Say = Callable[[str], None]


@dataclass
class Outcome:
    """What a run leaves behind."""

    plan: Plan
    killed: list[Killed] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)
    first_success: list[float | None] = field(default_factory=list)
    """Per kill: seconds until a payment created after it had succeeded."""
    cut: dict[str, int] = field(default_factory=dict)
    """Lost answers, by line."""
    missed: int = 0
    """Payers who would have paid and could not in time."""
    statuses: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, int] = field(default_factory=dict)
    """What had not come to rest when time was up."""
    seconds: float = 0
    slowed_for: float = 0
    """Seconds in which the plan was patient with a house that was down for long."""

    @property
    def well(self) -> bool:
        return not self.waiting and not any(ruling.findings for ruling in self.rulings)


@dataclass
class Scene:
    """Everybody there is."""

    house: House
    to_api: Proxy
    to_company: Proxy
    mailroom: Mailroom
    company: Company
    shops: list[Shop]


async def carry_out(plan: Plan, data_dir: Path, port_base: int, say: Say) -> Outcome:
    """Run the plan in a house of its own, which is gone afterwards, all but its data directory."""
    outcome, began = Outcome(plan), time.monotonic()
    async with _scene(plan.seed, data_dir, port_base, say) as scene:
        told = [Told(order, scene.shops[order.shop].tenant_id) for order in plan.orders]
        say(f"  {len(told)} payments and {len(plan.kills)} kills in {plan.seconds:.0f} s, seed {plan.seed}")
        news = asyncio.create_task(_tell(scene, told, outcome, say))
        try:
            await _load(plan, scene, told, outcome)
            outcome.waiting = await _rest(scene.house, told)
        finally:
            news.cancel()
        say("  judging" if not outcome.waiting else f"  time is up, still waiting: {outcome.waiting}")
        found = await evidence.gather(scene.house, scene.shops, told, scene.mailroom.letters)
        found.keep(data_dir / "evidence.json")
        outcome.cut = {"shop ← API": len(scene.to_api.cut), "us ← provider": len(scene.to_company.cut)}
    outcome.rulings = judge(found)
    outcome.first_success = _recoveries(outcome.killed, found)
    outcome.statuses = Counter(row["status"] for row in found.rows["payments"])
    outcome.missed = _missed(found)
    outcome.seconds = time.monotonic() - began
    return outcome


@asynccontextmanager
async def _scene(seed: int, data_dir: Path, port_base: int, say: Say) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as held:
        to_api, to_company = [
            await held.enter_async_context(Proxy(fates(seed, line)).listening())
            for line in ("api", "company")
        ]
        mailroom = Mailroom([moods(seed, shop) for shop in range(SHOPS)])
        await held.enter_async_context(mailroom.open())
        platform = Platform(
            data_dir,
            port_base,
            time_scale=TIME_SCALE,
            sandbox_url=to_company.url,
            settings=UNHURRIED,
            say=say,
        )
        ready = (await held.enter_async_context(platform)).ready
        to_api.server_port = httpx.URL(ready["apiUrl"]).port or 0
        to_company.server_port = httpx.URL(ready["sandboxUrl"]).port or 0
        http, to_us, to_them = [
            await held.enter_async_context(_client(url))
            for url in (ready["apiUrl"], to_api.url, ready["sandboxUrl"])
        ]
        house = House(ready, http, data_dir)
        shops = [await _opened(house, to_us, f"{mailroom.url}/{number}") for number in range(SHOPS)]
        company = Company(to_them, ready["sandboxControlUrl"])
        yield Scene(house, to_api, to_company, mailroom, company, shops)


def _client(url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=15, limits=limits)


async def _opened(house: House, http: httpx.AsyncClient, webhook_url: str) -> Shop:
    tenant = await house.tenant(webhook_url)
    return Shop(http, tenant.id, tenant.token)


async def _load(plan: Plan, scene: Scene, told: list[Told], outcome: Outcome) -> None:
    """Sell and kill by the plan, until all sales are over or their time is up."""
    clock = PlanClock()
    killing = asyncio.create_task(kills.carry_out(plan.kills, scene.house, clock, outcome.killed))
    sales: list[asyncio.Task[None]] = []
    try:
        for each in told:
            await clock.until(each.order.begins_at)
            sales.append(asyncio.create_task(_sell(scene, each, clock)))
        # Whoever is not over by then is stuck; the judgement says so.
        await asyncio.wait([killing, *sales], timeout=_REST_WITHIN)
    finally:
        for task in (killing, *sales):
            task.cancel()
        troubles = await asyncio.gather(*sales, return_exceptions=True)
    for each, trouble in zip(told, troubles, strict=True):
        each.trouble = repr(trouble) if isinstance(trouble, Exception) else None
    outcome.slowed_for = clock.slowed_for
    if killing.done() and not killing.cancelled():
        # A part that never came back is told here.
        killing.result()


async def _sell(scene: Scene, told: Told, clock: PlanClock) -> None:
    """One sale, from the first click to its end."""
    begun_at, shop = clock.watch(), scene.shops[told.order.shop]
    payment = await shop.checkout(told)
    if payment is not None:
        await Sale(told.order, payment, shop, scene.company).act()
    if await shop.see_the_end(told) == "SUCCEEDED":
        clock.sold(begun_at)
    if told.order.asks_again:
        await shop.order(told)
    told.over = True


async def _rest(house: House, told: list[Told]) -> dict[str, int]:
    """Wait until nothing is on its way, and say what still is when that takes too long."""
    await house.recovered()
    deadline = time.monotonic() + _REST_WITHIN
    while (waiting := await evidence.waiting(house, told)) and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    return waiting


async def _tell(scene: Scene, told: list[Told], outcome: Outcome, say: Say) -> None:
    """A line of news now and then."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(_NEWS_EVERY)
        begun = sum(bool(each.payment_ids) for each in told)
        ended = sum(bool(each.statuses) and each.statuses[-1] in SETTLED for each in told)
        cut = len(scene.to_api.cut) + len(scene.to_company.cut)
        last = f", the last {outcome.killed[-1].part}" if outcome.killed else ""
        say(
            f"  {time.monotonic() - began:4.0f} s  {begun} begun, {ended} ended; {cut} answers lost; "
            f"{len(outcome.killed)} kills{last}"
        )


def _missed(found: Evidence) -> int:
    statuses = {row["id"]: row["status"] for row in found.rows["payments"]}
    willing = [each for each in found.told if each.order.should_be_paid and each.payment_ids]
    return sum(statuses.get(each.payment_ids[0]) != "SUCCEEDED" for each in willing)


def _recoveries(killed: list[Killed], found: Evidence) -> list[float | None]:
    born = {row["id"]: row["created_at"] for row in found.rows["payments"]}
    successes = [
        (born[line["payment_id"]], line["at"])
        for line in found.rows["payment_events"]
        if line["type"] == "payment.succeeded"
    ]
    return [
        min(((at - kill.at).total_seconds() for since, at in successes if since > kill.at), default=None)
        for kill in killed
    ]
