"""The database ``paysaga`` and who may enter it: an owner for migrations, a bound role for all the rest."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

DATABASE, OWNER, RUNTIME, SYSTEM = "paysaga", "paysaga_owner", "paysaga_runtime", "paysaga_system"

ATTRIBUTES = {
    OWNER: "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB",
    RUNTIME: "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB",
    SYSTEM: "NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB",
}


async def ensure_database(
    connect: "Callable[[str], Awaitable[Connection]]", owner_password: str, runtime_password: str
) -> None:
    """Make the roles and the database if they are missing; safe to repeat. Tables are for migrations."""
    server = await connect("postgres")
    try:
        await _ensure_roles(server, {OWNER: owner_password, RUNTIME: runtime_password})
        if not await server.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await server.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    finally:
        await server.close()
    database = await connect(DATABASE)
    try:
        await database.execute(
            f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC; "
            "REVOKE ALL ON SCHEMA public FROM PUBLIC; "
            f"GRANT CONNECT ON DATABASE {DATABASE} TO {RUNTIME}"
        )
        if "pg_stat_statements" in await database.fetchval("SHOW shared_preload_libraries"):
            await database.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    finally:
        await database.close()


async def _ensure_roles(server: "Connection", passwords: dict[str, str]) -> None:
    # Statements are counted with their text, and these have passwords in them.
    await server.execute("SET pg_stat_statements.track = 'none'")
    known = {row["rolname"] for row in await server.fetch("SELECT rolname FROM pg_roles")}
    for role, attributes in ATTRIBUTES.items():
        verb = "ALTER" if role in known else "CREATE"
        await server.execute(f"{verb} ROLE {role} {attributes}")
    for role, password in passwords.items():
        quoted = await server.fetchval("SELECT quote_literal($1)", password)
        await server.execute(f"ALTER ROLE {role} PASSWORD {quoted}")
    await server.execute(f"GRANT {SYSTEM} TO {RUNTIME} WITH INHERIT FALSE, SET TRUE")
