"""A name that meant a public address when it was registered, and means a private one when it is called.

The platform runs with a resolver that the test controls; API and worker ask it and nobody else.
"""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from dev import Platform
from tests.house import House, Json, Tenant, eventually, refused
from tests.security.trap import Trap, trap

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

PUBLIC: Final = "93.184.215.14"
TURNS_TO: Final = {
    "this-machine": ["127.0.0.1"],
    "this-machine-6": ["::1"],
    "another-loopback": ["127.0.0.2"],
    "no-address": ["0.0.0.0"],
    "mapped": ["::ffff:127.0.0.1"],
    "nat64": ["64:ff9b::7f00:1"],
    "link-local": ["fe80::1%lo"],
    "cloud": ["169.254.169.254"],
    "private": ["10.0.0.1"],
    "bad-after-good": [PUBLIC, "127.0.0.1"],
    "good-after-bad": ["127.0.0.1", PUBLIC],
    "one-of-many": [PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "::1", "8.8.8.8"],
}


class Names:
    """What the attacker's name server answers from now on."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.are({})

    def are(self, names: dict[str, list[str]]) -> None:
        written = self.file.with_suffix(".new")
        written.write_text(json.dumps({f"{name}.attacker.example": found for name, found in names.items()}))
        written.replace(self.file)

    def asked(self, name: str) -> int:
        """How often somebody wanted to know where this is."""
        asked = self.file.with_suffix(".asked").read_text().splitlines()
        return asked.count(f"{name}.attacker.example")


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names(tmp_path / "names.json")
    monkeypatch.setenv("HOSTILE_NAMES", str(names.file))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "resolver"))
    return names


@pytest.fixture
async def own(names: Names, tmp_path: Path) -> AsyncIterator[House]:  # noqa: ARG001 - before its processes start
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 40 + 20 * number
    platform = Platform(tmp_path / "house", base, time_scale=60, say=print)
    async with (
        platform,
        httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        yield House(platform.ready, http, tmp_path / "house")


async def test_a_name_that_turns_private_after_its_registration_is_not_called(
    own: House, names: Names
) -> None:
    async with trap() as set_up:
        tenant = await own.tenant()
        names.are({name: [PUBLIC] for name in [*TURNS_TO, "company"]})
        endpoints = {name: await registered(tenant, name, set_up) for name in TURNS_TO}
        await company(tenant, set_up)
        names.are(TURNS_TO | {"company": ["127.0.0.1"]})
        before = names.asked("company")
        for endpoint in endpoints.values():
            assert (await tenant.call("POST", f"/v1/webhook-endpoints/{endpoint}/test", json={})).is_success
        await tenant.create(
            provider="stripe", successUrl="https://shop.example/a", cancelUrl="https://shop.example/b"
        )
        assert await outcomes(tenant, endpoints) == dict.fromkeys(TURNS_TO, NOT_SENT)

        async def called() -> bool | None:
            return names.asked("company") > before or None

        await eventually(called)
        for name, endpoint in endpoints.items():
            # Nor is it registered as what it is now.
            change = {"url": url(name, set_up) + "2"}
            answer = await tenant.call("PATCH", f"/v1/webhook-endpoints/{endpoint}", json=change)
            refused(answer, 422, "validation_failed")
        assert set_up.visitors == []


NOT_SENT: Final = "the host has an address that is not public; nothing was sent"


def url(name: str, trap: Trap) -> str:
    return f"https://{name}.attacker.example:{trap.port}/hook"


async def registered(tenant: Tenant, name: str, trap: Trap) -> str:
    answer = await tenant.call("POST", "/v1/webhook-endpoints", json={"url": url(name, trap)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def company(tenant: Tenant, trap: Trap) -> None:
    credentials = {"apiKey": "sk_test_1", "webhookSecret": "whsec_" + "A" * 32}
    body = {"credentials": credentials, "apiBase": url("company", trap)}
    answer = await tenant.call("PUT", "/v1/tenants/me/providers/stripe", json=body)
    assert answer.status_code == 200, answer.text


async def outcomes(tenant: Tenant, endpoints: dict[str, str]) -> Json:
    """What became of the first attempt at each endpoint."""

    async def look() -> Json | None:
        rows = await tenant.rows(
            "SELECT endpoint_id, max(error) AS error FROM delivery_attempts a"
            " JOIN deliveries d ON d.id = a.delivery_id GROUP BY endpoint_id"
        )
        found = {row["endpoint_id"]: row["error"] for row in rows}
        return (
            {name: found[endpoint] for name, endpoint in endpoints.items()}
            if found.keys() >= {*endpoints.values()}
            else None
        )

    found: Json = await eventually(look)
    return found
