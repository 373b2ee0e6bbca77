"""The console's workplaces over HTTP: what people see and do there, by their roles and nobody else."""

from tests.console.people import Clerk, buttons, told
from tests.house import House
from tests.stories.tenancy import colleague
from tests.stories.test_approvals import approval_of, careful, decide, waiting

# --- Approvals ------------------------------------------------------------------------------------


async def test_a_second_person_lets_a_refund_go_and_whoever_asked_for_it_cannot(house: House) -> None:
    tenant, approver = await careful(house)
    _, approval = await waiting(tenant)
    page = f"/console/approvals/{approval['id']}"
    async with Clerk.of(house, tenant) as anna, Clerk.of(house, approver) as bela:
        assert approval["paymentId"] in (await anna.open("/console/approvals")).text
        shown = await anna.open(page)
        assert "goes back to the payer" in shown.text
        assert not buttons(shown)
        refused = told(await anna.forge(f"{page}/approve"), 403)
        assert "Somebody else must decide" in refused.text
        shown = await bela.does(page, "approve")
        assert "Approved" in shown.text
        assert not buttons(shown)
        refused = told(await bela.forge(f"{page}/reject"), 409)
        assert "It is too late for that" in refused.text
    assert (await approval_of(tenant, approval["id"]))["status"] == "APPROVED"


async def test_who_is_no_approver_decides_nothing_and_another_tenants_question_is_not_there(
    house: House,
) -> None:
    tenant, approver = await careful(house)
    _, approval = await waiting(tenant)
    page = f"/console/approvals/{approval['id']}"
    async with Clerk.of(house, await colleague(tenant, "operator")) as clerk:
        assert not buttons(await clerk.open(page))
        for answer in ("approve", "reject"):
            told(await clerk.forge(f"{page}/{answer}"), 403)
    async with Clerk.of(house, await house.tenant()) as stranger, Clerk.of(house, None) as operator:
        assert (await stranger.person.http.get(page)).status_code == 404
        assert (await operator.person.http.get(page)).status_code == 403
        for answer in ("approve", "reject"):
            told(await stranger.forge(f"{page}/{answer}"), 404)
            told(await operator.forge(f"{page}/{answer}"), 403)
    assert (await approval_of(tenant, approval["id"]))["status"] == "PENDING"
    assert (await decide(approver, approval, "reject")).status_code == 200
