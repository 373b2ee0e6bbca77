"""What operators do to a platform from the command line: start what was lost, hear again, decide.

They write no money themselves: they start and signal workflows, and put events back in line.
"""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.errors import IllegalTransition, NotFound
from domain.payment import Payment, PaymentStatus
from domain.values import Value, new_id
from domain.verdicts import Choice, Ruling
from inspection import Platform
from storage import attention, audit, events, inbox, payments, refunds
from storage.attention import Matter
from workflows import messages

_AT_ONCE: Final = 16
_PAGE: Final = 500
_PATIENCE_SECONDS: Final = 15


class Rebuilt(Value):
    """What has its workflow now. ``ended`` names open rows whose workflow has ended and cannot run again."""

    payments: int
    refunds: int
    couriers: int
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
            refs = await payments.still_open(tx, after, _PAGE)
        if not refs:
            break
        await _some_at_a_time([begin(ref.payment_id, messages.start_payment(temporal, ref)) for ref in refs])
        count, after = count + len(refs), refs[-1].payment_id
        say(f"{count} payments")
    async with here.database.system() as tx:
        waiting = await refunds.unsettled(tx, datetime.now(UTC), [], 100_000)
        posts = await events.overdue(tx, datetime.now(UTC), 100_000)
    await _some_at_a_time([begin(ref.refund_id, messages.start_refund(temporal, ref)) for ref in waiting])
    await _some_at_a_time([messages.wake(temporal, tenant, [endpoint]) for tenant, endpoint in posts])
    return Rebuilt(payments=count, refunds=len(waiting), couriers=len(posts), ended=tuple(ended))


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
    done = []
    async with here.database.system() as tx:
        found = await inbox.find(tx, ["DEAD", "QUARANTINED", "UNMATCHED", "RECEIVED"], 100_000)
    for letter in found:
        if letter.id not in letter_ids and not (all_dead and letter.state == "DEAD"):
            continue
        async with here.database.tenant(letter.tenant_id) as tx:
            if await inbox.retry(tx, letter.id, datetime.now(UTC)):
                done.append(letter.id)
                await audit.record(tx, _retried(letter))
    return done


def _retried(letter: inbox.Letter) -> audit.Deed:
    return audit.Deed(
        tenant_id=letter.tenant_id,
        actor=f"operator:{getpass.getuser()}",
        action="inbox.retry",
        resource=letter.payment_id or letter.id,
        at=datetime.now(UTC),
    )


async def decide(here: Platform, temporal: Client, payment_id: str, choice: Choice) -> Payment:
    """Have money under review accepted, or given back; the payment once that is on record.

    Raises ``NotFound`` for an unknown payment, ``IllegalTransition`` for one that is not under review, and
    ``TimeoutError`` when no worker took the decision in time.
    """
    payment = await _payment(here, payment_id)
    if payment.status is not PaymentStatus.REVIEW:
        raise IllegalTransition(f"{payment_id} is {payment.status}, not under review: nothing was decided.")
    now = datetime.now(UTC)
    ruling = Ruling(
        ref=payment.ref, choice=choice, id=new_id("rul", now), by=f"operator:{getpass.getuser()}", at=now
    )
    await messages.rule(temporal, ruling)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while payment.status is PaymentStatus.REVIEW:
            await asyncio.sleep(0.2)
            payment = await _payment(here, payment_id)
    return payment


async def _payment(here: Platform, payment_id: str) -> Payment:
    async with here.database.system() as tx:
        tenant_id = await payments.owner(tx, payment_id)
    if tenant_id is None:
        raise NotFound
    async with here.database.tenant(tenant_id) as tx:
        return await payments.get(tx, payment_id)
