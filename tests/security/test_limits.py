"""How often somebody may ask: the arithmetic, with a clock of our own, and where processes count together."""

import asyncio
import random
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Send
from starlette.types import Scope as Asgi

from api.deps import address
from api.limits import Limits, OwnWindows, Windows, household
from dev import PROJECT
from domain.errors import NotFound, RateLimited, Unauthorized
from domain.limits import Rate, Scope
from local.ports import LOOPBACK, any_port
from serve import config, shared_windows
from storage import windows
from tests.house import House, eventually
from tests.security.apis import settings_with
from tests.test_settings import settings
from tests.world import world_of

PER_MINUTE = Rate(most=10, seconds=60)
TENANTS = Rate(most=200, seconds=2)


@dataclass
class Clock:
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Asked(OwnWindows):
    """Counts how often it is asked; while it is away, all it says is that."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.questions = 0
        self.away = False

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        self._ask()
        return await super().acquire_entry(key, limit, expiry, amount)

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        self._ask()
        return await super().get_moving_window(key, limit, expiry)

    def _ask(self) -> None:
        self.questions += 1
        if self.away:
            raise ConnectionError


@dataclass
class Processes:
    """Several processes that count together, with one clock."""

    rate: Rate
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.shared = Asked(self.clock)
        rates = dict.fromkeys(Scope, self.rate)
        self.all = [Limits(rates, self.shared, self.clock, b"salt") for _ in range(3)]

    async def lets_in(self, process: int, name: str = "us") -> bool:
        try:
            await self.all[process].spend(Scope.TENANT, name)
        except RateLimited:
            return False
        return True


async def refusal_of(limits: Limits, name: str = "us") -> RateLimited:
    with pytest.raises(RateLimited) as refused:
        await limits.spend(Scope.TENANT, name)
    return refused.value


# --- One process ----------------------------------------------------------------------------------


async def test_the_eleventh_in_a_minute_waits_wherever_the_minute_begins() -> None:
    rest = Processes(PER_MINUTE)
    let_in = []
    for _ in range(600):
        if await rest.lets_in(0):
            let_in.append(rest.clock.now)
        rest.clock.advance(0.7)
    assert len(let_in) >= 60
    for tenth, eleventh in zip(let_in, let_in[10:], strict=False):
        assert eleventh - tenth >= timedelta(minutes=1)


async def test_after_as_long_as_it_was_told_to_wait_the_next_request_passes() -> None:
    processes = Processes(PER_MINUTE)
    for _ in range(10):
        processes.clock.advance(1.3)
        assert await processes.lets_in(0)
    refusal = await refusal_of(processes.all[0])
    assert refusal.retry_after is not None
    processes.clock.advance(refusal.retry_after - 1)
    assert not await processes.lets_in(0)
    processes.clock.advance(1)
    assert await processes.lets_in(0)


async def test_a_flood_is_answered_without_a_question() -> None:
    processes = Processes(PER_MINUTE)
    while await processes.lets_in(0):
        pass
    asked = processes.shared.questions
    assert not any([await processes.lets_in(0) for _ in range(1000)])
    assert processes.shared.questions == asked
    assert processes.all[0].refused == Counter({Scope.TENANT: 1001})


async def test_a_busy_tenant_costs_a_question_for_ten_requests() -> None:
    processes = Processes(TENANTS)
    for _ in range(1000):
        assert await processes.lets_in(0)
        processes.clock.advance(0.02)
    assert processes.shared.questions <= 1000 / 10 + 4


async def test_of_a_tenant_that_asks_now_and_then_nothing_is_lost_in_any_process() -> None:
    processes = Processes(Rate(most=60, seconds=60))
    for number in range(60):
        assert await processes.lets_in(number % 3)
        processes.clock.advance(0.9)
    assert processes.shared.questions == 60
    assert not await processes.lets_in(0)


async def test_all_who_come_at_once_share_their_tickets() -> None:
    processes = Processes(TENANTS)
    assert all(await asyncio.gather(*(processes.lets_in(0) for _ in range(200))))
    assert processes.shared.questions <= 32
    assert not await processes.lets_in(0)


async def test_what_one_does_is_not_counted_of_another() -> None:
    processes = Processes(PER_MINUTE)
    while await processes.lets_in(0, "a flood"):
        pass
    assert await processes.lets_in(0, "somebody else")
    await processes.all[0].spend(Scope.LOGIN, "a flood")


async def test_only_failures_are_counted_where_only_they_count() -> None:
    limits = Processes(PER_MINUTE).all[0]
    for _ in range(50):
        async with limits.counting(Scope.FAILED_LOGIN, "here", Unauthorized):
            pass
        with suppress(NotFound):
            async with limits.counting(Scope.FAILED_LOGIN, "here", Unauthorized):
                raise NotFound
    for _ in range(10):
        await limits.check(Scope.FAILED_LOGIN, "here")
        with pytest.raises(Unauthorized):
            async with limits.counting(Scope.FAILED_LOGIN, "here", Unauthorized):
                raise Unauthorized
    with pytest.raises(RateLimited):
        await limits.check(Scope.FAILED_LOGIN, "here")
    with pytest.raises(RateLimited):
        async with limits.counting(Scope.FAILED_LOGIN, "here", Unauthorized):
            raise Unauthorized


async def test_whoever_makes_up_names_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.limits._MOST_REMEMBERED", 100)
    processes = Processes(Rate(most=1, seconds=60))
    for number in range(300):
        assert await processes.lets_in(0, str(number))
        assert not await processes.lets_in(0, str(number))
    limits = processes.all[0]
    assert {len(limits._full), len(processes.shared._entered)} == {100}


# --- Several --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [PER_MINUTE, TENANTS, Rate(most=999, seconds=3), Rate(most=1, seconds=1)])
async def test_all_processes_together_never_let_in_more_than_the_rate(rate: Rate) -> None:
    dice, processes = random.Random(rate.most), Processes(rate)
    began = processes.clock.now
    let_in: list[datetime] = []
    for _ in range(3_000):
        if await processes.lets_in(dice.randrange(3)):
            let_in.append(processes.clock.now)
        if not dice.randrange(50):
            # Whoever pauses comes back with tickets that were taken before.
            processes.clock.advance(dice.random() * rate.seconds / 4)
        processes.clock.advance(dice.random() * rate.seconds / rate.most)
    exact = rate.at_once * rate.ticket == 1
    half = timedelta(seconds=rate.seconds) - (timedelta(0) if exact else rate.ticket_life)
    assert half >= timedelta(seconds=rate.seconds) / 2
    for first, one_too_many in zip(let_in, let_in[rate.tickets * rate.ticket :], strict=False):
        assert one_too_many - first >= half
    windows_begun = (processes.clock.now - began) / timedelta(seconds=rate.seconds) + 2
    assert len(let_in) <= rate.most * windows_begun
    # And it is no mere refusing.
    assert len(let_in) >= rate.most * windows_begun / 4


async def test_tickets_that_were_not_used_in_time_let_nobody_in() -> None:
    processes = Processes(TENANTS)
    # With the last of these it takes ten, and uses one.
    assert all([await processes.lets_in(0) for _ in range(16)])
    processes.clock.advance(1.5)
    while await processes.lets_in(1):
        pass
    assert not await processes.lets_in(0)


async def test_what_is_away_turns_nobody_away_and_opens_no_gate() -> None:
    processes = Processes(PER_MINUTE)
    limits, shared = processes.all[0], processes.shared
    shared.away = True
    assert [await processes.lets_in(0) for _ in range(12)] == [True] * 10 + [False] * 2
    # It is not asked again with every request.
    assert (shared.questions, limits.unreachable) == (1, 1)
    assert [await processes.lets_in(1) for _ in range(12)].count(True) == 10
    shared.away = False
    processes.clock.advance(60)
    assert await processes.lets_in(0)
    assert len(shared._entered) == 1


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("not an address", "not an address"),
    ],
)
def test_a_household_is_counted_as_one(address: str, counted_as: str) -> None:
    assert household(address) == counted_as


NOT_TRUSTED, TRUSTED = "192.0.2.1", "10.1.2.3"


@pytest.mark.parametrize(
    ("proxies", "comes_from", "said", "counted_as"),
    [
        ("", LOOPBACK, "203.0.113.7", LOOPBACK),
        ("10.0.0.0/8", NOT_TRUSTED, "203.0.113.7", NOT_TRUSTED),
        ("10.0.0.0/8", TRUSTED, "203.0.113.7", "203.0.113.7"),
        # What stands before the last proxy's word, the caller wrote.
        ("10.0.0.0/8,127.0.0.1", TRUSTED, "198.51.100.1, 203.0.113.7, 127.0.0.1", "203.0.113.7"),
        ("10.0.0.0/8", TRUSTED, "", TRUSTED),
    ],
)
async def test_where_a_request_came_from_only_proxies_that_are_trusted_can_say(
    proxies: str, comes_from: str, said: str, counted_as: str
) -> None:
    async def echo(scope: Asgi, _receive: Receive, send: Send) -> None:
        await PlainTextResponse(address(Request(scope)))(scope, _receive, send)

    served = config(settings(trusted_proxies=proxies), echo)
    served.load()
    transport = httpx.ASGITransport(served.loaded_app, client=(comes_from, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://paysaga") as http:
        assert (await http.get("/", headers={"X-Forwarded-For": said})).text == counted_as


@pytest.mark.parametrize("page", ["docs/operations/limits.md", "deploy/example.env"])
def test_operators_are_told_the_rates_there_are(page: str) -> None:
    told = dict(re.findall(r"PAYSAGA_(\w+_RATE)(?:` \| `|=)([^`\n]+)", (PROJECT / page).read_text()))
    known = {name.upper(): rate for name, rate in settings().model_dump().items() if name.endswith("_rate")}
    assert settings(**{name.lower(): rate for name, rate in told.items()}).rates == settings().rates
    assert told.keys() == known.keys()


# --- Where they count together --------------------------------------------------------------------


@asynccontextmanager
async def in_the_database(house: House, _folder: Path) -> AsyncIterator[Windows]:
    async with world_of(house) as world, shared_windows(settings_with(house), world) as found:
        yield found


@asynccontextmanager
async def in_redis(house: House, folder: Path) -> AsyncIterator[Windows]:
    async with (
        redis(folder) as url,
        world_of(house) as world,
        shared_windows(settings_with(house, redis_url=url), world) as found,
    ):
        yield found


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[str]:
    """A server of our own, which keeps nothing."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = any_port()
    server = await asyncio.create_subprocess_exec(
        *(program, "--port", str(port), "--bind", LOOPBACK, "--dir", str(folder), "--save", ""),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:

        async def listens() -> bool | None:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except ConnectionError:
                return None
            writer.close()
            return True

        await eventually(listens)
        yield f"redis://{LOOPBACK}:{port}"
    finally:
        server.terminate()
        await server.wait()


@pytest.mark.parametrize("place", [in_the_database, in_redis], ids=["database", "redis"])
async def test_of_many_who_come_at_once_just_as_many_are_let_in(
    house: House, tmp_path: Path, place: Callable[[House, Path], AbstractAsyncContextManager[Windows]]
) -> None:
    async with place(house, tmp_path) as shared:
        began = datetime.now(UTC).timestamp()
        entered = await asyncio.gather(*(shared.acquire_entry("many", 10, 60) for _ in range(40)))
        assert entered.count(True) == 10
        oldest, count = await shared.get_moving_window("many", 10, 60)
        assert count == 10
        assert began - 1 <= oldest <= datetime.now(UTC).timestamp()
        assert (await shared.get_moving_window("nobody", 10, 60))[1] == 0
        shares = [await shared.acquire_entry("shares", 10, 60, amount) for amount in (4, 4, 4, 2, 1)]
        assert shares == [True, True, False, True, False]


async def test_in_the_database_what_came_first_leaves_first_and_is_forgotten(house: House) -> None:
    # Nothing of tomorrow is forgotten by the house's own sweep.
    clock = Clock(datetime.now(UTC) + timedelta(days=1))
    async with world_of(house) as world:
        shared = windows.Windows(world.database, clock)
        for _ in range(3):
            clock.advance(10)
            assert await shared.acquire_entry("three", 3, 60)
        first = clock.now - timedelta(seconds=20)
        assert await shared.get_moving_window("three", 3, 60) == (first.timestamp(), 3)
        clock.now = first + timedelta(seconds=59.9)
        assert not await shared.acquire_entry("three", 3, 60)
        clock.advance(0.1)
        assert await shared.acquire_entry("three", 3, 60)
        assert not await shared.acquire_entry("three", 3, 60)
        await windows.forget(world.database, clock.now + timedelta(seconds=60))
        assert (await shared.get_moving_window("three", 3, 60))[1] == 3
        await windows.forget(world.database, clock.now + timedelta(seconds=61))
        clock.advance(-30)
        assert (await shared.get_moving_window("three", 3, 60))[1] == 0
