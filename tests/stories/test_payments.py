"""What becomes of a payment."""

from tests.house import DECLINED, House, Tenant


async def test_a_paid_checkout_succeeds_and_grants_what_was_ordered(tenant: Tenant) -> None:
    payment = await tenant.open(entitlements=[{"feature": "pro", "durationSeconds": 3600}])
    assert payment["status"] == "PROVIDER_PENDING"
    assert not (await tenant.entitled("pro"))["entitled"]
    await tenant.pay(payment)
    paid = await tenant.eventually(payment, "SUCCEEDED")
    assert [event["type"] for event in paid["events"]] == [
        "payment.created",
        "payment.pending",
        "payment.succeeded",
    ]
    assert (await tenant.entitled("pro"))["reason"] == "active"


async def test_a_decline_is_an_attempt_and_the_next_card_may_succeed(tenant: Tenant, house: House) -> None:
    payment = await tenant.open()
    await tenant.pay(payment, card=DECLINED)
    await tenant.pay(payment)
    paid = await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    assert "payment.attempt_failed" in [event["type"] for event in (await tenant.get(paid))["events"]]
    assert len((await house.ledger(payment))["captures"]) == 1


async def test_a_payer_who_gives_up_cancels_the_payment(tenant: Tenant) -> None:
    payment = await tenant.open()
    await tenant.pay(payment, action="close")
    await tenant.eventually(payment, "CANCELLED")


async def test_silence_expires_the_payment_and_its_checkout(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(expiresInSeconds=180)
    await tenant.eventually(payment, "EXPIRED")
    assert (await house.ledger(payment))["sessions"][0]["status"] == "expired"


async def test_a_lost_webhook_does_not_lose_the_money(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(expiresInSeconds=3600)
    await house.fault("webhook.send", "webhook", "lost", reference=payment["id"], count=10)
    await tenant.pay(payment)
    paid = await tenant.eventually(payment, "SUCCEEDED")
    assert paid["events"][-1]["cause"].startswith("read:")


async def test_the_provider_is_asked_before_a_payment_is_called_expired(tenant: Tenant, house: House) -> None:
    # One second after the creation nobody has asked yet; the deadline is the first to do so.
    payment = await tenant.open(expiresInSeconds=180)
    await house.fault("webhook.send", "webhook", "lost", reference=payment["id"], count=10)
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")


async def test_a_tenant_may_cancel_what_nobody_paid(tenant: Tenant, house: House) -> None:
    payment = await tenant.open()
    answer = await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert (await house.ledger(payment))["sessions"][0]["status"] == "expired"
    again = await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert again.status_code == 200


async def test_a_cancel_that_comes_after_the_money_is_refused(tenant: Tenant, house: House) -> None:
    payment = await tenant.open()
    await house.fault("webhook.send", "webhook", "lost", reference=payment["id"], count=10)
    await tenant.pay(payment)
    answer = await tenant.call("POST", f"/v1/payments/{payment['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")
    assert (await tenant.get(payment))["status"] == "SUCCEEDED"


async def test_duplicate_webhooks_pay_once(tenant: Tenant, house: House) -> None:
    payment = await tenant.open(entitlements=[{"feature": "pro"}])
    await house.fault("webhook.send", "webhook", "duplicate", reference=payment["id"], count=5)
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await tenant.ended(payment)
    assert len(await tenant.rows("SELECT FROM entitlements WHERE payment_id = $1", payment["id"])) == 1
    assert len(await tenant.rows("SELECT FROM ledger_entries WHERE payment_id = $1", payment["id"])) == 2


async def test_history_stays_within_its_budget(tenant: Tenant) -> None:
    # Not so short that its end meets the first question about it.
    silent = await tenant.open(expiresInSeconds=180)
    # A machine that is slow just then takes a task more: what it costs is what it costs undisturbed.
    paid = [await tenant.paid() for _ in range(3)]
    await tenant.eventually(silent, "EXPIRED")
    await tenant.ended(silent)
    assert min([len((await tenant.history(each)).events) for each in paid]) <= 30
    assert len((await tenant.history(silent)).events) <= 35
