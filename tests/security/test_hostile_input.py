"""Hundreds of bodies that nobody should send, at every door: refused, nothing written, memory flat.

Slow, and in numbers what tests/stories/test_bad_input.py tells in examples.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx
import psutil
import pytest

from tests.house import House, Tenant
from tests.security.corpus import Hostile, hostile_bodies
from tests.security.mutations import Mutation, Place, forbidden, perhaps
from tests.stories.company import HOUR, Company, inbox, speaking_for, told
from tests.stories.visitor import CANARY, DOORS, Visitor

AT_ONCE = 12
SHOWN = 15
MIB = 2**20
# Half of the corpus is some four thousand requests: 2 KiB kept of each of them would show.
GROWTH = 8 * MIB

Judge = Callable[[], Awaitable[str | None]]
"""Sends one thing, and says what is wrong with the answer."""


async def judged(judges: Iterable[Judge]) -> None:
    """All of them, a dozen at a time; fails with what they found."""
    waiting = iter(judges)

    async def work() -> list[str]:
        found = [await judge() for judge in waiting]
        return [wrong for wrong in found if wrong is not None]

    wrong = [each for found in await asyncio.gather(*(work() for _ in range(AT_ONCE))) for each in found]
    assert not wrong, f"{len(wrong)} answers are wrong:\n" + "\n".join(wrong[:SHOWN])


def not_refused(answer: httpx.Response) -> str | None:
    """What is wrong with this refusal: not one, not told as every refusal is, or repeating what was sent."""
    if not 400 <= answer.status_code < 500:
        return f"{answer.status_code} {answer.text[:200]}"
    if answer.headers["content-type"] != "application/problem+json":
        return f"no problem document: {answer.text[:200]}"
    return f"it repeats the canary: {answer.text[:200]}" if CANARY in answer.text else None


# --- The corpus -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOORS)
def test_the_corpus_holds_hundreds_of_tricks_for_every_door(name: str) -> None:
    tricks = list(hostile_bodies(DOORS[name].good))
    whole = [trick for trick in tricks if not trick.name.startswith("cut off")]
    assert len({trick.name for trick in tricks}) == len(tricks)
    assert len({(trick.body, *trick.headers.items()) for trick in whole}) > 300


def refusing(visitor: Visitor, name: str, trick: Hostile) -> Judge:
    async def judge() -> str | None:
        answer = await visitor.send(DOORS[name], trick.body, **trick.headers)
        wrong = not_refused(answer)
        return wrong and f"{name}: {trick.name}: {wrong}"

    return judge


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_no_trick_of_the_corpus_is_taken_at_any_door_and_none_leaves_a_trace(house: House) -> None:
    visitor = await Visitor.arriving(await house.tenant())
    judges = [
        refusing(visitor, name, trick) for name, door in DOORS.items() for trick in hostile_bodies(door.good)
    ]
    api, before = psutil.Process(house.pid("api")), await visitor.has()
    # Both halves ask the same of the same doors.
    rss = [api.memory_info().rss]
    for half in (judges[::2], judges[1::2]):
        await judged(half)
        rss.append(api.memory_info().rss)
    assert await visitor.has() == before
    print(f"{len(judges)} requests; RSS in MiB:", *(round(size / MIB, 1) for size in rss))  # noqa: T201
    assert rss[2] - rss[1] < GROWTH, rss


# --- One value changed ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_no_value_that_the_schema_forbids_is_taken_anywhere_in_any_body(house: House) -> None:
    visitor = await Visitor.arriving(await house.tenant())
    before = await visitor.has()
    await judged(
        refusing(visitor, name, Hostile(each.name, each.body))
        for name, door in DOORS.items()
        for each in forbidden(door.good)
    )
    assert await visitor.has() == before


MISSING = object()


def at(place: Place, answer: Any) -> Any:
    """What stands at this place, if there is one."""
    for name in place:
        try:
            answer = answer[name]
        except (LookupError, TypeError):
            return MISSING
    return answer


def taken_as_it_is(visitor: Visitor, name: str, mutation: Mutation) -> Judge:
    async def judge() -> str | None:
        key = {"Idempotency-Key": secrets.token_hex(8)}
        answer = await visitor.send(DOORS[name], mutation.body, **key)
        if not answer.is_success:
            wrong = not_refused(answer)
        else:
            there = at(mutation.place, answer.json())
            kept = mutation.value is None or there in (MISSING, mutation.value)
            wrong = None if kept else f"it came back as {there!r}"
        return wrong and f"{name}: {mutation.name}: {wrong}"

    return judge


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_text_that_looks_hostile_is_refused_or_comes_back_as_it_was_sent(house: House) -> None:
    # What one door takes must not be in the way at another.
    visitors = {name: await Visitor.arriving(await house.tenant(), [door]) for name, door in DOORS.items()}
    await judged(
        taken_as_it_is(visitors[name], name, each)
        for name, door in DOORS.items()
        for each in perhaps(door.good)
    )


# --- Doors without a body, and the door that reads raw bytes --------------------------------------


async def bodiless(house: House) -> list[tuple[str, str]]:
    """Routes that change something and read no body, with names of nobody in their paths."""
    paths = (await house.http.get("/openapi.json")).json()["paths"]
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, methods in paths.items()
        for method, operation in methods.items()
        if method != "get" and "requestBody" not in operation
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_route_that_reads_no_body_is_not_moved_by_one(house: House) -> None:
    tenant, tricks = await house.tenant(), list(hostile_bodies(DOORS["refund"].good))

    def judge(method: str, path: str, trick: Hostile) -> Judge:
        async def sent() -> str | None:
            headers = house.admin | {"Content-Type": "application/json"} | trick.headers
            answer = await tenant.call(method, path, content=trick.body, headers=headers)
            wrong = not_refused(answer)
            return wrong and f"{method} {path}: {trick.name}: {wrong}"

        return sent

    routes = await bodiless(house)
    assert len(routes) >= 10
    await judged(judge(*route, trick) for route in routes for trick in tricks[::5])


def heard(company: Company, trick: Hostile, event: str | None) -> Judge:
    """With a name for the event it is signed as the company signs; without, not at all."""

    async def judge() -> str | None:
        signed = company.signed(trick.body, event=event) if event else {}
        path = f"/v1/billing/webhooks/sandbox/{company.account}"
        answer = await company.house.http.post(path, content=trick.body, headers=signed | trick.headers)
        wrong = None if event and answer.status_code == 200 else not_refused(answer)
        return wrong and f"{trick.name}: {wrong}"

    return judge


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_company_can_send_what_it_likes_and_nothing_comes_of_it(tenant: Tenant) -> None:
    company, payment = await speaking_for(tenant), await tenant.open(**HOUR)
    open_still = told(payment, "open/unpaid")
    tricks = list(hostile_bodies(json.loads(open_still)))
    tricks += [Hostile(each.name, each.body) for each in forbidden(json.loads(open_still))]
    await judged(heard(company, trick, None) for trick in tricks)
    assert await inbox(tenant) == []
    await judged(heard(company, trick, f"evt_{number}") for number, trick in enumerate(tricks))
    assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"
