"""What an operator learns of the trails from a shell: that they are sound, or what was done to them where."""

# ruff: noqa: S608 - the names of tables and tenants come from ourselves

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.house import House, Json, Tenant
from tests.stories.test_audit import settled
from tests.stories.test_commands import paysaga


@asynccontextmanager
async def tampered(house: House, tenant: Tenant, statement: str) -> AsyncIterator[None]:
    """Something a superuser did behind everybody's back; undone in the end, for the stories that follow."""
    tables = ("audit_checkpoints", "audit_seals", "audit_records")
    async with house.database(role="postgres") as db:
        await db.execute("SET session_replication_role = replica")
        kept = {
            name: await db.fetch(f"SELECT * FROM {name} WHERE tenant_id = $1", tenant.id) for name in tables
        }
        await db.execute(statement.format(tenant=tenant.id))
        try:
            yield
        finally:
            for name, rows in kept.items():
                await db.execute(f"DELETE FROM {name} WHERE tenant_id = $1", tenant.id)
                await db.copy_records_to_table(
                    name, records=[tuple(row) for row in rows], columns=list(rows[0].keys())
                )


@pytest.fixture
async def sealed(tenant: Tenant) -> Json:
    await tenant.open(expiresInSeconds=86_400)
    return await settled(tenant)


@pytest.mark.slow
async def test_trails_that_nobody_touched_verify(house: House, sealed: Json) -> None:
    code, printed = await paysaga("audit", "verify", house=house)
    assert code == 0, printed
    assert "signatures were looked at; compared with checkpoints kept elsewhere" in printed
    assert f"{sealed['sealed']} sealed" in printed


async def test_one_trail_is_told_to_a_program(house: House, tenant: Tenant, sealed: Json) -> None:
    code, printed = await paysaga("audit", "verify", "--json", "--tenant", tenant.id, house=house)
    assert code == 0, printed
    (trail,) = json.loads(printed)["trails"]
    assert (trail["tenant_id"], trail["sealed"], trail["head"]) == (
        tenant.id,
        sealed["sealed"],
        sealed["head"],
    )
    assert (trail["signatures"], trail["exported"], trail["complete"]) == (True, True, True)


@pytest.mark.slow
async def test_a_changed_record_ends_the_commands_with_1_and_its_place(
    house: House, tenant: Tenant, sealed: Json
) -> None:
    last = sealed["sealed"]
    change = (
        "UPDATE audit_records SET actor = 'nobody' WHERE id ="
        f" (SELECT record_id FROM audit_seals WHERE tenant_id = '{{tenant}}' AND number = {last})"
    )
    async with tampered(house, tenant, change):
        code, printed = await paysaga("audit", "verify", "--tenant", tenant.id, house=house)
        assert code == 1
        assert f"edited at {last}" in printed
        code, printed = await paysaga("verify", "--json", house=house)
        assert code == 1
        (check,) = [each for each in json.loads(printed)["checks"] if each["promise"].startswith("I7")]
        assert check["outcome"] == "breach"
        assert [finding["subject"] for finding in check["findings"]] == [f"{tenant.id} {last}"]
        said = (await tenant.call("GET", "/v1/audit/verify")).json()
        assert (said["verified"], said["findings"][0]["kind"]) == (False, "edited")


@pytest.mark.slow
async def test_a_trail_without_its_end_is_missed_by_the_file_outside_of_the_database(
    house: House, tenant: Tenant, sealed: Json, tmp_path: Path
) -> None:
    cut = (
        "DELETE FROM audit_records WHERE tenant_id = '{tenant}';"
        " DELETE FROM audit_seals WHERE tenant_id = '{tenant}';"
        " DELETE FROM audit_checkpoints WHERE tenant_id = '{tenant}'"
    )
    nothing = tmp_path / "no checkpoints"
    nothing.touch()
    asked = ("audit", "verify", "--tenant", tenant.id)
    async with tampered(house, tenant, cut):
        code, printed = await paysaga(*asked, house=house)
        assert code == 1
        assert (
            f"truncated at 1: the chain ends at 0, an exported checkpoint says {sealed['sealed']}" in printed
        )
        code, printed = await paysaga(*asked, "--checkpoints", str(nothing), house=house)
        assert code == 0, printed


@pytest.mark.slow
async def test_a_trail_is_held_against_the_keys_that_are_named(
    house: House, tenant: Tenant, sealed: Json, tmp_path: Path
) -> None:
    assert sealed["verified"]
    code, printed = await paysaga("audit", "keys", house=house)
    assert code == 0
    named = tmp_path / "keys.json"
    named.write_text(printed)
    asked = ("audit", "verify", "--tenant", tenant.id, "--keys", str(named))
    assert (await paysaga(*asked, house=house))[0] == 0
    named.write_text("A" * 43)
    code, printed = await paysaga(*asked, house=house)
    assert code == 1
    assert "not signed by a trusted key" in printed


async def test_an_unknown_tenant_has_no_trail(house: House) -> None:
    code, printed = await paysaga("audit", "verify", "--tenant", "ten_0", house=house)
    assert (code, printed.strip()) == (2, "There is no tenant ten_0.")
