"""What callers are told when Temporal cannot be spoken to."""

import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.money import Money
from domain.payment import PaymentRef, Progress
from workflows import messages
from workflows.payloads import data_converter

REF = PaymentRef(
    tenant_id="ten_1",
    payment_id="pay_1",
    digest="0" * 64,
    money=Money(amount_minor=1990000, currency="HUF"),
    provider="sandbox",
    expires_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def nobody() -> str:
    """An address where no one listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("ask", [messages.open_checkout, messages.cancel])
async def test_a_process_that_never_reached_temporal_says_it_is_away_and_not_a_bug(
    ask: Callable[[Client, PaymentRef, timedelta], Awaitable[Progress]],
) -> None:
    client = await Client.connect(nobody(), data_converter=data_converter(), lazy=True)
    with pytest.raises(RPCError) as refused:
        await ask(client, REF, timedelta(seconds=5))
    assert refused.value.status is RPCStatusCode.UNAVAILABLE
