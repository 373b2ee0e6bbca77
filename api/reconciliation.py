"""Runs of reconciliation over HTTP: where providers' books differ from ours, and what was done about it."""

from typing import Annotated, Any, Final, Self

import structlog
from fastapi import APIRouter, BackgroundTasks, Query
from pydantic import Field

from activities.reconciliation import Books, every, keeps_lists, window
from api.deps import About, AnyCaller, House, TheHouse, Trader, actor
from api.strict import Answer, Instant, Model, StrictRoute
from domain.errors import NotFound
from domain.reconciliation import Action, Drift, Run, RunState, Subject
from storage import accounts, audit, reconciliation
from workflows import schedules

router = APIRouter(prefix="/v1/reconciliation/runs", tags=["reconciliation"], route_class=StrictRoute)
log = structlog.get_logger(__name__)

_SHOWN_OF_A_CLASS: Final = 100


class NewRun(Model):
    provider: Annotated[str, Field(max_length=32)] | None = None
    """Whose books; those of the oldest account that has some, unless named."""


class RunAnswer(Answer):
    id: str
    provider: str
    account_id: str
    status: RunState
    since: Instant
    until: Instant
    """What the provider did since the one and before the other was looked at."""
    compared: dict[str, int]
    failure: str | None
    found: dict[Drift, dict[Action, int]]
    started_at: Instant
    ended_at: Instant | None

    @classmethod
    def of(cls, run: Run, found: dict[str, dict[str, int]]) -> Self:
        facts = run.model_dump(include=set(cls.model_fields))
        return cls(status=run.state, compared=run.counts, found=found, **facts)


class RunList(Answer):
    data: list[RunAnswer]


class Repair(Answer):
    letter_id: str
    state: str
    """How far the letter has come in the inbox."""
    note: str | None
    """What became of it."""


class DifferenceAnswer(Answer):
    id: str
    subject: Subject
    payment_id: str | None
    our_id: str | None
    provider_reference: str | None
    here: str
    there: str
    action: Action
    repaired_by: Repair | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        repair = None
        if row["inbox_id"] is not None:
            repair = Repair(letter_id=row["inbox_id"], state=row["letter_state"], note=row["letter_note"])
        facts = {name: row[name] for name in cls.model_fields if name in row}
        return cls(provider_reference=row["their_id"], repaired_by=repair, **facts)


class ClassAnswer(Answer):
    class_: Annotated[Drift, Field(alias="class")]
    count: int
    data: list[DifferenceAnswer]
    """The first hundred."""


class RunInFull(RunAnswer):
    differences: list[ClassAnswer]


@router.post("", status_code=202)
async def start_run(
    body: NewRun, who: Trader, here: TheHouse, about: About, later: BackgroundTasks
) -> RunAnswer:
    """Compare a provider's books with ours now. A run that is under way already is what you get."""
    world, now = here.world, here.world.clock()
    async with world.database.tenant(who.tenant_id) as tx:
        readable = [account for account in await accounts.live(tx) if keeps_lists(account)]
        account = next((each for each in readable if body.provider in {None, each.provider}), None)
        if account is None:
            raise NotFound
        run, new = await reconciliation.begin(tx, account, window(world), now)
        if new:
            deed = about.deed(who.tenant_id, actor(who), "reconciliation.requested", run.id)
            await audit.record(tx, deed.model_copy(update={"provider": run.provider}))
        found = await reconciliation.tally(tx, [run.id])
    if new:
        later.add_task(_begin, here, run)
    return RunAnswer.of(run, found[run.id])


async def _begin(here: House, run: Run) -> None:
    books = Books(tenant_id=run.tenant_id, provider=run.provider)
    try:
        await schedules.begin(here.temporal, books, every(here.world), queue=True)
    except Exception as error:  # noqa: BLE001 - it is on record, and the sweep begins what was not begun
        log.warning("reconciliation_postponed", run_id=run.id, reason=type(error).__name__)


@router.get("")
async def list_runs(
    who: AnyCaller,
    here: TheHouse,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> RunList:
    """The tenant's runs, newest first, and how many differences of which class each found."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        runs = await reconciliation.find(tx, limit, offset)
        found = await reconciliation.tally(tx, [run.id for run in runs])
    return RunList(data=[RunAnswer.of(run, found[run.id]) for run in runs])


@router.get("/{run_id}")
async def get_run(run_id: str, who: AnyCaller, here: TheHouse) -> RunInFull:
    """A run with its differences by class, and how each was repaired."""
    return await run_in_full(here, who.tenant_id, run_id)


async def run_in_full(here: House, tenant_id: str, run_id: str) -> RunInFull:
    """As its tenant sees it. Raises ``NotFound``."""
    async with here.world.database.tenant(tenant_id) as tx:
        run = await reconciliation.get(tx, run_id)
        found = (await reconciliation.tally(tx, [run.id]))[run.id]
        rows = await reconciliation.differences_of(tx, run.id, _SHOWN_OF_A_CLASS)
    differences = [
        ClassAnswer(
            class_=Drift(drift),
            count=sum(found[drift].values()),
            data=[DifferenceAnswer.of(row) for row in rows if row["drift"] == drift],
        )
        for drift in sorted(found)
    ]
    return RunInFull(**RunAnswer.of(run, found).model_dump(by_alias=False), differences=differences)
