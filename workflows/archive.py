"""Histories of ended workflows as files, for longer than Temporal keeps them. Nothing sealed is opened.

Each file holds what Temporal had of one run, as the SDK's replayer and Temporal's own tools read it.
"""

import asyncio
import fcntl
import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from domain.values import Value

log = structlog.get_logger(__name__)

ARCHIVED_EVERY: Final = timedelta(minutes=10)
# Lists lag behind the histories they name; and what entered one late is met by looking back.
_SETTLED_AFTER: Final = timedelta(minutes=1)
_LOOKS_BACK: Final = timedelta(minutes=10)
# The end of a window is remembered, so that a catch-up of weeks that is interrupted goes on in its middle.
_WINDOW: Final = timedelta(hours=6)
# A namespace answers ten questions for lists a second, and operators ask as well.
_PAGE: Final = 500
_BREATH: Final = 0.3
_HANDS: Final = 4
_OUR_ID: Final = re.compile(r"([a-z]+):([a-z]+_[0-9a-z]+):(.+)", re.DOTALL)
_LONGEST: Final = 160
_STAMP: Final = "%Y%m%dT%H%M%S"


class Kept(Value):
    """The history of one run, as a file."""

    workflow_id: str
    run_id: str
    closed_at: datetime
    path: Path


class Histories:
    """A folder of histories: whoever can read it learns what the readers of Temporal's store learn.

    A tenant's are in a folder of their own: `{tenant}/{kind}/{two digits}/{thing}@{closed}.{run}.json.gz`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, workflow_id: str) -> list[Kept]:
        """Its runs that are kept here, oldest first."""
        place, name = _place(workflow_id)
        found = []
        for path in sorted((self._folder / place).glob(f"{name}@*.json.gz")):
            stamp, run_id = path.name.removesuffix(".json.gz").rpartition("@")[2].split(".", 1)
            closed_at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
            found.append(Kept(workflow_id=workflow_id, run_id=run_id, closed_at=closed_at, path=path))
        return found

    def read(self, kept: Kept) -> WorkflowHistory:
        """For the replayer, or to be shown; its payloads are as sealed as they were.

        Raises ``OSError``, and ``ValueError`` for a file that is not what was written.
        """
        return WorkflowHistory.from_json(kept.workflow_id, gzip.decompress(kept.path.read_bytes()).decode())

    def holds(self, run: WorkflowExecution) -> bool:
        return self._path(run).exists()

    def keep(self, run: WorkflowExecution, history: WorkflowHistory) -> None:
        """Write it down, whole or not at all. Safe to repeat."""
        path = self._path(run)
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        told = json.dumps(history.to_json_dict(), separators=(",", ":"))
        _write(path, gzip.compress(told.encode(), mtime=0))

    def _path(self, run: WorkflowExecution) -> Path:
        place, name = _place(run.id)
        closed = (run.close_time or run.start_time).astimezone(UTC)
        return self._folder / place / f"{name}@{closed.strftime(_STAMP)}.{run.run_id}.json.gz"

    @property
    def complete_until(self) -> datetime | None:
        """Every workflow that closed before this is here; None when nothing was archived yet."""
        try:
            return datetime.fromisoformat(json.loads(self._cursor.read_text())["completeUntil"])
        except FileNotFoundError:
            return None

    def reached(self, until: datetime) -> None:
        _write(self._cursor, (json.dumps({"completeUntil": until.isoformat()}) + "\n").encode())

    @property
    def _cursor(self) -> Path:
        return self._folder / "cursor.json"

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else writes here; nobody will while this is entered."""
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def _place(workflow_id: str) -> tuple[Path, str]:
    """The folder of a workflow's histories, and how their names begin: known from its id alone."""
    digest = sha256(workflow_id.encode()).hexdigest()
    ours = _OUR_ID.fullmatch(workflow_id)
    kind, tenant, thing = ours.groups() if ours else ("other", "nobody", workflow_id)
    name = quote(thing, safe="")
    return Path(tenant) / kind / digest[:2], name if len(name) <= _LONGEST else digest


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class Archivist:
    """Takes what has ended from Temporal to a folder. Of several on one folder, one works at a time."""

    def __init__(
        self,
        temporal: Client,
        histories: Histories,
        clock: Callable[[], datetime],
        settled_after: timedelta = _SETTLED_AFTER,
    ) -> None:
        self._temporal = temporal
        self._histories = histories
        self._clock = clock
        self._settled_after = settled_after

    async def archive_histories(self) -> int:
        """Everything that closed since the last time; how many that were.

        Interrupted, it goes on where it was, and what is there already is not asked for again.
        """
        with self._histories.alone() as alone:
            if not alone:
                return 0
            begins, count = await self._begins(), 0
            until = self._clock() - self._settled_after
            while begins < until:
                ends = min(begins + _WINDOW, until)
                count += await self._window(begins - _LOOKS_BACK, ends)
                self._histories.reached(ends)
                begins = ends
            return count

    async def _begins(self) -> datetime:
        answer = await self._temporal.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=self._temporal.namespace)
        )
        # Temporal is not to the minute when it forgets.
        oldest = self._clock() - answer.config.workflow_execution_retention_ttl.ToTimedelta()
        begins = self._histories.complete_until
        if begins is None:
            return oldest - timedelta(days=1)
        if begins < oldest:
            log.error("histories_missed", since=begins.isoformat(), until=oldest.isoformat())
        return begins

    async def _window(self, since: datetime, until: datetime) -> int:
        count, page = 0, []
        between = f'CloseTime >= "{_spelt(since)}" AND CloseTime < "{_spelt(until)}"'
        async for run in self._temporal.list_workflows(between, page_size=_PAGE):
            page.append(run)
            if len(page) == _PAGE:
                count += await self._take(page)
                page = []
                await asyncio.sleep(_BREATH)
        return count + await self._take(page)

    async def _take(self, runs: Sequence[WorkflowExecution]) -> int:
        missing = iter([run for run in runs if not self._histories.holds(run)])

        async def some() -> int:
            return sum([await self._archive(run) for run in missing])

        return sum(await asyncio.gather(*(some() for _ in range(_HANDS))))

    async def _archive(self, run: WorkflowExecution) -> bool:
        handle = self._temporal.get_workflow_handle(run.id, run_id=run.run_id)
        try:
            history = await handle.fetch_history()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            log.warning("history_gone", workflow_id=run.id, run_id=run.run_id)
            return False
        await asyncio.to_thread(self._histories.keep, run, history)
        return True


def _spelt(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
