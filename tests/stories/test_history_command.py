"""The commands that read a payment's history: told, taken home without personal data, led through again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.house import DECLINED, Tenant, eventually, whole
from tests.stories.test_commands import paysaga
from tests.workflows.paths import heard
from workflows.archive import Histories

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def test_a_payments_history_is_taken_home_and_led_through_again_there(
    tenant: Tenant, tmp_path: Path
) -> None:
    payment = await tenant.open(description="A book for Anna", successUrl="https://shop.example/anna")
    await tenant.pay(payment, card=DECLINED)
    await eventually(lambda: heard(tenant, payment, "payment.attempt_failed"))
    await tenant.pay(payment)
    await tenant.eventually(payment, "SUCCEEDED")
    await whole(tenant.house, tenant.workflow_id(payment))

    code, printed = await paysaga("payments", "history", payment["id"], house=tenant.house)
    assert code == 0, printed
    assert "webhook says attempt_failed" in printed
    assert "ends: SUCCEEDED" in printed

    home = tmp_path / "a payment.json"
    code, printed = await paysaga("payments", "history", payment["id"], "-o", str(home), house=tenant.house)
    assert code == 0, printed
    assert tenant.house.ready["sandboxUrl"] not in home.read_text()

    # Offline: no platform is known there.
    code, printed = await paysaga("payments", "replay", str(home), PAYSAGA_DATA_DIR=str(tmp_path))
    assert code == 0, printed
    assert "Today's code decides the same" in printed

    events = home.read_text().replace('"open_checkout"', '"open_a_checkout"')
    home.write_text(events)
    code, printed = await paysaga("payments", "replay", str(home), "--json", PAYSAGA_DATA_DIR=str(tmp_path))
    assert code == 1, printed
    found = json.loads(printed)
    assert (found["same"], found["differsAtTask"]) == (False, 1)


async def test_a_payment_is_lived_through_anew_with_its_webhook_coming_later(tmp_path: Path) -> None:
    kept = str(Path(__file__).parents[1] / "workflows/histories/success.json")
    told = json.loads(
        (await paysaga("payments", "replay", kept, "--json", PAYSAGA_DATA_DIR=str(tmp_path)))[1]
    )
    (paid,) = [step["what"] for step in told["steps"] if step["what"].startswith("webhook says paid")]
    event = paid.partition("[")[2].rstrip("]")
    code, printed = await paysaga("payments", "replay", kept, "--what-if", event, "--later", "2h")
    assert code == 0, printed
    assert [line[0] for line in printed.splitlines()] == [" ", "-", "+", "+", "+"]

    for wrong in (("evt_unknown", "2h"), (event, "soon"), (event, "9999999999d")):
        code, printed = await paysaga("payments", "replay", kept, "--what-if", wrong[0], "--later", wrong[1])
        assert code == 2, printed


async def test_what_temporal_has_forgotten_is_found_in_the_archive(tenant: Tenant, tmp_path: Path) -> None:
    payment = await tenant.paid()
    run = await (await tenant.house.temporal()).get_workflow_handle(tenant.workflow_id(payment)).describe()
    # Of one that Temporal never had.
    name = tenant.workflow_id(payment).replace("payment:", "late:")
    Histories(tmp_path).keep(replace(run, id=name), await tenant.history(payment))
    here = {"PAYSAGA_HISTORIES_DIR": str(tmp_path)}
    code, printed = await paysaga("payments", "history", name, house=tenant.house, **here)
    assert (code, "webhook says paid" in printed) == (0, True), printed
    code, printed = await paysaga("payments", "history", f"{name}0", house=tenant.house, **here)
    assert (code, "has a history of" in printed) == (2, True), printed


async def test_tenants_are_listed(tenant: Tenant) -> None:
    code, printed = await paysaga("tenants", "list", tenant.id, "--json", house=tenant.house)
    assert code == 0, printed
    assert [row["id"] for row in json.loads(printed)] == [tenant.id]


async def test_a_payment_nobody_has_and_a_file_that_is_none_are_refused(
    tenant: Tenant, tmp_path: Path
) -> None:
    code, printed = await paysaga("payments", "history", "pay_nobodys", house=tenant.house)
    assert (code, "There is no payment" in printed) == (2, True), printed
    other = tmp_path / "other.json"
    other.write_text("{}")
    code, printed = await paysaga("payments", "replay", str(other))
    assert (code, "cannot be read" in printed) == (2, True), printed
