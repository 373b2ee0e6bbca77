"""OWASP API1:2023. Knowing an id gives no right to what it names, in a path, a body, a key or a signature.

The sweep over every route and every kind of id is ``tests/security/test_isolation_sweep.py``.
"""

import pytest

from tests.house import House, Tenant, refused, sandbox_keys
from tests.stories.company import Company, told
from tests.subscriber import Subscriber, plan


@pytest.fixture
async def victim(house: House) -> Tenant:
    return await house.tenant()


async def test_a_foreign_id_inside_a_body_names_nothing(tenant: Tenant, victim: Tenant) -> None:
    price = (await plan(victim))["prices"][0]
    answer = await Subscriber(tenant, "eve").session(mode="checkout", priceId=price["id"])
    unknown = await Subscriber(tenant, "eve").session(mode="checkout", priceId="pri_" + 26 * "0")
    assert answer.status_code == unknown.status_code < 500
    assert answer.json()["code"] == unknown.json()["code"]
    assert not await victim.rows("SELECT FROM billing_sessions")


async def test_a_foreign_id_in_a_filter_finds_nothing(tenant: Tenant, victim: Tenant) -> None:
    payment = await victim.open(orderId="order-of-the-victim")
    for path, query in (
        ("/v1/payments", {"orderId": "order-of-the-victim"}),
        ("/v1/refunds", {"paymentId": payment["id"]}),
        ("/v1/disputes", {"paymentId": payment["id"]}),
        ("/v1/audit", {"resource": payment["id"]}),
        ("/v1/ledger/entries", {"paymentId": payment["id"]}),
    ):
        answer = await tenant.call("GET", path, params=query)
        assert answer.json().get("data", []) == [] or answer.status_code == 404, path
        assert payment["id"] not in answer.text, path


async def test_one_key_of_two_tenants_makes_two_payments(tenant: Tenant, victim: Tenant) -> None:
    theirs, ours = await victim.open("one-key"), await tenant.open("one-key")
    assert theirs["id"] != ours["id"]
    assert (await tenant.call("GET", f"/v1/payments/{theirs['id']}")).status_code == 404


async def test_a_payers_token_reads_its_own_payment_only(tenant: Tenant, house: House) -> None:
    mine, other = await tenant.open(), await tenant.open()
    path = f"/v1/payments/{mine['id']}"
    assert (await house.http.get(path, params={"token": mine["checkoutToken"]})).status_code == 200
    stranger = await house.http.get(path, params={"token": other["checkoutToken"]})
    refused(stranger, 404, "not_found")
    for deed in ("cancel", "refunds"):
        answer = await house.http.post(f"{path}/{deed}", params={"token": mine["checkoutToken"]}, json={})
        refused(answer, 401, "unauthorized")


async def test_ones_own_signature_says_nothing_about_anothers_account(
    tenant: Tenant, victim: Tenant, house: House
) -> None:
    payment = await victim.open()
    own, _ = sandbox_keys(house, await tenant.account())
    forged = Company(house, await victim.account(), own)
    refused(await forged.post(told(payment)), 401, "signature_invalid")
    # And to the own address, about the payment of somebody else: heard, and nobody's.
    told_to_us = Company(house, await tenant.account(), own)
    await told_to_us.post(told(payment))
    assert (await victim.get(payment))["status"] == "PROVIDER_PENDING"
