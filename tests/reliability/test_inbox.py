"""What a payment company told us takes effect, or waits for a person: it is never acknowledged and lost."""

import json
from typing import Any

import pytest

from tests.house import House, Json, Tenant, eventually, sandbox_keys
from tests.reliability.operator import cried_out, paysaga
from tests.stories.company import HOUR, Company, filed, inbox


@pytest.fixture
async def company(tenant: Tenant, house: House) -> Company:
    """The real company says nothing to this tenant by itself; only we speak for it."""
    account = await tenant.account()
    await tenant.fault("webhook.send", "webhook", "lost", count=1000)
    await tenant.fault("checkout.read", "before", "refuse", count=1000)
    return Company(house, account, sandbox_keys(house, account)[0])


async def becomes(tenant: Tenant, state: str, within: float = 30) -> Json:
    """The only event, once it has come to this state."""

    async def look() -> Json | None:
        (row,) = await inbox(tenant)
        return row if row["state"] == state else None

    found: Json = await eventually(look, within)
    return found


async def tampered(house: House, statement: str, *values: Any) -> None:
    """Change the inbox as nobody of ours could."""
    async with house.database(role="postgres") as db:
        await db.execute(statement, *values)


async def listed(house: House, letter: Json) -> Json | None:
    code, printed = await paysaga("inbox", "list", "--json", "--limit", "10000", house=house)
    assert code == 0, printed
    found: Json | None = next((one for one in json.loads(printed) if one["id"] == letter["id"]), None)
    return found


@pytest.mark.slow
async def test_an_event_of_the_wrong_mode_is_put_aside(
    house: House, tenant: Tenant, company: Company
) -> None:
    payment = await tenant.open(**HOUR)
    await company.says(payment, mode="live")
    letter = await becomes(tenant, "QUARANTINED")
    assert letter["note"] == "other_mode"
    assert cried_out(house, "event_quarantined", letter["id"])
    assert (await tenant.get(payment))["status"] == "PROVIDER_PENDING"
    assert (await listed(house, letter) or {})["state"] == "QUARANTINED"


async def test_an_event_of_another_account_is_put_aside(
    house: House, tenant: Tenant, company: Company
) -> None:
    stranger = await house.tenant()
    theirs = await stranger.open(**HOUR)
    await company.says(theirs)
    letter = await becomes(tenant, "QUARANTINED")
    assert letter["note"] == "other_account"
    await eventually(lambda: crying(house, "event_quarantined", letter["id"]))
    assert (await stranger.get(theirs))["status"] == "PROVIDER_PENDING"


async def test_an_event_that_came_before_its_payment_was_known_is_matched_by_itself(
    house: House, tenant: Tenant, company: Company
) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await company.says(payment | {"id": "pay_" + "0" * 26})
    (letter,) = await inbox(tenant)
    assert (letter["state"], letter["payment_id"]) == ("UNMATCHED", None)
    # No payment takes a name that was heard before; so it is the event that gets another.
    known = json.loads(letter["observation"]) | {"payment_id": payment["id"]}
    await tampered(house, "UPDATE inbox SET observation = $2 WHERE id = $1", letter["id"], json.dumps(known))
    await tenant.eventually(payment, "SUCCEEDED")
    (letter,) = await filed(tenant)
    assert letter["payment_id"] == payment["id"]


async def test_an_event_about_a_payment_that_nobody_knows_is_an_operators_after_three_days(
    house: House, tenant: Tenant, company: Company
) -> None:
    payment = await tenant.open(**HOUR)
    await company.says(payment | {"id": "pay_" + "0" * 26})
    (letter,) = await inbox(tenant)
    assert letter["state"] == "UNMATCHED"
    await tampered(
        house,
        "UPDATE inbox SET received_at = now() - interval '73 hours', due_at = now() WHERE id = $1",
        letter["id"],
    )
    dead = await becomes(tenant, "DEAD")
    assert dead["note"] == "no_such_payment"
    await eventually(lambda: crying(house, "event_dead", letter["id"]))


async def crying(house: House, alert: str, about: str) -> bool | None:
    return cried_out(house, alert, about) or None


POISONS: dict[str, Json] = {
    "that our code cannot read": {"captured": {"amount_minor": 1, "currency": "Forint"}},
    "that no column can hold": {"word": "failed", "evidence_sha256": "0" * 100},
}


async def poisoned(house: House, tenant: Tenant, company: Company, payment: Json, poison: Json) -> Json:
    """An event about a payment, spoilt on its way."""
    await company.says(payment | {"id": "pay_" + "0" * 26})
    (letter,) = await inbox(tenant)
    observation = json.loads(letter["observation"]) | {"payment_id": payment["id"]} | poison
    await tampered(
        house,
        "UPDATE inbox SET observation = $2, due_at = now() WHERE id = $1",
        letter["id"],
        json.dumps(observation),
    )
    return letter


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "poison",
    ["that our code cannot read", pytest.param("that no column can hold", marks=pytest.mark.slow)],
)
@pytest.mark.slow
async def test_a_poisonous_event_is_tried_again_blocks_nobody_and_is_dead_in_the_end(
    house: House, tenant: Tenant, company: Company, poison: str
) -> None:
    payment, other = await tenant.open(**HOUR), await tenant.open(**HOUR)
    letter = await poisoned(house, tenant, company, payment, POISONS[poison])

    for good in (payment, other):
        await tenant.pay(good)
        await company.says(good, event=f"evt_{good['id']}")
        await tenant.eventually(good, "SUCCEEDED")

    async def stumbled() -> bool | None:
        # Nobody waits for the back-off here; that it grows is seen in the table of pauses.
        await tampered(house, "UPDATE inbox SET due_at = now() WHERE id = $1", letter["id"])
        (row,) = await tenant.rows("SELECT state, attempts FROM inbox WHERE id = $1", letter["id"])
        return row["attempts"] if row["state"] == "DEAD" else None

    assert await eventually(stumbled, within=60) == 8
    assert cried_out(house, "event_dead", letter["id"])
    assert (await listed(house, letter) or {})["state"] == "DEAD"


@pytest.mark.slow
async def test_an_operator_has_a_dead_event_heard_again(
    house: House, tenant: Tenant, company: Company
) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await company.says(payment | {"id": "pay_" + "0" * 26})
    (letter,) = await inbox(tenant)
    repaired = json.loads(letter["observation"]) | {"payment_id": payment["id"]}
    await tampered(
        house,
        "UPDATE inbox SET state = 'DEAD', observation = $2 WHERE id = $1",
        letter["id"],
        json.dumps(repaired),
    )
    code, printed = await paysaga("inbox", "retry", letter["id"], house=house)
    assert code == 0, printed
    (line,) = await tenant.rows("SELECT actor, resource FROM audit_records WHERE action = 'inbox.retry'")
    assert (line["actor"].split(":")[0], line["resource"]) == ("operator", letter["id"])
    await tenant.eventually(payment, "SUCCEEDED")
    await filed(tenant)
    code, printed = await paysaga("inbox", "retry", letter["id"], house=house)
    assert (code, "in effect already" in printed) == (2, True), printed


@pytest.mark.parametrize("state", ["DEAD", "QUARANTINED", "RECEIVED"])
async def test_only_an_event_that_took_effect_swallows_its_repeats(
    house: House, tenant: Tenant, company: Company, state: str
) -> None:
    payment = await tenant.open(**HOUR)
    await tenant.pay(payment)
    await company.says(payment)
    await filed(tenant)
    await tenant.ended(payment)
    before = await tenant.get(payment)
    await company.says(payment)
    assert await tenant.get(payment) == before
    # The same event, had it been acknowledged and never taken effect.
    await tampered(
        house,
        "UPDATE inbox SET state = $2, due_at = now() + interval '1 hour' WHERE tenant_id = $1",
        tenant.id,
        state,
    )
    await company.says(payment)
    await filed(tenant)
