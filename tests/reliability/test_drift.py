"""Hundreds of payments whose books differ in known ways: all of it is found, nothing else, and mended."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dev import Platform
from domain.reconciliation import Drift
from tests.house import UNHURRIED, House, Json, eventually
from tests.reliability.planting import CLEAN, DRIFT, Ground, Key, lost_webhook
from tests.stories.test_reconciliation import GRACE, differences, done, nobodys_capture, started

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose books may be spoilt: the others' is examined by others."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 40 + 20 * number
    folder: Path = tmp_path_factory.mktemp("drift") / "a house of its own"
    platform = Platform(folder, base, time_scale=60, settings=UNHURRIED, say=print)
    async with (
        platform,
        httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        yield House(platform.ready, http, folder)


@pytest.fixture(scope="module")
async def ground(own: House) -> AsyncIterator[Ground]:
    ground = await Ground.of(own, await own.tenant())
    for plant, number in {**DRIFT, **CLEAN}.items():
        await ground.plant(number, plant)
    await ground.write()
    await asyncio.sleep(GRACE)
    ground.first = await done(ground.tenant, await started(ground.tenant), within=60)
    yield ground
    await ground.company.aclose()


def found(run: Json) -> dict[Key, str]:
    keys = [
        (each["class"], each["subject"], each["paymentId"] or each["providerReference"])
        for each in differences(run)
    ]
    assert max(Counter(keys).values()) == 1
    return dict(zip(keys, (each["action"] for each in differences(run)), strict=True))


async def mismatches(ground: Ground) -> int:
    (row,) = await ground.tenant.rows("SELECT count(*) FROM events WHERE type = 'reconciliation.mismatch'")
    return int(row["count"])


async def test_all_that_was_planted_is_found_and_nothing_else(ground: Ground) -> None:
    assert len(ground.expected) >= 200
    assert ground.clean >= 200
    assert {drift for drift, _, _ in ground.expected} == set(Drift)
    assert found(ground.first) == ground.expected
    reported = [key for key, action in ground.expected.items() if action == "REPORTED"]
    assert await mismatches(ground) == len(reported)


async def test_every_letter_is_heard_and_mends_what_it_was_for(ground: Ground) -> None:
    await all_heard(ground)
    mended = [key for key, action in ground.expected.items() if action == "REPAIRED"]
    (letters,) = await ground.tenant.rows("SELECT count(*) FROM inbox")
    assert letters["count"] == len(mended)


async def all_heard(ground: Ground) -> None:
    async def look() -> bool | None:
        rows = await ground.tenant.rows("SELECT DISTINCT state FROM inbox")
        return [row["state"] for row in rows] == ["PROCESSED"] or None

    await eventually(look, within=90)


async def test_a_worker_that_dies_is_followed_by_one_that_goes_on_where_it_was(ground: Ground) -> None:
    """And what was mended is not found again, what was reported is not told of again."""
    tenant, house = ground.tenant, ground.house
    await all_heard(ground)
    told = await mismatches(ground)
    before = await pages(ground)
    await tenant.fault("payment.list", "before", "hang", nth=3, seconds=30)
    run = await started(tenant)

    async def at_the_third() -> bool | None:
        return await pages(ground) == before + 3 or None

    await eventually(at_the_third)
    await house.kill("worker")
    again = await done(tenant, run, within=90)
    reported = {key: action for key, action in ground.expected.items() if action == "REPORTED"}
    assert found(again) == reported
    assert await mismatches(ground) == told
    captures = again["compared"]["payments"]
    assert captures > 300
    # Each page was asked for once, and the one in the middle of which it died once more.
    assert await pages(ground) == before + -(-captures // 100) + 1


async def test_a_letter_that_was_heard_and_mended_nothing_is_told_of_and_not_sent_again(own: House) -> None:
    tenant = await own.tenant()
    ground = await Ground.of(own, tenant)
    await ground.plant(1, lost_webhook)
    await ground.write()
    ((key, action),) = ground.expected.items()
    await asyncio.sleep(GRACE)
    assert found(await done(tenant, await started(tenant))) == {key: action}
    await tenant.eventually({"id": key[2]}, "SUCCEEDED")
    # As if it had come to nothing.
    await tenant.rows(
        "UPDATE payments SET status = 'PROVIDER_PENDING', captured_minor = 0, captured_currency = NULL"
        " WHERE id = $1 RETURNING id",
        key[2],
    )
    again = await done(tenant, await started(tenant))
    assert found(again) == {key: "REPORTED"}
    (difference,) = differences(again)
    assert difference["repairedBy"]["state"] == "PROCESSED"
    assert await mismatches(ground) == 1
    assert len(await tenant.rows("SELECT id FROM inbox")) == 1
    await ground.company.aclose()


async def test_anothers_payment_in_our_books_is_nobodys_and_nothing_is_said_of_it(own: House) -> None:
    tenant, theirs = await own.tenant(), await (await own.tenant()).paid()
    await tenant.fault("webhook.send", "webhook", "lost", count=100)
    capture = await nobodys_capture(tenant, theirs["id"])
    await asyncio.sleep(GRACE)
    (difference,) = differences(await done(tenant, await started(tenant)))
    facts = {"class": "unknown_reference", "providerReference": capture, "action": "REPORTED"}
    assert difference | facts == difference
    assert (difference["paymentId"], difference["ourId"], difference["here"]) == (None, None, "nothing")


async def pages(ground: Ground) -> int:
    asked = (await ground.house.control("GET", "requests"))["data"]
    return sum(each["operation"] == "payment.list" and each["account"] == ground.account for each in asked)
