"""Rows that a test wrote by hand, where no story could lead to them in time."""

from tests.house import House, Tenant


async def uproot(house: House, tenant: Tenant, *tables: str, names: str = "%") -> None:
    """Take a tenant's rows with such ids out again, past all guards.

    Others look at the same database, and to them what was planted is a broken promise.
    """
    async with house.database(role="postgres") as db:
        await db.execute("SET session_replication_role = replica")
        for table in tables:
            await db.execute(
                f"DELETE FROM {table} WHERE tenant_id = $1 AND id LIKE $2",  # noqa: S608 # nosec B608 - our own names
                tenant.id,
                names,
            )
        await db.execute("RESET session_replication_role")
