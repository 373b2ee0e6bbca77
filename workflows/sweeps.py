"""Makes sure that nothing on record is forgotten: starts and signals workflows, and decides nothing.

Every round repeats safely. Temporal being away only means that the next round finds more to do.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.reconciliation import Books, every, keeps_lists
from activities.world import World, alert
from storage import (
    accounts,
    approvals,
    console_sessions,
    deliveries,
    disputes,
    inbox,
    open_payments,
    payments,
    reconciliation,
    refunds,
    subscriptions,
    windows,
)
from workflows import messages, schedules
from workflows.health import Witness
from workflows.sealing import SEALED_EVERY, Sealer
from workflows.watch import PROBLEMS_COUNTED_EVERY, TRAILS_EXAMINED_EVERY, Watch

log = structlog.get_logger(__name__)

_ROUND: Final = timedelta(seconds=1)
_BATCH: Final = 200
# The API starts its own orders; only what it could not start is ours.
_UNSTARTED_AFTER: Final = timedelta(seconds=3)
# The API waits for its own cancellations; only what nobody heard is ours.
_UNHEARD_AFTER: Final = timedelta(seconds=8)
# Its workflow may insist on a provider that is away; no need to start it anew with every round.
_SEEN_FOR: Final = timedelta(minutes=1)
# An open payment whose time was up this long ago: its workflow insists on an answer, or is gone.
_FORGOTTEN_AFTER: Final = timedelta(minutes=2)
_SEEN_LONG_FOR: Final = timedelta(minutes=10)
# A dispute is looked at every day; after this long its workflow must have been lost.
_UNSEEN_FOR: Final = timedelta(days=2)
_AWAY: Final = frozenset(
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}
)
# A run of reconciliation moves with every page; after this long nobody may be leading it.
_UNMOVED_FOR: Final = timedelta(minutes=2)
# Accounts get their Schedules as they come; all of them are looked at anew so often.
_ANEW_EVERY: Final = timedelta(hours=1)
_FIRST: Final = datetime.fromtimestamp(0, UTC)
# A courier wakes itself for what is due; this much later it must have been lost.
_OVERDUE_AFTER: Final = timedelta(seconds=5)
# Windows last minutes, and nobody reads an old one.
_TIDIED_EVERY: Final = timedelta(minutes=1)
# A session that is over opens nothing; its row may lie there for a while.
_FORGOTTEN_EVERY: Final = timedelta(minutes=5)


class Sweeps:
    """Runs its rounds for as long as it is entered."""

    def __init__(self, world: World, temporal: Client, checkpoints_file: Path | None = None) -> None:
        self._world = world
        self._temporal = temporal
        self._sealer = Sealer(world, checkpoints_file)
        self._witness = Witness(world)
        # Whom we have looked after, and until when that is enough.
        self._seen: dict[str, datetime] = {}
        self._wishes: dict[str, datetime] = {}
        # Up to which account Schedules were looked after, and when it is time to begin with the first again.
        self._scheduled, self._anew_at = _FIRST, world.clock() + _ANEW_EVERY

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        rounds = [
            asyncio.create_task(self._again(sweep))
            for sweep in (
                self.start_orders,
                self.pass_on_wishes,
                self.start_refunds,
                self.lead_subscriptions,
                self.start_reviews,
                self.start_disputes,
                self.drain_inbox,
                self.wake_couriers,
                self.keep_schedules,
                self.lead_reconciliations,
                self._witness.share_health,
            )
        ]
        rounds.append(asyncio.create_task(self._again(self._sealer.seal_trails, pause=SEALED_EVERY)))
        rounds.append(asyncio.create_task(self._again(self.forget_windows, pause=_TIDIED_EVERY)))
        forgotten_every = self._world.scaled(_FORGOTTEN_EVERY)
        rounds.append(asyncio.create_task(self._again(self.forget_sessions, pause=forgotten_every)))
        watch = Watch(self._world, self._temporal)
        rounds.append(asyncio.create_task(self._again(watch.count_problems, pause=PROBLEMS_COUNTED_EVERY)))
        rounds.append(asyncio.create_task(self._again(watch.examine_trails, pause=TRAILS_EXAMINED_EVERY)))
        try:
            yield
        finally:
            for task in rounds:
                task.cancel()
            await asyncio.gather(*rounds, return_exceptions=True)

    async def _again(self, sweep: Callable[[], Awaitable[None]], pause: timedelta = _ROUND) -> None:
        self._world.measures.sweeps(sweep.__name__)
        while True:
            try:
                await sweep()
            except Exception as error:  # noqa: BLE001 - whatever is away now, the next round asks again
                log.warning("sweep_postponed", sweep=sweep.__name__, reason=type(error).__name__)
                self._world.measures.stumbled(sweep.__name__)
            await asyncio.sleep(pause.total_seconds())

    async def forget_windows(self) -> None:
        """Drop what was counted of those who have not been here for a while."""
        await windows.forget(self._world.database, self._world.clock())

    async def start_orders(self) -> None:
        """Give every accepted order its workflow, and every open payment one that went missing."""
        now = self._world.clock()
        self._seen = {key: until for key, until in self._seen.items() if until > now}
        late = now - self._world.scaled(_FORGOTTEN_AFTER)
        async with self._world.database.system() as tx:
            refs = await open_payments.neglected(tx, now - _UNSTARTED_AFTER, late, list(self._seen), _BATCH)
        for ref in refs:
            async with _alone(ref.payment_id):
                await messages.start_payment(self._temporal, ref)
                self._seen[ref.payment_id] = now + (_SEEN_FOR if ref.expires_at > now else _SEEN_LONG_FOR)

    async def pass_on_wishes(self) -> None:
        """Tell a payment that its tenant wants it cancelled, when it could not be told at once."""
        now = self._world.clock()
        async with self._world.database.system() as tx:
            refs = await open_payments.uncancelled(tx, now - _UNHEARD_AFTER, list(self._wishes), _BATCH)
        self._wishes = {key: until for key, until in self._wishes.items() if until > now}
        for ref in refs:
            async with _alone(ref.payment_id):
                await messages.wish_cancelled(self._temporal, ref)
                self._wishes[ref.payment_id] = now + _SEEN_FOR

    async def start_refunds(self) -> None:
        """Give every refund on record its workflow, and tell it of an approval that was not heard."""
        now = self._world.clock()
        async with self._world.database.system() as tx:
            refs = await refunds.unsettled(tx, now - _UNSTARTED_AFTER, list(self._seen), _BATCH)
        for ref in refs:
            async with _alone(ref.refund_id):
                await messages.start_refund(self._temporal, ref)
                # Once it is approved, it needs looking after anew.
                seen = ref.approval_id if ref.awaits_approval else None
                self._seen[seen or ref.refund_id] = now + _SEEN_LONG_FOR

    async def lead_subscriptions(self) -> None:
        """Wake whoever leads a subscription for which something is due, in case nobody does."""
        now, world = self._world.clock(), self._world
        async with world.database.system() as tx:
            refs = await subscriptions.leaderless(tx, now, world.time_scale, list(self._seen), _BATCH)
        for ref in refs:
            async with _alone(ref.subscription_id):
                await messages.wake_subscription(self._temporal, ref)
                self._seen[ref.subscription_id] = now + _SEEN_FOR

    async def start_reviews(self) -> None:
        """The same for what somebody would do with money under review."""
        now = self._world.clock()
        async with self._world.database.system() as tx:
            refs = await approvals.open_reviews(tx, now - _UNSTARTED_AFTER, list(self._seen), _BATCH)
        for ref in refs:
            async with _alone(ref.approval_id):
                await messages.start_review(self._temporal, ref)
                seen = ref.approval_id if ref.awaited else ref.payment_id
                self._seen[seen] = now + _SEEN_LONG_FOR

    async def start_disputes(self) -> None:
        """Give a dispute its workflow when nobody has looked at it for long, or heard what is wanted."""
        now, world = self._world.clock(), self._world
        async with world.database.system() as tx:
            refs = await disputes.neglected(
                tx, now - _UNSTARTED_AFTER, now - world.scaled(_UNSEEN_FOR), list(self._seen), _BATCH
            )
        for ref in refs:
            async with _alone(ref.dispute_id):
                await messages.nudge_dispute(self._temporal, ref)
                self._seen[ref.dispute_id] = now + _SEEN_FOR

    async def drain_inbox(self) -> None:
        """Pass on every provider event that has not taken effect."""
        async with self._world.database.system() as tx:
            letters = await inbox.waiting(tx, self._world.clock(), _BATCH)
        for letter in letters:
            async with _alone(letter.id):
                await self._pass_on(letter)

    async def _pass_on(self, letter: inbox.Letter) -> None:
        now, database, said = self._world.clock(), self._world.database, letter.observation
        if said is None:
            await self._put_back(letter, "unreadable")
            return
        async with database.tenant(letter.tenant_id) as tx:
            letter = await inbox.match(tx, letter, said, now)
            said = letter.observation or said
            if letter.payment_id is not None:
                payment = await payments.get(tx, letter.payment_id)
                if await inbox.is_echo(tx, letter, said, payment, now):
                    return
        if letter.payment_id is None:
            await self._unmatched(letter, said.payment_id)
            return
        try:
            await messages.report(self._temporal, payment, said, letter.hearing)
        except RPCError as error:
            if error.status in _AWAY:
                raise
            await self._put_back(letter, error.status.name.lower())
            return
        async with database.tenant(letter.tenant_id) as tx:
            await inbox.passed_on(tx, letter, now)

    async def _put_back(self, letter: inbox.Letter, why: str) -> None:
        async with self._world.database.tenant(letter.tenant_id) as tx:
            dead = await inbox.stumbled(tx, letter.id, why, self._world.clock())
        if dead:
            alert("event_dead", inbox_id=letter.id, payment_id=letter.payment_id, why=why)

    async def _unmatched(self, letter: inbox.Letter, named: str | None) -> None:
        """Nobody's payment, so far: unless it is another tenant's, and no business of this account."""
        if letter.state == "UNMATCHED" and named is not None:
            async with self._world.database.system() as tx:
                theirs = await payments.owner(tx, named)
            if theirs is None:
                return
            async with self._world.database.tenant(letter.tenant_id) as tx:
                await inbox.quarantine(tx, letter.id, inbox.OTHER_ACCOUNT, self._world.clock())
            alert("event_quarantined", inbox_id=letter.id, why=inbox.OTHER_ACCOUNT)
        elif letter.state != "UNMATCHED":
            alert(f"event_{letter.state.lower()}", inbox_id=letter.id, why=letter.note)

    async def wake_couriers(self) -> None:
        """Wake the couriers of deliveries that should have left long ago."""
        async with self._world.database.system() as tx:
            late = await deliveries.overdue(tx, self._world.clock() - _OVERDUE_AFTER, _BATCH)
        for tenant_id, endpoint_id in late:
            if endpoint_id not in self._seen:
                async with _alone(endpoint_id):
                    await messages.wake(self._temporal, tenant_id, [endpoint_id])
                    self._seen[endpoint_id] = self._world.clock() + _SEEN_FOR

    async def keep_schedules(self) -> None:
        """Give every account that takes payments the Schedule of its reconciliation, and no other one."""
        if self._world.clock() >= self._anew_at:
            self._scheduled, self._anew_at = _FIRST, self._world.clock() + _ANEW_EVERY
        async with self._world.database.system() as tx:
            found = await accounts.after(tx, self._scheduled, _BATCH)
        for account, served in found:
            books = Books(tenant_id=account.tenant_id, provider=account.provider)
            async with _alone(account.id):
                if not served:
                    await schedules.drop(self._temporal, books)
                elif keeps_lists(account):
                    await schedules.keep(self._temporal, books, every(self._world))
            self._scheduled = account.created_at

    async def lead_reconciliations(self) -> None:
        """Begin the runs that were asked for and that nobody leads."""
        now, world = self._world.clock(), self._world
        async with world.database.system() as tx:
            runs = await reconciliation.leaderless(tx, now - _UNMOVED_FOR, list(self._seen), _BATCH)
        for run in runs:
            async with _alone(run.id):
                books = Books(tenant_id=run.tenant_id, provider=run.provider)
                await schedules.begin(self._temporal, books, every(world), queue=False)
                self._seen[run.id] = now + _SEEN_FOR

    async def forget_sessions(self) -> None:
        """Delete the sessions of people that are over."""
        now, database = self._world.clock(), self._world.database
        async with database.system() as tx:
            owners = await console_sessions.owners_of_ended(tx, now, _BATCH)
        for owner in owners:
            async with _alone(owner), database.tenant(owner) as tx:
                await console_sessions.forget_ended(tx, now)


@asynccontextmanager
async def _alone(subject: str) -> AsyncIterator[None]:
    """Let a failure concern its subject only, unless Temporal itself is away: that concerns them all."""
    try:
        yield
    except Exception as error:
        if isinstance(error, RPCError) and error.status in _AWAY:
            raise
        log.error("sweep_stumbled", subject=subject, reason=type(error).__name__)  # noqa: TRY400
