"""The console's workplaces over HTTP: what people see and do there, by their roles and nobody else."""

import secrets
from typing import Any

import pytest

from tests.console.payers import Read
from tests.console.people import Clerk, buttons, told
from tests.house import House, Receiver, Tenant, eventually
from tests.stories.tenancy import colleague
from tests.stories.test_approvals import approval_of, careful, decide, waiting

# --- Approvals ------------------------------------------------------------------------------------


@pytest.mark.slow
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
        assert "It cannot go there" in refused.text
    assert (await approval_of(tenant, approval["id"]))["status"] == "APPROVED"


@pytest.mark.slow
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


@pytest.mark.slow
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
        assert "disabled endpoint" in told(await anna.forge(f"{page}/test"), 409).text
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
        assert {pointer.text for pointer in page.all("code")} > {"/url", "/events/0"}
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


# --- The inbox ------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_operator_has_a_dead_event_heard_again_and_its_tenant_may_only_look(
    house: House, tenant: Tenant
) -> None:
    payment = await tenant.paid()
    (letter, *_) = await tenant.rows("UPDATE inbox SET state = 'DEAD', note = 'other_checkout' RETURNING id")
    page = f"/console/inbox/{letter['id']}"
    async with Clerk.of(house, tenant) as anna, Clerk.of(house, None) as operator:
        assert payment["id"] in (await anna.open("/console/inbox?state=DEAD")).text
        shown = await anna.open(page)
        assert "another checkout" in shown.text
        assert "SHA-256" in shown.text
        assert not buttons(shown)
        for path in (f"{page}/retry", "/console/inbox/retry-dead"):
            told(await anna.forge(path), 403)
        listed = await operator.open(f"/console/inbox?tenant={tenant.id}")
        assert leading(listed, page) == page
        assert "Back in line" in (await operator.does(page, "retry")).text
    (line,) = await tenant.rows("SELECT actor, resource FROM audit_records WHERE action = 'inbox.retry'")
    assert tuple(line.values()) == ("platform", payment["id"])

    async def heard() -> bool | None:
        (row,) = await tenant.rows("SELECT state FROM inbox WHERE id = $1", letter["id"])
        return row["state"] == "PROCESSED" or None

    await eventually(heard)


# --- Tenants and what waits for the operator ------------------------------------------------------


@pytest.mark.slow
async def test_the_operator_registers_a_tenant_finds_it_and_suspends_it(house: House) -> None:
    name = f"Bolt {secrets.token_hex(4)}"
    async with Clerk.of(house, None) as operator:
        made = await operator.does(
            "/console/tenants", "register", name=name, email="bolt@example.com", webhook_url=""
        )
        secret, page = shown_secret(made), leading(made, "/console/tenants/ten_")
        found = await operator.open(f"/console/tenants?q={name.partition(' ')[2]}")
        assert page in [link.attributes["href"] for link in found.all("a")]
        assert "Play money" in found.text
        assert "Suspended" in (await operator.does(page, "suspend")).text
        assert "Active" in (await operator.does(page, "resume")).text
        assert (await operator.open("/console/attention")).one("h1").text == "Attention"
    for written in (house.data_dir / "logs").glob("*.log"):
        assert secret not in written.read_text()


async def test_no_tenants_person_sees_the_operators_pages(house: House, tenant: Tenant) -> None:
    async with Clerk.of(house, tenant) as anna:
        for path in ("/console/tenants", f"/console/tenants/{tenant.id}", "/console/attention"):
            assert (await anna.person.http.get(path)).status_code == 403
        for deed in ("suspend", "resume"):
            told(await anna.forge(f"/console/tenants/{tenant.id}/{deed}"), 403)
        told(await anna.forge("/console/tenants", {"name": "x", "email": "x@example.com"}), 403)


# --- Credentials, accounts, settings --------------------------------------------------------------


async def test_an_owner_lets_a_colleague_in_gives_them_a_new_secret_and_revokes_it(
    house: House, tenant: Tenant
) -> None:
    async with Clerk.of(house, tenant) as anna:
        made = await anna.does("/console/keys", "add_credential", name="Béla", role="approver")
        secret = shown_secret(made)
        assert await tenant.login(secret)
        page = await anna.open("/console/keys")
        assert secret not in page.text
        (rotate,) = [each for each in buttons(page) if each.startswith("rotate_") and not_mine(page, each)]
        renewed = shown_secret(await anna.does("/console/keys", rotate, overlap="3600"))
        assert renewed != secret
        assert "Revoked" in (await anna.does("/console/keys", rotate.replace("rotate", "revoke"))).text
    answer = await house.http.post(
        "/v1/tenants/login", json={"appName": tenant.registered["appName"], "appSecret": renewed}
    )
    assert answer.status_code == 401


def not_mine(page: Read, button: str) -> bool:
    return button.replace("rotate", "revoke") in buttons(page)


async def test_an_owner_sets_keys_that_no_page_shows_again(house: House, tenant: Tenant) -> None:
    key = "sk_test_" + "Q" * 24
    async with Clerk.of(house, tenant) as anna:
        page = await anna.does(
            "/console/accounts", "set_stripe", key_apiKey=key, key_webhookSecret="whsec_" + "A" * 32
        )
        assert "/v1/billing/webhooks/stripe/" in str([each.attributes for each in page.all("input")])
        assert key not in str([each.attributes for each in page.elements])
        assert "Retired" in (await anna.does("/console/accounts", "retire_stripe")).text
        told(await anna.forge("/console/accounts/nobody"), 404)


async def test_an_owner_chooses_in_minutes_and_in_amounts_as_people_write_them(
    house: House, tenant: Tenant
) -> None:
    async with Clerk.of(house, tenant) as anna:
        wishes = {"minutes": "30", "late": "hold", "partial": "revoke"}
        await anna.does("/console/settings", "save", more_currency="huf", more_limit="100 000", **wishes)
        settings = (await tenant.call("GET", "/v1/tenants/me")).json()["settings"]
        assert settings["refundApprovalThreshold"] == {"HUF": 10_000_000}
        assert (settings["checkoutExpiresInSeconds"], settings["latePayment"]) == (1800, "hold")
        assert (
            "/refundApprovalThreshold"
            in told(await anna.press("/console/settings", "save", limit_HUF="much", **wishes), 422).text
        )
        await anna.does("/console/settings", "save", limit_HUF="", **wishes)
        settings = (await tenant.call("GET", "/v1/tenants/me")).json()["settings"]
        assert settings["refundApprovalThreshold"] == {}


# --- Books and the record -------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_comparison_is_started_and_shows_what_it_found(house: House, tenant: Tenant) -> None:
    async with Clerk.of(house, tenant) as anna, Clerk.of(house, None) as operator:
        begun = await anna.does("/console/reconciliation", "start_run")
        assert "The comparison has begun" in begun.text
        run = leading(await anna.open("/console/reconciliation"), "/console/reconciliation/rec_")
        assert "Days compared" in (await operator.open(run)).text
        assert run in {
            link.attributes["href"] for link in (await operator.open("/console/reconciliation")).all("a")
        }


async def test_the_record_is_read_narrowed_down_and_examined(house: House, tenant: Tenant) -> None:
    async with Clerk.of(house, tenant) as anna:
        page = await anna.open("/console/audit?action=console.signed_in")
        assert len(page.one("tbody").text.split("console.signed_in")) == 2
        assert "Nothing was found" in (await anna.open("/console/audit/verify")).text


# --- Whoever may not ------------------------------------------------------------------------------

OWNERS = [
    *("/console/endpoints", "/console/endpoints/{endpoint}/change", "/console/endpoints/{endpoint}/enable"),
    *("/console/endpoints/{endpoint}/disable", "/console/endpoints/{endpoint}/delete"),
    *("/console/endpoints/{endpoint}/rotate-secret", "/console/keys", "/console/keys/{key}/rotate"),
    *("/console/keys/{key}/revoke", "/console/accounts/sandbox", "/console/accounts/sandbox/retire"),
    "/console/settings",
]
TRADERS = [
    *("/console/endpoints/{endpoint}/test", "/console/endpoints/{endpoint}/recover"),
    *("/console/deliveries/{delivery}/redeliver", "/console/reconciliation"),
]


@pytest.mark.slow
async def test_every_form_asks_for_the_role_that_the_api_asks_for(house: House) -> None:
    tenant = await house.tenant("http://127.0.0.1:9/hook")
    reader, trader = await colleague(tenant, "readonly"), await colleague(tenant, "operator")
    names = {"endpoint": (await tenant.rows("SELECT id FROM webhook_endpoints"))[0]["id"]}
    names |= {"key": trader.registered["credentialId"], "delivery": "dlv_" + "0" * 26}
    before = await standing(tenant)
    async with (
        Clerk.of(house, reader) as anna,
        Clerk.of(house, trader) as bela,
        Clerk.of(house, None) as operator,
    ):
        for path in OWNERS + TRADERS:
            for clerk in (anna, operator) if path in TRADERS else (anna, bela, operator):
                told(await clerk.forge(path.format(**names)), 403)
        for path in ("endpoints", "keys", "accounts", "settings", "reconciliation", "audit"):
            offered = buttons(await anna.open(f"/console/{path}"))
            assert not offered, path
    assert await standing(tenant) == before


async def standing(tenant: Tenant) -> list[Any]:
    return [
        await tenant.rows("SELECT * FROM webhook_endpoints ORDER BY id"),
        await tenant.rows("SELECT * FROM credentials ORDER BY id"),
        await tenant.rows("SELECT * FROM provider_accounts ORDER BY id"),
        await tenant.rows("SELECT * FROM tenants"),
    ]


async def test_another_tenants_things_are_not_there(house: House, tenant: Tenant) -> None:
    other = await house.tenant("http://127.0.0.1:9/hook")
    endpoint = (await other.rows("SELECT id FROM webhook_endpoints"))[0]["id"]
    key = (await other.rows("SELECT id FROM credentials"))[0]["id"]
    before = await standing(other)
    async with Clerk.of(house, tenant) as anna:
        assert (await anna.person.http.get(f"/console/endpoints/{endpoint}")).status_code == 404
        valid = {"since": "2026-11-01T00:00", "url": "https://shop.example/hook"}
        for path in (*OWNERS, *TRADERS):
            if "{" in path:
                names = {"endpoint": endpoint, "key": key, "delivery": "dlv_" + "0" * 26}
                told(await anna.forge(path.format(**names), valid), 404)
    assert await standing(other) == before
