"""Everything else the client offers, said to the running platform."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from paysaga_client import (
    AsyncPaysaga,
    Forbidden,
    FourEyes,
    IllegalTransition,
    LimitExceeded,
    Unauthorized,
)
from paysaga_client.models import NewFeature, NewPrice, NewTax, PaymentWithEvents
from tests.client.conftest import TLS
from tests.client.test_payments import order, pay
from tests.house import Tenant, eventually

# What each answer looks like, test_drift.py says in no time.
pytestmark = pytest.mark.slow


@asynccontextmanager
async def another(tenant: Tenant, secret: str) -> AsyncIterator[AsyncPaysaga]:
    """Somebody else of the same tenant."""
    where, name = tenant.house.ready["apiUrl"], tenant.registered["appName"]
    async with httpx.AsyncClient(trust_env=False, verify=TLS, timeout=15) as http:
        yield AsyncPaysaga(where, name, secret, http_client=http)


async def paid(shop: AsyncPaysaga) -> PaymentWithEvents:
    payment = await order(shop)
    await asyncio.to_thread(pay, payment.checkout_url)
    return await shop.payments.wait(payment.id)


async def test_a_second_person_decides_about_what_the_first_one_asked_for(
    tenant: Tenant, shop: AsyncPaysaga
) -> None:
    settings = await shop.tenants.change_settings(refund_approval_threshold={"HUF": 1}, default_provider=None)
    assert (await shop.tenants.me()).settings == settings
    refund = await shop.payments.refund((await paid(shop)).id, amount=100, reason="broken")
    assert refund.status == "PENDING_APPROVAL"
    assert refund.approval_id is not None
    with pytest.raises(FourEyes):
        await shop.approvals.approve(refund.approval_id)
    colleague = await shop.credentials.create("Zoë", "approver")
    assert colleague.app_secret not in repr(colleague)
    async with another(tenant, colleague.app_secret) as approver:
        (waiting,) = [each async for each in approver.approvals.iterate(status="PENDING")]
        assert (await approver.approvals.approve(waiting.id)).status == "APPROVED"
        with pytest.raises(IllegalTransition):
            await approver.approvals.reject(waiting.id)
        with pytest.raises(Forbidden):
            await approver.credentials.create("Mallory", "owner")
    assert (await shop.refunds.get(refund.id)).status != "PENDING_APPROVAL"


async def test_who_has_the_old_secret_is_nobody(tenant: Tenant, shop: AsyncPaysaga) -> None:
    first = await shop.credentials.create("reports", "readonly")
    second = await shop.credentials.rotate(first.id, overlap_seconds=0)
    async with another(tenant, first.app_secret) as old, another(tenant, second.app_secret) as new:
        with pytest.raises(Unauthorized):
            await old.tenants.me()
        assert (await new.tenants.me()).id == tenant.id
    await shop.credentials.revoke(first.id)
    assert [each.role for each in await shop.credentials.list()] == ["owner"]


async def test_a_subscriber_is_led_through_a_subscription(shop: AsyncPaysaga) -> None:
    await shop.tenants.change_settings(tax=NewTax(rate_basis_points=2700, inclusive=True))
    plan = await shop.plans.create(
        name="Pro",
        tier="pro",
        features=[NewFeature(feature="exports", limit=3)],
        prices=[NewPrice(amount=490000, currency="HUF", interval="month", per_seat=True)],
    )
    assert (await shop.plans.change(plan.id, description="All of it", tier=None)).tier is None
    page = await shop.billing.session(
        "checkout",
        price_id=plan.prices[0].id,
        user_id="anna",
        success_url="https://shop.example.com/thanks",
        cancel_url="https://shop.example.com/plans",
    )
    assert (await shop.billing.status("anna")).access == "none"
    await asyncio.to_thread(pay, page.session_url)

    async def subscribed() -> bool | None:
        return (await shop.billing.status("anna")).access == "full" or None

    await eventually(subscribed)
    (sub,) = [each async for each in shop.subscriptions.iterate(user_id="anna")]
    await shop.entitlements.use("exports", "anna", quantity=2)
    with pytest.raises(LimitExceeded) as left:
        await shop.entitlements.use("exports", "anna", quantity=2)
    assert left.value.remaining == 1
    preview = await shop.subscriptions.preview(sub.id, quantity=2)
    assert (preview.currency, preview.total > 0) == ("HUF", True)
    assert (await shop.subscriptions.cancel(sub.id, at_period_end=True)).cancel_at_period_end
    assert not (await shop.subscriptions.resume(sub.id)).cancel_at_period_end
    whole = await shop.subscriptions.get(sub.id)
    assert whole.latest_invoice_id is not None
    invoice = await shop.invoices.get(whole.latest_invoice_id)
    assert (invoice.total, invoice.tax_rate.rate_basis_points, invoice.status) == (490000, 2700, "paid")
    assert (await shop.invoices.pdf(invoice.id, language="hu")).startswith(b"%PDF")
    assert [each.id async for each in shop.invoices.iterate(user_id="anna")] == [invoice.id]
    assert [each.active async for each in shop.plans.iterate(active=True)] == [True]


async def test_the_records_of_a_payment_can_be_read(tenant: Tenant, shop: AsyncPaysaga) -> None:
    payment = await paid(shop)
    proof = await shop.payments.proof(payment.id)
    assert payment.id in str(proof.facts)
    balances = {each.account: each.balance for each in await shop.ledger.balances(currency="HUF")}
    assert balances["provider_receivable"] == -balances["tenant_revenue"] == 1990000
    entries = [each.amount async for each in shop.ledger.iterate_entries(payment_id=payment.id)]
    assert sorted(entries) == [-1990000, 1990000]
    assert {each.resource async for each in shop.audit.iterate(resource=payment.id)} == {payment.id}
    assert (await shop.audit.verify()).verified
    summary = await shop.reports.summary()
    assert (summary.success_rate.succeeded, summary.volume[0].net) == (1, 1990000)
    assert payment.id.encode() in await shop.reports.payments_csv()
    run = await shop.reconciliation.start()
    assert (await shop.reconciliation.get(run.id)).provider == "sandbox"
    assert [each.id async for each in shop.reconciliation.iterate()] == [run.id]
    assert [each.health.state for each in await shop.providers.list()] == ["ok"]
    known = await tenant.disputed({"id": payment.id})
    assert [each.id async for each in shop.disputes.iterate(payment_id=payment.id)] == [known["id"]]
    assert (await shop.disputes.answer(known["id"], "It was delivered.")).payment_id == payment.id
