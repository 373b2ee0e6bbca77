"""A program for the tests: run a server on a data directory once, and use it as the runtime role would.

Prints what it saw, as JSON. With ``--as UID`` it gives root up first, as a normal user has none.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg

from local.ports import any_port
from local.postgres import EmbeddedPostgres
from local.processes import Supervisor, claimed
from local.roles import DATABASE, RUNTIME, ensure_database

OWNER_PASSWORD, RUNTIME_PASSWORD = "owner's", "runtime's \\ secret"


async def use_once(data_dir: Path, user: str = "nobody") -> dict[str, object]:
    """Start, look around as the runtime role, stop."""
    port = any_port()
    with claimed(data_dir):
        async with (
            EmbeddedPostgres(data_dir / "postgres", port, "superuser's", user=user) as postgres,
            Supervisor(data_dir, print) as supervisor,
        ):
            await postgres.start(supervisor)
            await ensure_database(postgres.connect, OWNER_PASSWORD, RUNTIME_PASSWORD)
            place = (data_dir / "postgres.binaries").exists()
            connection = await asyncpg.connect(
                host="127.0.0.1", port=port, user=RUNTIME, password=RUNTIME_PASSWORD, database=DATABASE
            )
            try:
                version = await connection.fetchval("SHOW server_version_num")
                is_superuser = await connection.fetchval("SHOW is_superuser")
            finally:
                await connection.close()
    return {"version": int(version), "superuser": is_superuser, "copied": place}


if __name__ == "__main__":
    if sys.argv[2:3] == ["--as"]:
        os.setgroups([])
        os.setgid(int(sys.argv[3]))
        os.setuid(int(sys.argv[3]))
        os.environ["HOME"] = str(Path(sys.argv[1]).parent)
    sys.stdout.write(json.dumps(asyncio.run(use_once(Path(sys.argv[1])))))
