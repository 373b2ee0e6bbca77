"""An authentic word of the wrong mode is kept as evidence, calls a person, and changes nothing."""

import json
from datetime import UTC, datetime

import pytest

from tests.house import House, sandbox_keys
from tests.providers.case import case_of, changed
from tests.reliability.operator import cried_out
from tests.stories.company import HOUR, inbox
from tests.stories.test_companies import set_up


@pytest.mark.parametrize("sandbox", [pytest.param(True, marks=pytest.mark.slow), False])
async def test_play_money_pays_no_real_order_and_real_money_no_play_order(
    house: House, *, sandbox: bool
) -> None:
    tenant, case = await house.tenant(sandbox=sandbox), case_of("stripe")
    account = (await set_up(tenant, "stripe", "sk_unknown", "whsec_" + "A" * 32))["accountId"]
    secret, key = sandbox_keys(house, account)
    await set_up(tenant, "stripe", key, secret)
    urls = {"successUrl": "https://shop.example/thanks", "cancelUrl": "https://shop.example/cart"}
    payment = await tenant.open(provider="stripe", **HOUR, **urls)
    event = case.events["paid"].body
    for path, value in {
        "livemode": sandbox,
        "data.object.livemode": sandbox,
        "data.object.id": payment["providerReference"],
        "data.object.client_reference_id": payment["id"],
        "data.object.metadata.paysaga_payment": payment["id"],
        "data.object.amount_total": payment["amount"],
    }.items():
        event = changed(event, path, value)
    body = json.dumps(event).encode()
    headers = case.sign((secret,), body, datetime.now(UTC))
    answer = await house.http.post(f"/v1/billing/webhooks/stripe/{account}", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    (letter,) = await inbox(tenant)
    assert (letter["state"], letter["note"], bytes(letter["body"])) == ("QUARANTINED", "other_mode", body)
    # The alert is written before the answer.
    assert cried_out(house, "event_quarantined", letter["id"])
    assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"
