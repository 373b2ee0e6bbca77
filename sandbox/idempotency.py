"""The same key gives the same answer: kept for 24 hours, written in the transaction that earned it."""

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

from starlette.responses import JSONResponse

from sandbox.clock import to_microseconds
from sandbox.errors import invalid
from sandbox.world import World

LIFE = timedelta(hours=24)
_LONGEST_KEY = 255
Answer = tuple[int, dict[str, Any]]


def digest(path: str, params: dict[str, Any]) -> str:
    """Reduce what was asked to something comparable; the order of fields does not matter."""
    return sha256(json.dumps([path, params], sort_keys=True).encode()).hexdigest()


def read_key(header: str | None) -> str | None:
    """Check an ``Idempotency-Key`` header."""
    if header is not None and not (0 < len(header) <= _LONGEST_KEY and header.isprintable()):
        raise invalid("Idempotency-Key is 1 to 255 printable characters", "idempotency_key_invalid")
    return header


def enabled(world: World) -> bool:
    """Say whether keys are looked at; they can be switched off to play a company that has none."""
    return world.store.setting("idempotency") != "off"


def once(
    world: World, account: str, key: str | None, asked: str, effect: Callable[[], Answer]
) -> JSONResponse:
    """Do something once per key. Call inside a transaction; a refusal leaves the key unused."""
    if key is None or not enabled(world):
        status, body = effect()
        return JSONResponse(body, status)
    now = world.clock.now()
    sql = world.store.sql
    sql.execute("DELETE FROM idempotency WHERE created_us < ?", (to_microseconds(now - LIFE),))
    kept = sql.execute(
        "SELECT digest, status, body FROM idempotency WHERE account = ? AND key = ?", (account, key)
    ).fetchone()
    if kept is not None:
        if kept["digest"] != asked:
            raise invalid("this key was used with other parameters", "idempotency_mismatch")
        return JSONResponse(json.loads(kept["body"]), kept["status"], {"Idempotent-Replayed": "true"})
    status, body = effect()
    sql.execute(
        "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
        (account, key, asked, status, json.dumps(body), to_microseconds(now)),
    )
    return JSONResponse(body, status)
