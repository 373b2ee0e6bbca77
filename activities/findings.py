"""What follows from what was compared, in one transaction: letters, the record, what the tenant is told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.world import World, alert
from domain.events import mismatch_announcement
from domain.reconciliation import Action, Difference, Drift, Run, RunState
from storage import accounts, audit, events, inbox, reconciliation
from storage.reconciliation import Finding

Judge = Callable[[AsyncConnection], Awaitable[Sequence[Difference | None]]]


async def conclude(world: World, run: Run, judge: Judge, cursor: str | None, seen: Mapping[str, int]) -> Run:
    """Judge one stretch of a run and write down all that follows, with how far the run has come."""
    now = world.clock()
    async with world.database.tenant(run.tenant_id) as tx:
        differences = [found for found in await judge(tx) if found is not None]
        findings = await _acted_on(tx, run, differences, now)
        written = await reconciliation.write(tx, run, findings, now)
        new = [each for each in findings if each.id(run) in written and each.announced]
        moved = await reconciliation.advance(tx, run, cursor, seen, now)
        if moved.state is RunState.DONE:
            await audit.record(tx, deed(moved, "reconciliation", "reconciliation.done", now))
        told = [mismatch_announcement(moved, each.id(run), each.difference) for each in new]
        endpoints = await events.announce(tx, run.tenant_id, told, now) if told else []
    for each in new:
        if each.difference.drift is Drift.DOUBLE:
            ids = {"tenant_id": run.tenant_id, "payment_id": each.difference.payment_id}
            alert("captured_twice", capture=each.difference.their_id, **ids)
    await world.wake(run.tenant_id, endpoints)
    return moved


async def _acted_on(
    tx: AsyncConnection, run: Run, differences: Sequence[Difference], now: datetime
) -> list[Finding]:
    known = {each.letter.cause_id for each in differences if each.letter}
    heard = await inbox.heard(tx, run.account_id, sorted(known))
    told = await reconciliation.announced(tx, [each.fingerprint(run.account_id) for each in differences])
    findings = []
    for difference in differences:
        action, inbox_id = await _mended(tx, run, difference, heard, now)
        news = difference.fingerprint(run.account_id) not in told
        findings.append(
            Finding(
                difference=difference,
                action=action,
                inbox_id=inbox_id,
                announced=news and action is Action.REPORTED,
            )
        )
    return findings


async def _mended(
    tx: AsyncConnection,
    run: Run,
    difference: Difference,
    heard: Mapping[str, tuple[str, str]],
    now: datetime,
) -> tuple[Action, str | None]:
    letter = difference.letter
    if letter is None:
        return Action.WAITING if difference.waits else Action.REPORTED, None
    if letter.cause_id in heard:
        # On its way still, or heard, and nothing came of it: to send it again would be in vain.
        letter_id, state = heard[letter.cause_id]
        return Action.REPAIRED if state in inbox.WAITING else Action.REPORTED, letter_id
    account = await accounts.by_id(tx, run.account_id)
    sent = await inbox.receive(tx, account, letter, letter.model_dump_json().encode(), now)
    if sent is None:
        return Action.REPORTED, None
    return Action.REPAIRED if sent.state in inbox.WAITING else Action.REPORTED, sent.id


def deed(run: Run, actor: str, action: str, at: datetime) -> audit.Deed:
    """How the audit trail tells of a run."""
    return audit.Deed(
        tenant_id=run.tenant_id, actor=actor, action=action, resource=run.id, provider=run.provider, at=at
    )
