"""What every migration says of its new tables: whose rows they are, and who may do what to them.

PostgreSQL itself keeps tenants apart, also for a query that forgets its tenant.
"""

from typing import Final

from alembic import op

RUNTIME: Final = "paysaga_runtime"
SYSTEM: Final = "paysaga_system"


def isolate(table: str, privileges: str, *, tenant: str = "tenant_id") -> None:
    """Row-level security, forced on the owner too: the runtime role sees and writes one tenant's rows.

    An unset tenant reads as '' after a SET LOCAL of an earlier transaction, and as NULL before; both match
    nothing. The system role reads across tenants, and writes nothing.
    """
    mine = f"{tenant} = NULLIF(current_setting('app.tenant_id', true), '')"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_tenant ON {table} TO {RUNTIME} USING ({mine}) WITH CHECK ({mine})")
    op.execute(f"CREATE POLICY {table}_system ON {table} FOR SELECT TO {SYSTEM} USING (true)")
    op.execute(f"GRANT {privileges} ON {table} TO {RUNTIME}")
    op.execute(f"GRANT SELECT ON {table} TO {SYSTEM}")


def append_only(table: str) -> None:
    """Rows are added and read; the database refuses to change or lose one, whoever asks."""
    for level, deeds in (("ROW", "UPDATE OR DELETE"), ("STATEMENT", "TRUNCATE")):
        op.execute(
            f"CREATE TRIGGER {table}_append_only_{level.lower()} BEFORE {deeds} ON {table}"
            f" FOR EACH {level} EXECUTE FUNCTION refuse_change()"
        )
