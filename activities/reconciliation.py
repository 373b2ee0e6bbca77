"""The steps of reconciliation: go through an account's books stretch by stretch, and write down what differs.

They change no payment, refund or dispute: what mends a difference is a letter in the inbox, and whoever
decides about the payment hears it there.
"""

from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities import findings
from activities.lookups import LOOKUPS
from activities.statements import LISTS, compare_page
from activities.world import World, alert
from domain.reconciliation import GRACE, LOOKED_BACK, Phase, Run, RunState, Subject, Window
from domain.tenant import ProviderAccount
from domain.values import Message
from providers.base import PROVIDERS, Capability
from storage import accounts, audit, reconciliation

_SHORTEST: Final = timedelta(seconds=60)


class Books(Message):
    """Whose books at which provider."""

    tenant_id: str
    provider: str


class Trouble(Message):
    """Books that cannot be read, and what was in the way."""

    books: Books
    why: str


def keeps_lists(account: ProviderAccount) -> bool:
    """Whether the account's books can be read at all."""
    adapter = PROVIDERS.get(account.provider)
    return adapter is not None and Capability.LIST_BY_DATE in adapter.capabilities


def every(world: World) -> timedelta:
    """How often an account is reconciled; never all the time, however fast an installation counts."""
    return max(world.scaled(timedelta(days=1)), _SHORTEST)


def window(world: World) -> Window:
    """What a run that begins now looks at. Of what is younger a webhook may still be under way."""
    until = world.clock() - world.scaled(GRACE)
    return Window(since=until - world.scaled(LOOKED_BACK[Subject.PAYMENT]), until=until)


class ReconciliationActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def reconcile(self, books: Books) -> str | None:
        """The id of the run that was led to its end; None when there is no such account any more.

        How far it has come stands in the run's row, written with what was found so far: a worker that takes
        over goes on just there. The heartbeat says that somebody is at it, and where.
        """
        run = await self._begin(books)
        while run is not None and run.state is RunState.RUNNING and run.phase is not None:
            beat = partial(activity.heartbeat, run.id, run.phase, run.cursor)
            beat()
            run = await self._next(run, run.phase, beat)
        return None if run is None else run.id

    @activity.defn
    async def give_up(self, trouble: Trouble) -> None:
        """The provider's books cannot be read. The next run looks at the same days again."""
        async with self._world.database.tenant(trouble.books.tenant_id) as tx:
            ended = await self._ended(tx, trouble)
        for run in ended:
            ids = {"tenant_id": run.tenant_id, "run_id": run.id}
            alert("reconciliation_failed", why=trouble.why, provider=run.provider, **ids)

    async def _begin(self, books: Books) -> Run | None:
        world = self._world
        async with world.database.tenant(books.tenant_id) as tx:
            account = await accounts.get(tx, books.provider)
            if account is None or not keeps_lists(account):
                await self._ended(tx, Trouble(books=books, why="the account was retired"))
                return None
            run, _ = await reconciliation.begin(tx, account, window(world), world.clock())
            return run

    async def _ended(self, tx: AsyncConnection, trouble: Trouble) -> list[Run]:
        now = self._world.clock()
        ended = await reconciliation.give_up(tx, trouble.books.provider, trouble.why, now)
        for run in ended:
            await audit.record(tx, findings.deed(run, "reconciliation", "reconciliation.failed", now))
        return ended

    async def _next(self, run: Run, phase: Phase, beat: partial[None]) -> Run:
        if phase in LISTS:
            return await compare_page(self._world, run, phase)
        return await LOOKUPS[phase](self._world, run, beat)
