"""What a worker shows of itself is there before anything else is, and stands in nobody's way."""

import socket

import httpx
from prometheus_client import CollectorRegistry

from activities.measures import Measures
from exposition import showing
from local.ports import LOOPBACK, any_port
from tests.test_settings import settings


async def test_the_page_is_there_while_temporal_and_the_database_are_away() -> None:
    registry, port = CollectorRegistry(), any_port()
    Measures(registry).sweeps("start_orders")
    async with (
        showing(settings(metrics_port=port), registry) as runtime,
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as http,
    ):
        assert runtime is not None
        page = await http.get("/metrics")
        assert (page.status_code, (await http.get("/livez")).json()) == (200, {"status": "ok"})
    assert 'billing_sweep_failures_total{sweep="start_orders"} 0.0' in page.text
    assert page.headers["content-type"].startswith("text/plain; version=")


async def test_a_worker_without_a_port_or_whose_port_is_taken_works_on() -> None:
    async with showing(settings(), CollectorRegistry()) as runtime:
        assert runtime is None
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = settings(metrics_port=other.getsockname()[1])
        async with showing(taken, CollectorRegistry()) as runtime:
            assert runtime is None
