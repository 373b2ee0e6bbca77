"""What the platform tells a tenant: endpoints made by the client, and webhooks believed by it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from paysaga_client import AsyncPaysaga, NotFound
from paysaga_client.webhooks import WebhookSignatureInvalid, verify
from tests.client.test_payments import order, pay
from tests.house import Receiver, Tenant


async def test_a_webhook_is_believed_and_says_what_happened(shop: AsyncPaysaga, receiver: Receiver) -> None:
    endpoint = await shop.webhook_endpoints.create(receiver.url, events=["payment.succeeded"])
    assert endpoint.secret not in repr(endpoint)
    payment = await order(shop)
    await asyncio.to_thread(pay, payment.checkout_url)
    delivery = await receiver.event("payment.succeeded")
    event = verify(endpoint.secret, delivery.headers, delivery.raw)
    assert (event.data.payment_id, event.data.order_id) == (payment.id, "order-456")
    with pytest.raises(WebhookSignatureInvalid):
        verify(
            (await shop.webhook_endpoints.rotate_secret(endpoint.id)).secret, delivery.headers, delivery.raw
        )
    assert await shop.events.get(event.event_id) == event
    log = [each async for each in shop.events.iterate()]
    assert [each.sequence for each in log] == list(range(1, len(log) + 1))
    assert event in log
    later = [each.sequence async for each in shop.events.iterate(after=event.sequence - 1)]
    assert later[0] == event.sequence
    assert [each.type for each in (await shop.events.list(type="payment.created")).data] == [
        "payment.created"
    ]


async def test_an_endpoint_is_looked_after(tenant: Tenant, shop: AsyncPaysaga, receiver: Receiver) -> None:
    made = await shop.webhook_endpoints.create(receiver.url, description="the till")
    renewed = await shop.webhook_endpoints.rotate_secret(made.id)
    sent = await shop.webhook_endpoints.test(made.id)
    delivery = await receiver.event("endpoint.test")
    both = [made.secret, renewed.secret]
    assert verify(both, delivery.headers, delivery.raw).event_id == sent.event_id
    await shop.deliveries.redeliver(sent.id)
    await receiver.count(2)
    assert (await shop.deliveries.get(sent.id)).endpoint_id == made.id
    listed = [each.id async for each in shop.webhook_endpoints.iterate_deliveries(made.id)]
    assert sent.id in listed
    changed = await shop.webhook_endpoints.update(made.id, description=None, status="disabled")
    assert (changed.description, changed.status, changed.disabled_reason) == (None, "disabled", "tenant")
    assert (await shop.webhook_endpoints.update(made.id, status="enabled")).status == "enabled"
    recovered = await shop.webhook_endpoints.recover(made.id, datetime.now(UTC) - timedelta(hours=1))
    assert recovered.complete
    assert [each.id for each in await shop.webhook_endpoints.list()] == [made.id]
    await shop.webhook_endpoints.delete(made.id)
    with pytest.raises(NotFound):
        await shop.webhook_endpoints.get(made.id)
    assert (await shop.tenants.me()).id == tenant.id
