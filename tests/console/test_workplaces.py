"""The console's workplaces over HTTP: what people see and do there, by their roles and nobody else."""

from tests.console.payers import Read
from tests.console.people import Clerk, buttons, told
from tests.house import House, Receiver
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


# --- Webhook endpoints and deliveries -------------------------------------------------------------


async def test_an_owner_listens_somewhere_tries_it_and_sends_again(house: House, receiver: Receiver) -> None:
    tenant = await house.tenant()
    async with Clerk.of(house, tenant) as anna:
        made = await anna.does("/console/endpoints", "create", url=receiver.url, description="Shop")
        secret = shown_secret(made)
        page = leading(made, "/console/endpoints/whe_")
        assert secret not in (await anna.open(page)).text
        await anna.does(page, "test")
        await receiver.count(1)
        delivery = leading(await anna.open(page), "/console/deliveries/")
        assert "endpoint.test" in (await anna.does(delivery, "redeliver")).text
        first, again = await receiver.count(2)
        assert first.headers["webhook-id"] == again.headers["webhook-id"]
        await anna.does(page, "disable")
        assert "It is too late for that" in told(await anna.forge(f"{page}/test"), 409).text
        assert "On again" in (await anna.does(page, "enable")).text
        renewed = shown_secret(await anna.does(page, "rotate", overlap="0"))
        assert "Deleted" in (await anna.does(page, "delete")).text
    for written in (house.data_dir / "logs").glob("*.log"):
        assert not {secret, renewed} & {*written.read_text().split('"')}


async def test_what_is_typed_wrong_is_named_by_its_field_and_changes_nothing(house: House) -> None:
    tenant = await house.tenant()
    async with Clerk.of(house, tenant) as anna:
        answer = await anna.press("/console/endpoints", "create", url="shop.example", events="no.such")
        page = told(answer, 422)
        assert [term.text for term in page.all("dt")] == ["Address", "Events"]
        assert page.links() == ["/console"]
        assert "shop.example" not in answer.text
    assert (await tenant.call("GET", "/v1/webhook-endpoints")).json()["data"] == []


def shown_secret(page: Read) -> str:
    """What a page shows once."""
    (field,) = [each for each in page.all("input") if each.attributes.get("id") == "secret"]
    assert field.attributes["value"]
    return field.attributes["value"]


def leading(page: Read, to: str) -> str:
    """The first link that begins like this."""
    return next(
        link.attributes["href"] or ""
        for link in page.all("a")
        if (link.attributes["href"] or "").startswith(to)
    )
