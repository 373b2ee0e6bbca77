"""Carrying webhooks: sealed as their dialect asks, many at once, until somebody answers 2xx."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import httpx

from sandbox import dialects
from sandbox.clock import from_microseconds, to_microseconds
from sandbox.dialects import Event
from sandbox.events import LAST, WebhookEndpoint
from sandbox.world import World, log

TIMEOUT_SECONDS = 15
RETRY_SECONDS = (5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
AT_ONCE = 50
AT_ONCE_PER_ACCOUNT = 10
_STALE = timedelta(hours=1)
_IDLE_SECONDS = 60.0


class Courier:
    """Empties the outbox, at least once: a crash between sending and noting sends again, same id."""

    def __init__(self, world: World) -> None:
        """Take up what an earlier process left undelivered."""
        self._world = world
        self._under_way: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=2)
        self._http = httpx.AsyncClient(
            follow_redirects=False, trust_env=False, limits=limits, timeout=TIMEOUT_SECONDS
        )

    async def run(self) -> None:
        """Send whatever is due, for ever; ten at a time per account, so that none holds up another."""
        try:
            while True:
                self._world.mail.clear()
                for row in self._due():
                    self._start(row)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._world.mail.wait(), self._until_next())
        finally:
            for task in self._tasks:
                task.cancel()

    def _due(self) -> list[sqlite3.Row]:
        now_us = to_microseconds(self._world.clock.real())
        busy = Counter(self._under_way.values())
        room = AT_ONCE - len(self._under_way)
        sql = self._world.store.sql
        chosen: list[sqlite3.Row] = []
        waiting = "SELECT DISTINCT account FROM deliveries WHERE state = 'pending' AND due_us <= ?"
        for (account,) in sql.execute(waiting, (now_us,)).fetchall() if room > 0 else ():
            rows = sql.execute(
                "SELECT * FROM deliveries AS one WHERE state = 'pending' AND account = ? AND due_us <= ?"
                " AND (trick IS NOT ? OR NOT EXISTS (SELECT 1 FROM deliveries AS earlier"
                " WHERE earlier.state = 'pending' AND earlier.account = one.account AND earlier.attempt = 0"
                " AND earlier.due_us <= one.due_us AND earlier.seq < one.seq))"
                " ORDER BY due_us, seq LIMIT ?",
                (account, now_us, LAST, AT_ONCE_PER_ACCOUNT + busy[account]),
            ).fetchall()
            free = [row for row in rows if row["seq"] not in self._under_way]
            chosen += free[: max(0, AT_ONCE_PER_ACCOUNT - busy[account])]
        return chosen[:room]

    def _until_next(self) -> float:
        """Give the seconds until a delivery falls due; one already due waits for a place, not for time."""
        now_us = to_microseconds(self._world.clock.real())
        row = self._world.store.sql.execute(
            "SELECT min(due_us) AS due_us FROM deliveries WHERE state = 'pending' AND due_us > ?", (now_us,)
        ).fetchone()
        if row["due_us"] is None:
            return _IDLE_SECONDS
        wait = from_microseconds(row["due_us"]) - self._world.clock.real()
        return min(max(wait.total_seconds(), 0.001), _IDLE_SECONDS)

    def _start(self, row: sqlite3.Row) -> None:
        self._under_way[row["seq"]] = row["account"]
        task = asyncio.create_task(self._deliver(row))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, row: sqlite3.Row) -> None:
        try:
            secret, event = self._secret(row), self._world.store.get(Event, row["event"])
            if secret is None or event is None:  # the endpoint was deleted meanwhile, or everything forgotten
                self._finish(row, "abandoned")
                return
            status, error = await self._send(row, event, secret)
            self._note(row, status, error)
        finally:
            del self._under_way[row["seq"]]
            self._world.mail.set()

    def _secret(self, row: sqlite3.Row) -> str | None:
        if row["endpoint"] is None:
            return self._world.accounts.webhook_secret(row["account"])
        endpoint = self._world.store.get(WebhookEndpoint, row["endpoint"])
        return endpoint.secret if endpoint else None

    async def _send(self, row: sqlite3.Row, event: Event, secret: str) -> tuple[int | None, str | None]:
        # Only the first attempt is spoiled: the retry is what a receiver that refused it waits for.
        trick = row["trick"] if row["attempt"] == 0 else None
        sent_at = self._world.clock.real() - (_STALE if trick == "staleTimestamp" else timedelta())
        dialect = dialects.of(event)
        body = dialect.letter_now(self._world, event, row["body"])
        signed = body + " " if trick == "badSignature" else body
        headers = {
            "content-type": "application/json",
            "user-agent": "sandbox-webhooks/1",
            **dialect.seal(secret, event.id, int(sent_at.timestamp()), signed),
        }
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._http.post(row["url"], content=body.encode(), headers=headers)
        except TimeoutError:
            return None, "timeout"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return None, type(error).__name__
        return answer.status_code, None

    def _note(self, row: sqlite3.Row, status: int | None, error: str | None) -> None:
        store, now = self._world.store, self._world.clock.real()
        delivered = status is not None and httpx.codes.is_success(status)
        with store.transaction():
            store.sql.execute(
                "INSERT INTO attempts (event, delivery, status, error, at_us) VALUES (?, ?, ?, ?, ?)",
                (row["event"], row["seq"], status, error, to_microseconds(now)),
            )
            if delivered or row["attempt"] >= len(RETRY_SECONDS):
                state = "delivered" if delivered else "failed"
                store.sql.execute("UPDATE deliveries SET state = ? WHERE seq = ?", (state, row["seq"]))
            else:
                delay = max(timedelta(seconds=1), self._world.scaled(RETRY_SECONDS[row["attempt"]]))
                store.sql.execute(
                    "UPDATE deliveries SET attempt = attempt + 1, due_us = ? WHERE seq = ?",
                    (to_microseconds(now + delay), row["seq"]),
                )
            self._let_go(row)
        log("webhook", id=row["event"], account=row["account"], attempt=row["attempt"] + 1, status=status)

    def _let_go(self, row: sqlite3.Row) -> None:
        """Release the webhooks of the same reference that were held until a later one had gone."""
        self._world.store.sql.execute(
            "UPDATE deliveries SET due_us = ? WHERE reference = ? AND trick = 'reorder' AND state = 'pending'"
            " AND attempt = 0 AND seq < ?",
            (to_microseconds(self._world.clock.real()), row["reference"], row["seq"]),
        )

    def _finish(self, row: sqlite3.Row, state: str) -> None:
        with self._world.store.transaction():
            self._world.store.sql.execute(
                "UPDATE deliveries SET state = ? WHERE seq = ?", (state, row["seq"])
            )


async def attempted(world: World, reference: str) -> None:
    """Wait until every webhook about a reference was tried once, no longer than one attempt may take."""
    untried = "SELECT 1 FROM deliveries WHERE reference = ? AND state = 'pending' AND attempt = 0 LIMIT 1"
    with suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while world.store.sql.execute(untried, (reference,)).fetchone():  # noqa: ASYNC110 - a table
                await asyncio.sleep(0.01)
