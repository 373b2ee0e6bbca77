"""Four eyes: what one person asks for and another decides about, once, and nothing else happens."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest

from tests.house import House, Json, Receiver, Tenant, eventually, refused
from tests.stories.tenancy import SETTINGS, colleague
from tests.stories.test_refunds import ask, becomes, paid, refund

LIMIT = 500_000
ABOVE = LIMIT + 1


async def careful(house: House, receiver: Receiver | None = None) -> tuple[Tenant, Tenant]:
    """A tenant that wants four eyes for larger refunds, and its approver."""
    tenant = await house.tenant(receiver.url) if receiver else await house.tenant()
    answer = await tenant.call("PATCH", SETTINGS, json={"refundApprovalThreshold": {"HUF": LIMIT}})
    assert (answer.status_code, answer.json()["refundApprovalThreshold"]) == (200, {"HUF": LIMIT})
    return tenant, await colleague(tenant, "approver")


async def waiting(tenant: Tenant, amount: int = ABOVE) -> tuple[Json, Json]:
    """A refund that waits for approval, and what it waits for."""
    asked = await refund(tenant, await paid(tenant), amount=amount, reason="broken")
    assert asked["status"] == "PENDING_APPROVAL"
    return asked, await approval_of(tenant, asked["approvalId"])


async def approval_of(tenant: Tenant, approval_id: str) -> Json:
    answer = await tenant.call("GET", f"/v1/approvals/{approval_id}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def decide(who: Tenant, approval: Json, how: str) -> httpx.Response:
    return await who.call("POST", f"/v1/approvals/{approval['id']}/{how}")


async def given_back(house: House, refund: Json) -> list[int]:
    """What the payment company says it gave back of this refund's payment."""
    truth = await house.control("GET", "ledger", reference=refund["paymentId"])
    return [there["amount"] for there in truth["refunds"]]


async def asked_of_the_company(house: House, refund: Json) -> list[str]:
    requests = await house.control("GET", "requests", reference=refund["paymentId"])
    return [request["operation"] for request in requests["data"] if "refund" in request["operation"]]


# --- The usual way --------------------------------------------------------------------------------


async def test_what_is_above_the_threshold_goes_back_when_another_person_says_so(
    house: House, receiver: Receiver
) -> None:
    tenant, approver = await careful(house, receiver)
    asked, approval = await waiting(tenant)
    facts = {
        "kind": "refund",
        "status": "PENDING",
        "refundId": asked["id"],
        "amount": ABOVE,
        "reason": "broken",
    }
    assert approval | facts == approval
    assert (await tenant.get(asked["paymentId"]))["refundStatus"] == "PENDING"
    answer = await decide(approver, approval, "approve")
    assert (answer.status_code, answer.json()["status"]) == (200, "APPROVED")
    assert answer.json()["decidedBy"].startswith("approver:the approver:crd_")
    await becomes(tenant, asked, "SUCCEEDED")
    assert await given_back(house, asked) == [ABOVE]
    told = [await receiver.event(f"refund.{what}") for what in ("requested", "approved", "succeeded")]
    assert [one.body["data"]["refundId"] for one in told] == [asked["id"]] * 3
    assert [one.body["data"]["approvalId"] for one in told] == [approval["id"]] * 3
    assert [one.body["data"]["status"] for one in told] == ["PENDING_APPROVAL", "PENDING", "SUCCEEDED"]
    trail = await tenant.rows(
        "SELECT action, actor FROM audit_records WHERE resource = $1 ORDER BY id", asked["id"]
    )
    assert [line["action"] for line in trail] == ["refund.requested", "refund.approved", "refund.succeeded"]
    assert [line["actor"].split(":")[0] for line in trail] == ["owner", "approver", "provider"]


async def test_a_refund_of_exactly_the_threshold_needs_nobody_else(house: House) -> None:
    tenant, _ = await careful(house)
    asked = await refund(tenant, await paid(tenant), amount=LIMIT)
    assert (asked["status"], asked["approvalId"]) == ("PENDING", None)
    await becomes(tenant, asked, "SUCCEEDED")


async def test_a_threshold_counts_for_its_own_currency(house: House) -> None:
    tenant, _ = await careful(house)
    asked = await refund(tenant, await paid(tenant, amount=ABOVE + 1, currency="EUR"), amount=ABOVE)
    assert asked["status"] == "PENDING"


async def test_what_is_rejected_stays_and_may_be_asked_for_again(house: House, receiver: Receiver) -> None:
    tenant, approver = await careful(house, receiver)
    asked, approval = await waiting(tenant, amount=1_990_000)
    payment = {"id": asked["paymentId"]}
    refused(await ask(tenant, payment, amount=1), 422, "refund_exceeds_captured")
    assert (await decide(approver, approval, "reject")).json()["status"] == "REJECTED"
    rejected = await becomes(tenant, asked, "REJECTED")
    assert rejected["failureCode"] is None
    assert (await tenant.get(payment))["refundStatus"] == "NONE"
    assert (await receiver.event("refund.rejected")).body["data"]["status"] == "REJECTED"
    client = await house.temporal()
    assert await client.get_workflow_handle(f"refund:{tenant.id}:{asked['id']}").result() == "REJECTED"
    assert await asked_of_the_company(house, asked) == []
    again = await refund(tenant, payment, amount=LIMIT)
    await becomes(tenant, again, "SUCCEEDED")
    assert await given_back(house, asked) == [LIMIT]


async def test_a_repeated_request_waits_for_the_same_approval(house: House) -> None:
    tenant, approver = await careful(house)
    payment = await paid(tenant)
    first = await ask(tenant, payment, "key", amount=ABOVE)
    assert (await ask(tenant, payment, "key", amount=ABOVE)).json() == first.json()
    refused(await ask(tenant, payment, "key", amount=ABOVE + 1), 409, "idempotency_conflict")
    await decide(approver, {"id": first.json()["approvalId"]}, "approve")
    await becomes(tenant, first.json(), "SUCCEEDED")
    assert await given_back(house, first.json()) == [ABOVE]


async def test_a_threshold_that_changes_later_changes_nothing_for_who_waits(house: House) -> None:
    tenant, _ = await careful(house)
    asked, approval = await waiting(tenant)
    answer = await tenant.call("PATCH", SETTINGS, json={"refundApprovalThreshold": {}})
    assert answer.json()["refundApprovalThreshold"] == {}
    assert (await approval_of(tenant, approval["id"]))["status"] == "PENDING"
    assert (await tenant.call("GET", f"/v1/refunds/{asked['id']}")).json()["status"] == "PENDING_APPROVAL"
    assert (await refund(tenant, {"id": asked["paymentId"]}))["status"] == "PENDING"


# --- Who decides ----------------------------------------------------------------------------------


async def test_nobody_decides_about_what_they_asked_for_and_only_approvers_about_the_rest(
    house: House,
) -> None:
    tenant, _ = await careful(house)
    asking = await colleague(tenant, "operator")
    asked, approval = await waiting(asking)
    for how in ("approve", "reject"):
        refused(await decide(asking, approval, how), 403, "four_eyes")
        for role in ("operator", "readonly", "owner"):
            refused(await decide(await colleague(tenant, role), approval, how), 403, "forbidden")
    assert await approval_of(tenant, approval["id"]) == approval
    assert await asked_of_the_company(house, asked) == []


async def test_a_secret_that_was_rotated_does_not_make_another_person(house: House) -> None:
    tenant, _ = await careful(house)
    asking = await colleague(tenant, "operator")
    _, approval = await waiting(asking)
    path = f"/v1/tenants/me/credentials/{asking.registered['credentialId']}/rotate"
    secret = (await tenant.call("POST", path)).json()["appSecret"]
    asking.token = await asking.login(secret)
    refused(await decide(asking, approval, "approve"), 403, "four_eyes")


async def test_anothers_approval_looks_like_none(house: House) -> None:
    tenant, _ = await careful(house)
    _, approval = await waiting(tenant)
    _, stranger = await careful(house)
    for method, path in (("GET", ""), ("POST", "/approve"), ("POST", "/reject")):
        refused(await stranger.call(method, f"/v1/approvals/{approval['id']}{path}"), 404, "not_found")
    assert (await stranger.call("GET", "/v1/approvals")).json()["data"] == []


async def test_every_role_may_read_what_waits(house: House) -> None:
    tenant, approver = await careful(house)
    _, old = await waiting(tenant)
    await decide(approver, old, "reject")
    _, new = await waiting(tenant)
    for who in (tenant, approver, await colleague(tenant, "readonly")):
        listed = (await who.call("GET", "/v1/approvals")).json()["data"]
        assert [one["id"] for one in listed] == [new["id"], old["id"]]
        pending = (await who.call("GET", "/v1/approvals", params={"status": "PENDING"})).json()["data"]
        assert pending == [new]
        page = (await who.call("GET", "/v1/approvals", params={"limit": 1, "offset": 1})).json()["data"]
        assert [one["id"] for one in page] == [old["id"]]
    refused(await tenant.call("GET", "/v1/approvals?status=OPEN"), 422, "validation_failed")


# --- Once -----------------------------------------------------------------------------------------


async def test_twenty_approvals_at_once_by_two_people_are_one_decision(house: House) -> None:
    tenant, one = await careful(house)
    other = await colleague(tenant, "approver")
    asked, approval = await waiting(tenant)
    answers = await asyncio.gather(*(decide(who, approval, "approve") for who in [one, other] * 10))
    # Whoever was first may say it again; the other one was too late each time.
    assert [answer.status_code for answer in answers].count(200) == 10
    decided = {answer.json()["decidedBy"] for answer in answers if answer.status_code == 200}
    assert len(decided) == 1
    too_late(answers)
    await becomes(tenant, asked, "SUCCEEDED")
    assert await given_back(house, asked) == [ABOVE]
    await one_decision(tenant, asked, "refund.approved")


@pytest.mark.slow
async def test_of_yes_and_no_at_the_same_time_one_counts(house: House) -> None:
    tenant, one = await careful(house)
    other = await colleague(tenant, "approver")
    for _ in range(4):
        asked, approval = await waiting(tenant)
        hows = ["approve", "reject"] * 3
        answers = await asyncio.gather(
            *(decide(who, approval, how) for who, how in zip([one, other] * 3, hows, strict=True))
        )
        assert [answer.status_code for answer in answers].count(200) == 3
        too_late(answers)
        approved = (await approval_of(tenant, approval["id"]))["status"] == "APPROVED"
        await becomes(tenant, asked, "SUCCEEDED" if approved else "REJECTED")
        assert await given_back(house, asked) == ([ABOVE] if approved else [])
        await one_decision(tenant, asked, "refund.approved" if approved else "refund.rejected")


def too_late(answers: Sequence[httpx.Response]) -> None:
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 409, "illegal_transition")


async def one_decision(tenant: Tenant, asked: Json, action: str) -> None:
    told = await tenant.rows(
        "SELECT type FROM events WHERE data->>'refundId' = $1 AND type ~ 'approved|rejected'", asked["id"]
    )
    assert [one["type"] for one in told] == [action]
    trail = await tenant.rows(
        "SELECT action FROM audit_records WHERE resource = $1 AND actor LIKE 'approver:%'", asked["id"]
    )
    assert [one["action"] for one in trail] == [action]


async def test_a_decision_may_be_repeated_and_not_changed(house: House) -> None:
    tenant, approver = await careful(house)
    asked, approval = await waiting(tenant)
    first = await decide(approver, approval, "approve")
    await becomes(tenant, asked, "SUCCEEDED")
    assert (await decide(approver, approval, "approve")).json() == first.json()
    refused(await decide(approver, approval, "reject"), 409, "illegal_transition")
    refused(await decide(await colleague(tenant, "approver"), approval, "approve"), 409, "illegal_transition")
    refused(await decide(tenant, approval, "approve"), 403, "four_eyes")
    assert await approval_of(tenant, approval["id"]) == first.json()
    assert await given_back(house, asked) == [ABOVE]


async def test_what_the_payers_bank_has_taken_back_meanwhile_is_not_given_back_as_well(
    house: House,
) -> None:
    tenant, approver = await careful(house)
    asked, approval = await waiting(tenant)
    await tenant.disputed({"id": asked["paymentId"]})
    refused(await decide(approver, approval, "approve"), 409, "payment_disputed")
    assert await approval_of(tenant, approval["id"]) == approval
    assert (await decide(approver, approval, "reject")).json()["status"] == "REJECTED"


# --- Settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, [], "HUF", 5, {"XXX": 1}, {"huf": 1}, {"": 1}),
        *({"HUF": amount} for amount in (-1, 1.5, "1", True, None, 2**63)),
    ],
)
async def test_a_threshold_is_an_amount_in_a_currency(tenant: Tenant, wrong: object) -> None:
    answer = await tenant.call("PATCH", SETTINGS, json={"refundApprovalThreshold": wrong})
    problem = refused(answer, 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == "/refundApprovalThreshold"
    assert (await tenant.call("GET", "/v1/tenants/me")).json()["settings"]["refundApprovalThreshold"] == {}


async def test_with_a_threshold_of_nothing_every_refund_needs_two(house: House) -> None:
    tenant = await house.tenant()
    await tenant.call("PATCH", SETTINGS, json={"refundApprovalThreshold": {"HUF": 0}})
    assert (await refund(tenant, await paid(tenant), amount=1))["status"] == "PENDING_APPROVAL"


# --- Money under review ---------------------------------------------------------------------------


async def reviewed(tenant: Tenant) -> Json:
    await tenant.fault("checkout.pay", "after", "wrongAmount")
    payment = await tenant.open(entitlements=[{"feature": "pro"}])
    await tenant.pay(payment)

    async def look() -> Json | None:
        found = await tenant.get(payment)
        return found if found["status"] == "REVIEW" else None

    found: Json = await eventually(look)
    return found


async def propose(tenant: Tenant, payment: Json, decision: str, **more: str) -> httpx.Response:
    body = {"decision": decision} | more
    return await tenant.call("POST", f"/v1/payments/{payment['id']}/review", json=body)


@pytest.mark.parametrize(("decision", "status"), [("accept", "SUCCEEDED"), ("refund", "FAILED")])
async def test_money_under_review_goes_where_two_people_want_it(
    house: House, tenant: Tenant, decision: str, status: str
) -> None:
    payment = await reviewed(tenant)
    (capture,) = (await house.ledger(payment))["captures"]
    answer = await propose(tenant, payment, decision, reason="the price had changed")
    assert answer.status_code == 202, answer.text
    facts = {"kind": "review", "decision": decision, "amount": capture["amount"], "refundId": None}
    assert answer.json() | facts == answer.json()
    refused(await decide(tenant, answer.json(), "approve"), 403, "four_eyes")
    approver = await colleague(tenant, "approver")
    assert (await decide(approver, answer.json(), "approve")).json()["status"] == "APPROVED"

    async def decided() -> Json | None:
        found = await tenant.get(payment)
        return found if found["status"] == status else None

    await eventually(decided)
    (line,) = await tenant.rows(
        "SELECT actor FROM audit_records WHERE action = $1", f"payment.{status.lower()}"
    )
    assert line["actor"] == (await approval_of(tenant, answer.json()["id"]))["decidedBy"]
    refused(await propose(tenant, payment, decision), 409, "illegal_transition")


async def test_a_review_that_is_rejected_may_be_asked_for_anew(tenant: Tenant) -> None:
    payment = await reviewed(tenant)
    approver = await colleague(tenant, "approver")
    first = (await propose(tenant, payment, "accept")).json()
    refused(await propose(tenant, payment, "refund"), 409, "illegal_transition")
    assert (await decide(approver, first, "reject")).json()["status"] == "REJECTED"
    assert (await tenant.get(payment))["status"] == "REVIEW"
    second = await propose(tenant, payment, "refund")
    assert second.status_code == 202, second.text
    types = [event["type"] for event in (await tenant.get(payment))["events"]]
    assert types[-3:] == ["review.requested", "review.rejected", "review.requested"]


async def test_proposals_at_the_same_time_are_one(tenant: Tenant) -> None:
    payment = await reviewed(tenant)
    answers = await asyncio.gather(*(propose(tenant, payment, how) for how in ["accept", "refund"] * 4))
    assert [answer.status_code for answer in answers].count(202) == 1
    for answer in answers:
        if answer.status_code != 202:
            refused(answer, 409, "illegal_transition")


async def test_only_who_trades_proposes_and_only_about_money_under_review(tenant: Tenant) -> None:
    payment = await tenant.open()
    refused(await propose(tenant, payment, "accept"), 409, "illegal_transition")
    refused(await propose(tenant, {"id": "pay_" + "0" * 26}, "accept"), 404, "not_found")
    for role in ("approver", "readonly"):
        refused(await propose(await colleague(tenant, role), payment, "accept"), 403, "forbidden")
