"""The example shop beside a running platform: a tenant of its own, and a folder that goes with it."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from rich.markup import escape

from local import CannotStart
from local.demo import DidNotHappen, Show, answered, step
from local.plan import inherited
from local.ports import LOOPBACK, WINDOW, any_port, is_free
from local.processes import Part, Supervisor, claimed

CLOSES_WITHIN = 3.0
"""Seconds for the platform to forget the shop's address."""
AROUND = """
[bold green]Open[/] {url}

  Say who you are, buy a ticket, pay at the sandbox company, and enter the members' room.
  4242 4242 4242 4242  pays
  4000 0000 0000 0002  is declined; try another card, or give up and buy again
  9000 0000 0000 0001  is a bank payment, paid after 5 s

  Its code is in examples/shop; start reading at shop.py.

[bold]Close[/] it with Ctrl-C."""


@contextlib.asynccontextmanager
async def example_shop(ready: Mapping[str, Any], project: Path, show: Show) -> AsyncIterator[str]:
    """The address of an open shop whose platform is told by its ready file. Raises CannotStart.

    What the shop wrote down goes with it. The tenant stays, as tenants do, without its webhook endpoint.
    """
    code, client = project / "examples" / "shop", project / "client"
    for needed in (code / "shop.py", client / "paysaga_client"):
        if not needed.exists():
            raise CannotStart(
                f"there is no {needed}. The shop and the client are not in the package, but in a checkout"
            )
    with TemporaryDirectory(prefix="paysaga-shop-") as name, claimed(folder := Path(name)):
        url = f"http://{LOOPBACK}:{_port(ready)}"
        async with (
            httpx.AsyncClient(base_url=ready["apiUrl"], trust_env=False, timeout=10) as http,
            Supervisor(folder, lambda news: show(f"  [yellow]![/] {escape(news)}")) as supervisor,
        ):
            tenant = await _become_tenant(http, ready["adminKey"], show)
            settings = {
                "PAYSAGA_API_URL": ready["apiUrl"],
                "APP_NAME": tenant["appName"],
                "APP_SECRET": tenant["appSecret"],
                "SHOP_URL": url,
                "SHOP_DATA": str(folder / "shop"),
                "PYTHONPATH": str(client),
            }
            with step(show, "its shop is open") as note:
                await supervisor.start(_part(code, url, settings, http))
                note(url)
            try:
                yield url
            finally:
                await _close_endpoints(http, tenant)


@contextlib.contextmanager
def until_signalled() -> Iterator[None]:
    """Leave what is inside, in order, at Ctrl-C or its like. Once: nothing interrupts the tidying up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked and task is not None:
            asked = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup the hang-up is ignored, and stays so.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not asked:
            raise


def _port(ready: Mapping[str, Any]) -> int:
    """One that the platform leaves of its window, from the top, or any."""
    base = httpx.URL(ready["apiUrl"]).port or 0
    window = range(min(base + WINDOW, 65536) - 1, base, -1)
    return next(filter(is_free, window), None) or any_port()


async def _become_tenant(http: httpx.AsyncClient, admin_key: str, show: Show) -> dict[str, Any]:
    with step(show, "a tenant is registered") as note:
        wish = {"name": "Example shop", "contactEmail": "shop@example.com", "sandbox": True}
        registered = await http.post("/v1/tenants/register", json=wish, headers={"X-Admin-Key": admin_key})
        tenant = answered(registered, httpx.codes.CREATED)
        note(tenant["id"])
    return tenant


def _part(code: Path, url: str, settings: Mapping[str, str], http: httpx.AsyncClient) -> Part:
    async def opens() -> bool:
        try:
            return (await http.get(url, timeout=1)).is_success
        except httpx.HTTPError:
            return False

    address = httpx.URL(url)
    server = ("--app-dir", str(code), "--host", address.host, "--port", str(address.port), "--no-access-log")
    return Part(
        name="shop",
        command=(sys.executable, "-m", "uvicorn", "shop:app", *server),
        environment={**inherited(), **settings},
        ready=opens,
    )


async def _close_endpoints(http: httpx.AsyncClient, tenant: Mapping[str, Any]) -> None:
    """So that nobody knocks at a closed shop. A platform that is gone as well needs no telling."""
    with contextlib.suppress(httpx.HTTPError, TimeoutError, DidNotHappen):
        async with asyncio.timeout(CLOSES_WITHIN):
            login = {name: tenant[name] for name in ("appName", "appSecret")}
            token = answered(await http.post("/v1/tenants/login", json=login), httpx.codes.OK)
            http.headers["Authorization"] = f"Bearer {token['accessToken']}"
            for endpoint in answered(await http.get("/v1/webhook-endpoints"), httpx.codes.OK)["data"]:
                await http.delete(f"/v1/webhook-endpoints/{endpoint['id']}")
