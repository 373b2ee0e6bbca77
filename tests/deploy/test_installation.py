"""The services of docker-compose.yml take payments: their commands and settings, from the image's files."""

import json
from pathlib import Path

import pytest

from tests.deploy.installation import Visitor, laid, running
from tests.house import Json, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


async def test_two_apis_and_two_workers_take_payments_and_one_of_each_goes_on_alone(tmp_path: Path) -> None:
    async with laid(tmp_path) as it:
        visitor = Visitor(it)

        async def succeeds(token: dict[str, str], opened_at: str, read_at: str) -> None:
            payment = await visitor.opened(opened_at, token, f"order-at-{opened_at}-read-at-{read_at}")
            await visitor.pays(payment)

            async def succeeded() -> Json | None:
                found = await visitor.found(read_at, token, payment)
                return found if found["status"] == "SUCCEEDED" else None

            await eventually(succeeded, 60)

        async with running(it, "worker-2", "api-2"):
            async with running(it, "worker-1", "api-1"):
                tenant = await visitor.registered("api-1")
                token = await visitor.logged_in("api-2", tenant)
                await succeeds(token, "api-1", "api-2")
                await succeeds(token, "api-2", "api-1")
            await succeeds(token, "api-2", "api-2")
            verified = it.run("worker-2", "-m", "cli", "verify", "--json")
            assert verified.returncode == 0, verified.stdout + verified.stderr
            assert json.loads(verified.stdout)["ok"]
        again = it.run("migrate")
        assert again.returncode == 0, again.stderr
