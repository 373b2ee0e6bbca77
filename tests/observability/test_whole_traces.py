"""A whole platform with a collector: one payment's traces from order to provider, webhook to delivery."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dev import Platform
from tests.house import CARD, UNHURRIED, House, Json, Receiver, Tenant, eventually, sandbox_keys
from tests.observability.conftest import Collector, facts

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

CALLERS = "0af7651916cd43dd8448eb211c80319c"
ASKED = "POST /v1/payments"
HEARD = "POST /v1/billing/webhooks/{provider}/{account_id}"


@asynccontextmanager
async def traced_house(folder: Path, collector: Collector) -> AsyncIterator[House]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 40 + 20 * number
    told = UNHURRIED | {"PAYSAGA_OTLP_ENDPOINT": collector.url}
    platform = Platform(folder / "house", base, time_scale=60, settings=told, say=print)
    async with (
        platform,
        httpx.AsyncClient(base_url=platform.ready["apiUrl"], trust_env=False, timeout=15) as http,
    ):
        yield House(platform.ready, http, folder / "house")


async def bought(tenant: Tenant) -> Json:
    """A payment from order to entitlement, asked for within a trace of the tenant's own."""
    answer = await tenant.call(
        "POST",
        "/v1/payments?token=none",
        json={"userId": "jane-77", "amount": 1990000, "currency": "HUF", "customerEmail": "jane@example.com"},
        headers={
            "Idempotency-Key": "one",
            "X-Request-Id": "req-77",
            "traceparent": f"00-{CALLERS}-b7ad6b7169203331-00",
            "baggage": "user=jane",
        },
    )
    assert answer.status_code in {201, 202}, answer.text
    payment: Json = await tenant.eventually(answer.json(), "PROVIDER_PENDING")
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    return payment | {"checkoutToken": answer.json()["checkoutToken"]}


def way(spans: list[Span], last: Span) -> list[str]:
    """How it came to this, from the first span to the last."""
    known = {span.span_id: span for span in spans}
    names, span = [last.name], last
    while (before := known.get(span.parent_span_id)) is not None:
        names.append(before.name)
        span = before
    return names[::-1]


async def test_a_payments_traces_tell_its_ways_and_no_secret(
    tmp_path: Path, collector: Collector, receiver: Receiver
) -> None:
    async with traced_house(tmp_path, collector) as house:
        tenant = await house.tenant(receiver.url)
        # By asking nothing is found out: the webhook settles it, however late it is.
        await tenant.fault("checkout.read", "before", "status:503", count=100)
        payment = await bought(tenant)
        paid = await receiver.event("payment.succeeded")
        private = [
            *sandbox_keys(house, await tenant.account()),
            *(tenant.registered["appSecret"], tenant.registered["webhookSecret"], tenant.token),
            *(payment["checkoutToken"], payment["checkoutUrl"], receiver.url, house.ready["adminKey"]),
            *("jane", CARD, "token=none", "sandbox answered"),
        ]

        opened = (ASKED, "Payment.checkout", "open_checkout")
        wanted = {
            (*opened, "POST sandbox"),
            (*opened, "Courier.wake", "carry", "deliver"),
            (HEARD, "Payment.provider_reported", "settle", "Courier.wake", "carry", "deliver"),
        }

        async def told() -> list[Span] | None:
            """All spans, once those ways are whole: each process sends its own every few seconds."""
            spans = [span for each in collector.spans.values() for span in each]
            return spans if wanted <= {tuple(way(spans, span)) for span in spans} else None

        spans: list[Span] = await eventually(told, within=60)
        assert set(collector.spans) == {"paysaga-api", "paysaga-worker"}
        asked = next(span for span in spans if span.name == ASKED)
        assert asked.trace_id.hex() == CALLERS
        assert facts(asked)["paysaga.request_id"] == "req-77"
        assert facts(asked)["paysaga.tenant"] == tenant.id
        steps = [span for span in spans if span.name == "open_checkout"]
        assert [facts(step)["temporalWorkflowID"] for step in steps] == [tenant.workflow_id(payment)]
        first = await receiver.event("payment.created")
        assert first.headers["traceparent"].split("-")[1] == CALLERS
        assert not {"tracestate", "baggage"} & set(paid.headers)
    sent = b"".join(request.SerializeToString() for request in collector.taken)
    assert [word for word in private if word.encode() in sent] == []


async def test_a_collector_that_hangs_delays_no_payment_and_no_end(
    tmp_path: Path, collector: Collector, receiver: Receiver
) -> None:
    collector.answer = None
    async with traced_house(tmp_path, collector) as house:
        tenant = await house.tenant(receiver.url)
        for _ in range(5):
            await tenant.paid()
        await receiver.count(15)
        assert collector.asked.is_set()
        began = time.monotonic()
    # All of it stops in order, and who must be killed has been waited for much longer.
    assert time.monotonic() - began < 20
