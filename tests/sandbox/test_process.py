"""The process: what survives its death, how it leaves, what it keeps to itself."""

import asyncio
import base64
import hmac
import os
import signal
import subprocess
import sys
from hashlib import sha256

import httpx
import pytest

from tests.sandbox.sandbox_house import GOOD_CARD, PLATFORM_KEY, ROOT, Company, Shop

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]


async def test_a_restart_after_kill_keeps_everything(own_shop: Shop) -> None:
    company = own_shop.company
    company.mailbox.answers[own_shop.account] = [500]
    await own_shop.ask("key-1")
    paid = await own_shop.paid()
    await own_shop.refund(paid, amount=500)
    await own_shop.fault("checkout.read", "before", "refuse", nth=3)
    await company.control("POST", "clock", json={"advanceSeconds": 60})
    before = await own_shop.ledger()
    company.end(signal.SIGKILL)
    company.start()
    assert await own_shop.ledger() == before
    assert (await own_shop.ask("key-1")).headers["idempotent-replayed"] == "true"
    assert len((await company.control("GET", "faults"))["data"]) == 1
    await own_shop.hears_at_least_once("checkout.completed", "refund.succeeded", "clock.advanced")


@pytest.mark.slow
async def test_what_was_put_off_happens_after_a_restart(own_shop: Shop) -> None:
    session = await own_shop.paid("9000000000000001")
    own_shop.company.end(signal.SIGKILL)
    own_shop.company.start()
    await own_shop.hears_at_least_once("checkout.processing", "checkout.completed")
    assert (await own_shop.read(session))["payment_status"] == "paid"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
async def test_it_leaves_within_three_seconds_even_with_hanging_calls(own_shop: Shop, number: int) -> None:
    await own_shop.fault("checkout.create", "before", "hang", count=5)
    hanging = [asyncio.create_task(own_shop.ask()) for _ in range(5)]
    await asyncio.sleep(0.3)
    assert await asyncio.to_thread(own_shop.company.end, number) < 3
    assert own_shop.company.process is not None
    assert own_shop.company.process.returncode == 0
    for outcome in await asyncio.gather(*hanging, return_exceptions=True):
        assert isinstance(outcome, httpx.TransportError | httpx.Response)
        assert not (isinstance(outcome, httpx.Response) and outcome.is_success)


async def test_the_clock_moves_forward_only_and_takes_sessions_with_it(spare_shop: Shop) -> None:
    session = (await spare_shop.ask("key-1")).json()
    await spare_shop.company.control("POST", "clock", json={"advanceSeconds": 86_401})
    assert (await spare_shop.read(session))["status"] == "expired"
    fresh = (await spare_shop.ask("key-1")).json()  # keys are kept for 24 hours
    assert fresh["id"] != session["id"]
    assert fresh["status"] == (await spare_shop.read(fresh))["status"] == "open"
    url = f"{spare_shop.company.control_url}/_control/clock"
    assert (await asyncio.to_thread(httpx.post, url, json={"advanceSeconds": -1})).status_code == 400


async def test_a_reset_forgets_everything(spare_shop: Shop) -> None:
    await spare_shop.ask("key-1")
    await spare_shop.fault("checkout.create", "before", "refuse")
    await spare_shop.company.control("POST", "reset")
    assert (await spare_shop.ledger())["sessions"] == []
    assert "idempotent-replayed" not in (await spare_shop.ask("key-1")).headers


async def test_nothing_secret_is_logged_or_kept(own_shop: Shop) -> None:
    await own_shop.paid("4000002500003155")
    await own_shop.paid()
    await own_shop.paid("4111 1111 1111 1111")
    await own_shop.hears("checkout.completed", "payment.attempt_failed")
    own_shop.company.end()
    kept = b"".join(path.read_bytes() for path in own_shop.company.data_dir.iterdir())
    key = own_shop.client.headers["authorization"].removeprefix("Bearer ")
    # Fewer digits of a number may as well be those of a time.
    for secret in (
        GOOD_CARD,
        "4000002500003155",
        "41111111",
        "4111 1111",
        PLATFORM_KEY,
        key,
        own_shop.secret,
    ):
        assert secret.encode() not in kept


async def test_keys_are_derived_as_documented(shop: Shop) -> None:
    key = PLATFORM_KEY.encode()
    tag = hmac.new(key, f"api:{shop.account}".encode(), sha256).hexdigest()[:40]
    assert shop.client.headers["authorization"] == f"Bearer sk_sandbox_{shop.account}_{tag}"
    digest = hmac.new(key, f"webhook:{shop.account}".encode(), sha256).digest()
    assert shop.secret == "whsec_" + base64.b64encode(digest).decode()


@pytest.mark.parametrize("key", ["", "short"])
async def test_it_does_not_start_on_a_key_that_could_be_guessed(key: str) -> None:
    environment = {**os.environ, "SANDBOX_PLATFORM_KEY": key}
    command = [sys.executable, "-m", "sandbox"]
    ended = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, timeout=10, check=False
    )
    assert ended.returncode == 2
    assert b"SANDBOX_PLATFORM_KEY" in ended.stderr


async def test_both_ports_say_when_they_are_ready(company: Company) -> None:
    for url in (company.url, company.control_url):
        assert (await asyncio.to_thread(httpx.get, f"{url}/livez")).status_code == 200
