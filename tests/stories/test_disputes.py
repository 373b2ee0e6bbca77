"""Money fought over: the bank's word decides, the right follows the money, and no deadline is missed."""

from typing import Any

import httpx
import pytest

from tests.house import House, Json, Receiver, Tenant, eventually, refused, sandbox_keys
from tests.reliability.operator import cried_out
from tests.stories.test_refunds import ask, becomes, refund

ALL = 1990000
FEE = 1500


async def paid(tenant: Tenant, **order: Any) -> Json:
    return await tenant.paid(entitlements=[{"feature": "pro"}], **order)


async def over_there(house: House, payment: Json) -> str:
    """The dispute's name at the company."""
    (dispute,) = (await house.ledger(payment))["disputes"]
    return str(dispute["id"])


async def decided(house: House, payment: Json, outcome: str) -> None:
    await house.control("POST", f"disputes/{await over_there(house, payment)}", {"outcome": outcome})


async def at_the_company(house: House, tenant: Tenant, payment: Json) -> Json:
    """The evidence that lies beside the dispute over there."""
    _, key = sandbox_keys(house, await tenant.account())
    async with httpx.AsyncClient(base_url=house.ready["sandboxUrl"], trust_env=False) as http:
        path = f"/v1/disputes/{await over_there(house, payment)}"
        answer = await http.get(path, headers={"Authorization": f"Bearer {key}"})
    found: Json = answer.json()["evidence"]
    return found


async def stands(tenant: Tenant, payment: Json, status: str) -> Json:
    async def look() -> Json | None:
        found = (await tenant.call("GET", "/v1/disputes", params={"paymentId": payment["id"]})).json()["data"]
        return found[0] if found and found[0]["status"] == status else None

    found: Json = await eventually(look)
    return found


async def books(tenant: Tenant) -> dict[str, int]:
    lines = await tenant.rows(
        "SELECT account, sum(amount_minor)::bigint AS sum FROM ledger_entries GROUP BY account"
    )
    return {line["account"]: line["sum"] for line in lines if line["sum"]}


async def test_an_open_dispute_takes_the_right_and_blocks_refunds(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    payment = await paid(tenant)
    dispute = await tenant.disputed(payment, reason="fraudulent")
    facts = {"paymentId": payment["id"], "amount": ALL, "currency": "HUF", "fee": FEE, "status": "OPEN"}
    assert dispute | facts | {"reason": "fraudulent"} == dispute
    found = await tenant.get(payment)
    assert (found["status"], found["disputeStatus"]) == ("SUCCEEDED", "OPEN")
    assert not (await tenant.entitled("pro"))["entitled"]
    refused(await ask(tenant, payment), 409, "payment_disputed")
    told = await receiver.event("dispute.opened")
    assert (told.body["data"]["disputeId"], told.body["data"]["paymentId"]) == (dispute["id"], payment["id"])
    await receiver.event("entitlement.revoked")
    assert await books(tenant) == {
        "provider_receivable": -FEE,
        "tenant_revenue": -ALL,
        "dispute_holds": ALL,
        "fees": FEE,
    }
    assert (await tenant.call("GET", f"/v1/disputes/{dispute['id']}")).json()["id"] == dispute["id"]


async def test_a_dispute_that_is_won_brings_money_and_right_back(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    payment = await paid(tenant)
    await tenant.disputed(payment)
    await decided(house, payment, "won")
    await stands(tenant, payment, "WON")
    assert (await tenant.get(payment))["disputeStatus"] == "WON"
    assert (await tenant.entitled("pro"))["entitled"]
    await receiver.event("dispute.won")
    granted = await receiver.until(
        lambda all_of_it: [each.body["type"] for each in all_of_it].count("entitlement.granted") == 2
    )
    assert granted
    assert await books(tenant) == {"provider_receivable": ALL, "tenant_revenue": -ALL}
    done = await refund(tenant, payment)
    await becomes(tenant, done, "SUCCEEDED")


async def test_a_dispute_that_is_lost_costs_the_money_and_a_fee(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    payment = await paid(tenant)
    await tenant.disputed(payment)
    await decided(house, payment, "lost")
    await stands(tenant, payment, "LOST")
    assert (await tenant.get(payment))["disputeStatus"] == "LOST"
    assert not (await tenant.entitled("pro"))["entitled"]
    refused(await ask(tenant, payment), 409, "payment_disputed")
    await receiver.event("dispute.lost")
    assert await books(tenant) == {
        "provider_receivable": -FEE,
        "tenant_revenue": -ALL,
        "losses": ALL,
        "fees": FEE,
    }


async def test_an_inquiry_takes_nothing_and_may_become_a_dispute(house: House, tenant: Tenant) -> None:
    payment = await paid(tenant)
    inquiry = await tenant.disputed(payment, inquiry=True)
    assert (inquiry["status"], inquiry["fee"]) == ("INQUIRY", 0)
    assert (await tenant.get(payment))["disputeStatus"] == "NONE"
    assert (await tenant.entitled("pro"))["entitled"]
    assert await books(tenant) == {"provider_receivable": ALL, "tenant_revenue": -ALL}
    await decided(house, payment, "open")
    opened = await stands(tenant, payment, "OPEN")
    assert opened["id"] == inquiry["id"]
    assert not (await tenant.entitled("pro"))["entitled"]


async def test_an_inquiry_is_answered_and_so_is_the_dispute_that_comes_of_it(
    house: House, tenant: Tenant
) -> None:
    payment = await paid(tenant)
    inquiry = await tenant.disputed(payment, inquiry=True)
    path = f"/v1/disputes/{inquiry['id']}"

    async def answered(words: str) -> None:
        answer = await tenant.call("POST", f"{path}/evidence", json={"statement": words})
        assert answer.status_code == 202, answer.text

        async def sent() -> bool | None:
            return (await tenant.call("GET", path)).json()["evidenceSentAt"] is not None or None

        await eventually(sent)
        assert (await at_the_company(house, tenant, payment))["statement"] == words

    await answered("It was delivered.")
    await decided(house, payment, "open")
    opened = await stands(tenant, payment, "OPEN")
    assert opened["evidenceSentAt"] is None
    await answered("It was delivered, and here is the signature.")
    await stands(tenant, payment, "UNDER_REVIEW")
    refused(await tenant.call("POST", f"{path}/evidence", json={}), 409, "illegal_transition")


async def test_an_inquiry_that_ends_leaves_no_trace_on_the_payment(house: House, tenant: Tenant) -> None:
    payment = await paid(tenant)
    await tenant.disputed(payment, inquiry=True)
    await decided(house, payment, "closed")
    await stands(tenant, payment, "CLOSED")
    assert (await tenant.get(payment))["disputeStatus"] == "NONE"
    await becomes(tenant, await refund(tenant, payment), "SUCCEEDED")


async def test_a_dispute_that_is_withdrawn_counts_as_won(house: House, tenant: Tenant) -> None:
    payment = await paid(tenant)
    await tenant.disputed(payment)
    await decided(house, payment, "closed")
    await stands(tenant, payment, "CLOSED")
    assert (await tenant.get(payment))["disputeStatus"] == "WON"
    assert (await tenant.entitled("pro"))["entitled"]


@pytest.mark.slow
async def test_the_end_that_is_heard_before_the_beginning_stands(house: House, tenant: Tenant) -> None:
    payment = await paid(tenant)
    await tenant.fault("webhook.send", "webhook", "late", reference=payment["id"], count=1, seconds=5)
    await house.control("POST", "disputes", {"reference": payment["id"]})
    await decided(house, payment, "lost")
    await stands(tenant, payment, "LOST")

    async def both() -> bool | None:
        events = (await house.control("GET", "webhooks", reference=payment["id"]))["data"]
        opened = next(event for event in events if event["type"] == "dispute.opened")
        return bool(opened["attempts"]) or None

    await eventually(both)

    async def filed() -> bool | None:
        rows = await tenant.rows("SELECT note FROM inbox WHERE observation->>'kind' = 'dispute'")
        return sorted(str(row["note"]) for row in rows) == ["lost", "overtaken"] or None

    await eventually(filed)
    await stands(tenant, payment, "LOST")
    assert (await books(tenant))["losses"] == ALL
    types = [line["type"] for line in (await tenant.get(payment))["events"]]
    assert "dispute.opened" not in types


async def test_the_tenants_word_is_handed_in_with_what_we_know(house: House, tenant: Tenant) -> None:
    payment = await paid(tenant)
    dispute = await tenant.disputed(payment)
    answer = await tenant.call(
        "POST", f"/v1/disputes/{dispute['id']}/evidence", json={"statement": "Signed for by the neighbour."}
    )
    assert answer.status_code == 202, answer.text
    await stands(tenant, payment, "UNDER_REVIEW")

    async def sent() -> Json | None:
        found: Json = (await tenant.call("GET", f"/v1/disputes/{dispute['id']}")).json()
        return found if found["evidenceSentAt"] else None

    await eventually(sent)
    handed_in = await at_the_company(house, tenant, payment)
    assert handed_in["statement"] == "Signed for by the neighbour."
    facts = handed_in["proof"]["facts"]
    assert (facts["paymentId"], facts["disputes"][0]["id"]) == (payment["id"], dispute["id"])
    again = await tenant.call("POST", f"/v1/disputes/{dispute['id']}/evidence", json={})
    refused(again, 409, "illegal_transition")
    await decided(house, payment, "won")
    await stands(tenant, payment, "WON")


@pytest.mark.slow
async def test_evidence_that_the_company_refuses_has_not_been_handed_in_and_is_again(
    house: House, tenant: Tenant
) -> None:
    payment = await paid(tenant)
    # What is laid there is taken; what is handed in is refused, once.
    await tenant.fault("dispute.answer", "before", "refuse", reference=payment["id"], nth=2)
    dispute = await tenant.disputed(payment)
    path = f"/v1/disputes/{dispute['id']}"

    async def asked(times: int) -> bool | None:
        requests = (await house.control("GET", "requests", reference=payment["id"]))["data"]
        return [each["operation"] for each in requests].count("dispute.answer") >= times or None

    await eventually(lambda: asked(1))
    await tenant.call("POST", f"{path}/evidence", json={})
    await eventually(lambda: cried(house, "dispute_evidence_refused", dispute["id"]))
    found = (await tenant.call("GET", path)).json()
    assert (found["status"], found["evidenceSentAt"]) == ("OPEN", None)
    await stands(tenant, payment, "UNDER_REVIEW")
    await eventually(lambda: asked(3))


async def cried(house: House, alert: str, about: str) -> bool | None:
    return cried_out(house, alert, about) or None


async def test_a_deadline_that_nobody_minds_is_kept_by_us(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant(webhook_url=receiver.url)
    payment = await paid(tenant)
    await tenant.disputed(payment, evidenceSeconds=3)
    reminder = await receiver.event("dispute.evidence_due")
    assert reminder.body["data"]["evidenceDueBy"] is not None
    await stands(tenant, payment, "UNDER_REVIEW")
    requests = (await house.control("GET", "requests", reference=payment["id"]))["data"]
    assert [each["operation"] for each in requests].count("dispute.answer") == 2  # laid there, then handed in


@pytest.mark.slow
async def test_a_refund_on_its_way_stops_at_a_dispute(house: House, tenant: Tenant) -> None:
    payment = await paid(tenant)
    await tenant.fault("refund.create", "before", "status:503", reference=payment["id"], count=3)
    asked = await refund(tenant, payment)
    await tenant.disputed(payment)
    failed = await becomes(tenant, asked, "FAILED")
    assert failed["failureCode"] == "payment_disputed"
    assert (await house.ledger(payment))["refunds"] == []
    await decided(house, payment, "won")
    await stands(tenant, payment, "WON")
    await becomes(tenant, await refund(tenant, payment), "SUCCEEDED")


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_a_partial_refund_and_a_dispute_are_both_in_the_books(
    house: House, tenant: Tenant, outcome: str
) -> None:
    payment = await paid(tenant)
    await becomes(tenant, await refund(tenant, payment, amount=490000), "SUCCEEDED")
    await tenant.disputed(payment)
    await decided(house, payment, outcome)
    await stands(tenant, payment, outcome.upper())
    assert (await tenant.get(payment))["refundStatus"] == "PARTIAL"
    assert (await tenant.entitled("pro"))["entitled"] is (outcome == "won")
    lost = {"losses": ALL, "fees": FEE} if outcome == "lost" else {}
    receivable = ALL - 490000 - sum(lost.values())
    expected = {"provider_receivable": receivable, "tenant_revenue": -ALL, "refunds": 490000}
    assert await books(tenant) == expected | lost


async def test_a_card_that_is_disputed_afterwards_needs_no_hand(tenant: Tenant) -> None:
    payment = await tenant.paid("4000000000000259", entitlements=[{"feature": "pro"}])
    await stands(tenant, payment, "OPEN")


async def test_nobody_reads_anothers_dispute(house: House, tenant: Tenant) -> None:
    stranger = await house.tenant()
    payment = await paid(tenant)
    dispute = await tenant.disputed(payment)
    refused(await stranger.call("GET", f"/v1/disputes/{dispute['id']}"), 404, "not_found")
    path = f"/v1/disputes/{dispute['id']}/evidence"
    refused(await stranger.call("POST", path, json={}), 404, "not_found")
    assert (await stranger.call("GET", "/v1/disputes")).json()["data"] == []
