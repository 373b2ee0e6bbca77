"""The page that Prometheus reads of the API, when there is little to read and when many read it."""

import asyncio

import serve
from api.lookout import Lookout
from api.metrics import metrics
from local.ports import LOOPBACK, any_port
from tests.house import House
from tests.test_settings import settings
from tests.world import world_of


async def test_a_process_tells_its_own_while_the_database_is_away() -> None:
    away = f"postgresql://nobody:pw@{LOOPBACK}:{any_port()}/paysaga"
    async with serve.open_house(settings(database_url=away)) as here:
        page = bytes((await metrics(here)).body).decode()
    assert "billing_facts_readable 0.0" in page
    assert 'billing_auth_failures_total{kind="login"} 0.0' in page
    # Rather nothing than what was true once.
    assert "billing_payments" not in page


async def test_all_who_ask_at_once_are_told_what_one_question_found(house: House) -> None:
    lookout = Lookout()
    async with world_of(house) as world:
        told = await asyncio.gather(*(lookout.facts(world) for _ in range(10)))
    assert told[0] is not None
    assert all(each is told[0] for each in told)
