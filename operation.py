"""What operators do to a platform from the command line: start what was lost, hear again, ask for decisions.

They write no money themselves: they start and signal workflows, and put events back in line.
"""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.approval import Approval
from domain.errors import NotFound
from domain.values import Value
from domain.verdicts import Choice
from inspection import Platform
from storage import (
    approvals,
    attention,
    deliveries,
    disputes,
    inbox,
    open_payments,
    payments,
    refunds,
    subscriptions,
)
from storage import letters as letters_of
from storage.attention import Matter
from workflows import messages

_AT_ONCE: Final = 16
_PAGE: Final = 500


class Rebuilt(Value):
    """What has its workflow now. ``ended`` names open rows whose workflow has ended and cannot run again."""

    payments: int
    refunds: int
    reviews: int
    disputes: int
    couriers: int
    subscriptions: int
    ended: tuple[str, ...] = ()


async def rebuild(here: Platform, temporal: Client, say: Callable[[str], None]) -> Rebuilt:
    """Give every open row its workflow, from the rows alone. Safe to repeat, and while all is running."""
    ended: list[str] = []

    async def begin(subject: str, start: Awaitable[None]) -> None:
        try:
            await start
        except WorkflowAlreadyStartedError:
            ended.append(subject)

    count, after = 0, ""
    while True:
        async with here.database.system() as tx:
            refs = await open_payments.still_open(tx, after, _PAGE)
        if not refs:
            break
        await _some_at_a_time([begin(ref.payment_id, messages.start_payment(temporal, ref)) for ref in refs])
        count, after = count + len(refs), refs[-1].payment_id
        say(f"{count} payments")
    async with here.database.system() as tx:
        waiting = await refunds.unsettled(tx, datetime.now(UTC), [], 100_000)
        reviews = await approvals.open_reviews(tx, datetime.now(UTC), [], 100_000)
        fought = await disputes.neglected(tx, datetime.now(UTC), datetime.now(UTC), [], 100_000)
        posts = await deliveries.overdue(tx, datetime.now(UTC), 100_000)
        running = await subscriptions.running(tx, 1_000_000)
    await _some_at_a_time([begin(ref.refund_id, messages.start_refund(temporal, ref)) for ref in waiting])
    await _some_at_a_time([begin(ref.approval_id, messages.start_review(temporal, ref)) for ref in reviews])
    await _some_at_a_time([begin(ref.dispute_id, messages.nudge_dispute(temporal, ref)) for ref in fought])
    await _some_at_a_time([messages.wake(temporal, tenant, [endpoint]) for tenant, endpoint in posts])
    await _some_at_a_time([messages.wake_subscription(temporal, ref) for ref in running])
    return Rebuilt(
        payments=count,
        refunds=len(waiting),
        reviews=len(reviews),
        disputes=len(fought),
        couriers=len(posts),
        subscriptions=len(running),
        ended=tuple(ended),
    )


async def _some_at_a_time(jobs: Sequence[Awaitable[None]]) -> None:
    hands = asyncio.Semaphore(_AT_ONCE)

    async def do(job: Awaitable[None]) -> None:
        async with hands:
            await job

    await asyncio.gather(*(do(job) for job in jobs))


async def matters(here: Platform) -> list[Matter]:
    """What waits for a person."""
    async with here.database.system() as tx:
        return await attention.matters(tx, datetime.now(UTC))


async def letters(here: Platform, states: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """The inbox, without what was said word by word."""
    async with here.database.system() as tx:
        found = await inbox.find(tx, states, limit)
    return [
        letter.model_dump(exclude={"observation"})
        | {
            "said": letter.observation and letter.observation.raw_state,
            "about": letter.observation and letter.observation.payment_id,
        }
        for letter in found
    ]


async def retry(here: Platform, letter_ids: Sequence[str], *, all_dead: bool) -> list[str]:
    """Put events back in line; names those that were. The worker hears them within seconds."""
    async with here.database.system() as tx:
        found = await inbox.find(tx, letters_of.UNHEARD, 100_000)
    wanted = [each for each in found if each.id in letter_ids or (all_dead and each.state == "DEAD")]
    return await letters_of.hear_again(here.database, wanted, _operator(), datetime.now(UTC))


def _operator() -> str:
    return f"operator:{getpass.getuser()}"


async def ask_review(here: Platform, payment_id: str, choice: Choice, patience: timedelta) -> Approval:
    """Ask the tenant's approvers to have money under review accepted, or given back, within ``patience``.

    The worker's sweep has it waited for. Raises ``NotFound`` for an unknown payment, and
    ``IllegalTransition`` for one that is not under review, or is being decided about already.
    """
    async with here.database.system() as tx:
        tenant_id = await payments.owner(tx, payment_id)
    if tenant_id is None:
        raise NotFound
    now = datetime.now(UTC)
    asker = approvals.Asker(by=_operator(), credential_id=None, reason=None, until=now + patience)
    async with here.database.tenant(tenant_id) as tx:
        return await approvals.ask_review(tx, payment_id, choice, asker, now)
