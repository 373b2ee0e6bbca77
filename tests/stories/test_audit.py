"""The audit trail: what is on record, and that it is sealed soon after."""

from tests.house import Tenant, eventually


async def test_what_happened_is_sealed_within_seconds(tenant: Tenant) -> None:
    await tenant.open()

    async def sealed() -> bool | None:
        rows = await tenant.rows(
            "SELECT s.number FROM audit_records r LEFT JOIN audit_seals s ON s.record_id = r.id ORDER BY r.id"
        )
        return all(row["number"] for row in rows) or None

    await eventually(sealed)
