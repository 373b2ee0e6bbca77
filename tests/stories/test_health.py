"""How an account at a payment company stands is seen by its tenant, by Prometheus and by the operator."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from activities.world import World
from domain.errors import OutcomeUnknown
from domain.health import Health
from providers.line import LONGEST, TROUBLED_AFTER, Line, Lines
from storage import accounts, health
from storage.database import Database
from storage.health import HOLDS_FOR
from tests.house import House, Json, Tenant, eventually, refused, sandbox_keys
from tests.reliability.operator import cried_out, paysaga
from tests.stories.tenancy import PROVIDERS
from tests.stories.test_refunds import becomes as refunded
from tests.stories.test_refunds import refund
from tests.world import world_of
from workflows.health import Witness

WELL: Json = {"state": "ok", "since": None, "lastFailure": None}
SAMPLE = re.compile(r'billing_provider_accounts\{provider="(\w+)",state="(\w+)"\} ([0-9.]+)')


async def standing(tenant: Tenant) -> Json:
    (account,) = (await tenant.call("GET", PROVIDERS)).json()["data"]
    found: Json = account["health"]
    return found


async def becomes(tenant: Tenant, state: str) -> Json:
    async def look() -> Json | None:
        found = await standing(tenant)
        return found if found["state"] == state else None

    found: Json = await eventually(look)
    return found


async def counted(house: House) -> dict[str, int]:
    """The sandbox's accounts by their state, as Prometheus reads it."""
    page = await house.http.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=")
    lines = [line for line in page.text.splitlines() if "billing_provider_accounts" in line]
    explained, type_, *samples = lines
    assert explained.startswith("# HELP billing_provider_accounts ")
    assert type_ == "# TYPE billing_provider_accounts gauge"
    found = [SAMPLE.fullmatch(sample) for sample in samples]
    assert all(found)
    assert page.text.endswith("\n")
    return {match[2]: int(float(match[3])) for match in found if match and match[1] == "sandbox"}


async def listed(house: House, tenant: Tenant) -> Json:
    code, printed = await paysaga("providers", "--json", house=house)
    assert code == 0, printed
    (row,) = [row for row in json.loads(printed) if row["tenant"] == tenant.id]
    found: Json = row
    return found


async def test_refused_credentials_are_seen_by_everyone_until_others_are_set(
    house: House, tenant: Tenant
) -> None:
    account = await tenant.account()
    assert await standing(tenant) == WELL
    await tenant.fault("checkout.create", "before", "status:401", count=1_000)
    for _ in range(2):
        refused(await tenant.create(), 502, "provider_misconfigured")
    seen = await becomes(tenant, "refused")
    assert seen["lastFailure"] == "The provider does not accept this account's credentials"
    assert (await counted(house))["refused"] >= 1
    row = await listed(house, tenant)
    assert (row["provider"], row["account"], row["state"]) == ("sandbox", account, "refused")
    assert cried_out(house, "provider_refuses_account", account)
    assert calls_to_a_person(house, account) == 1
    await set_anew(tenant)
    # Nothing is known of the new ones, whatever is said of the old.
    assert await standing(tenant) == WELL


async def set_anew(tenant: Tenant) -> None:
    """Somebody sets the account's credentials, if only those that it had."""
    secret, key = sandbox_keys(tenant.house, await tenant.account())
    sent = {"credentials": {"apiKey": key, "webhookSecret": secret}}
    answer = await tenant.call("PUT", f"{PROVIDERS}/sandbox", json=sent)
    assert answer.status_code == 200, answer.text


@pytest.mark.slow
async def test_a_refund_waits_for_credentials_that_are_accepted(house: House, tenant: Tenant) -> None:
    payment = await tenant.paid()
    await tenant.fault("refund.create", "before", "status:401")
    asked = await refund(tenant, payment)
    await becomes(tenant, "refused")
    assert (await tenant.call("GET", f"/v1/refunds/{asked['id']}")).json()["status"] == "PENDING"
    await set_anew(tenant)
    await refunded(tenant, asked, "SUCCEEDED")
    assert len((await house.ledger(payment))["refunds"]) == 1


def calls_to_a_person(house: House, account: str) -> int:
    log = (house.data_dir / "logs" / "worker.log").read_text()
    return sum('"event": "alert"' in line and account in line for line in log.splitlines())


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_line_that_closed_is_seen_by_everyone_until_it_is_open_again(
    house: House, tenant: Tenant
) -> None:
    account = await tenant.account()
    for operation in ("checkout.create", "checkout.find"):
        await tenant.fault(operation, "before", "status:503", count=1_000)
    answers = await asyncio.gather(
        *(tenant.create(expiresInSeconds=86_400) for _ in range(TROUBLED_AFTER + 1))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert (await becomes(tenant, "closed"))["lastFailure"] == "The provider did not say"
    assert (await counted(house))["closed"] >= 1
    assert (await listed(house, tenant))["state"] == "closed"
    code, printed = await paysaga("providers", house=house)
    assert (code, tenant.id in printed, "closed" in printed) == (0, True, True)
    assert cried_out(house, "provider_line_closed", account)
    assert calls_to_a_person(house, account) == 1
    await house.control("DELETE", "faults")
    for answer in answers:
        await tenant.eventually(answer.json(), "PROVIDER_PENDING", within=60)
    await becomes(tenant, "ok")


# --- What processes tell each other ---------------------------------------------------------------


@dataclass
class Clocks:
    """One for people, and one that only counts seconds."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 1_000.0

    def pass_by(self, delay: timedelta) -> None:
        self.now += delay
        self.seconds += delay.total_seconds()


@dataclass(frozen=True)
class Worker:
    """One process, as far as the others can tell."""

    world: World
    witness: Witness
    line: Line

    async def called(self, *, times: int = 1, answered: bool = False) -> None:
        for _ in range(times):
            with nullcontext() if answered else pytest.raises(OutcomeUnknown):
                async with self.line.call():
                    if not answered:
                        raise OutcomeUnknown
        await self.witness.share_health()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
async def workers(house: House, tenant: Tenant, clocks: Clocks) -> AsyncIterator[list[Worker]]:
    async with world_of(house) as real:
        async with real.database.tenant(tenant.id) as tx:
            account, _, credentials = await accounts.unlock(tx, real.vault, await tenant.account())
        made = []
        for _ in range(2):
            lines = Lines(partial(Line, lambda: clocks.seconds))
            world = replace(real, lines=lines, clock=lambda: clocks.now)
            made.append(Worker(world, Witness(world), lines.to(account, credentials)))
        yield made


async def test_the_worst_that_any_worker_says_counts_until_it_is_taken_back(
    tenant: Tenant, workers: list[Worker], clocks: Clocks
) -> None:
    one, other = workers
    await one.called(times=TROUBLED_AFTER)
    await other.called()
    seen = await standing(tenant)
    assert (seen["state"], seen["lastFailure"]) == ("closed", "The provider did not say")
    assert datetime.fromisoformat(seen["since"]) - clocks.now < timedelta(seconds=1)
    clocks.pass_by(timedelta(seconds=LONGEST))
    await one.called(answered=True)
    assert (await standing(tenant))["state"] == "troubled"
    await other.called(answered=True)
    assert await standing(tenant) == WELL


async def test_a_worker_that_is_gone_is_believed_for_a_minute(
    tenant: Tenant, workers: list[Worker], clocks: Clocks
) -> None:
    gone, other = workers
    await gone.called()
    assert (await standing(tenant))["state"] == "troubled"
    clocks.pass_by(HOLDS_FOR + timedelta(seconds=1))
    async with other.world.database.tenant(tenant.id) as tx:
        (seen,) = await health.standings(tx, clocks.now)
    assert (seen.state, seen.since) == (Health.OK, None)
    await other.witness.share_health()
    assert await tenant.rows("SELECT FROM provider_health") == []


async def test_trouble_that_goes_on_is_said_again_and_again(
    tenant: Tenant, workers: list[Worker], clocks: Clocks
) -> None:
    worker, _ = workers
    await worker.called(times=TROUBLED_AFTER)
    for _ in range(8):
        clocks.pass_by(HOLDS_FOR / 4)
        await worker.witness.share_health()
        (row,) = await tenant.rows("SELECT seen_at, since FROM provider_health")
        assert row["seen_at"] == clocks.now
    assert clocks.now - row["since"] == 2 * HOLDS_FOR


async def test_while_all_is_well_the_database_hears_nothing_of_it(workers: list[Worker]) -> None:
    worker, _ = workers
    nowhere = replace(worker.world, database=Database("postgresql://nobody@127.0.0.1:9/nothing"))
    silent = replace(worker, witness=Witness(nowhere))
    await silent.called(answered=True)
    with pytest.raises(OSError, match="Connect call failed"):
        await silent.called()
