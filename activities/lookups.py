"""What of ours a provider's lists did not show, asked for by name before anything is said about it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import findings
from activities.world import World
from domain.comparison import (
    compare_dispute,
    compare_stale,
    compare_unseen_capture,
    compare_unseen_refund,
    missing_dispute,
)
from domain.dispute import Dispute, DisputeObservation
from domain.errors import ProviderNotFound
from domain.evidence import Observation
from domain.payment import OPEN, Payment
from domain.reconciliation import (
    LOOKED_BACK,
    OVERDUE_FOR,
    UNSAID_FOR,
    Difference,
    Listed,
    Phase,
    Run,
    Subject,
)
from domain.refund import Refund, RefundObservation
from providers.base import Provider
from storage import disputes, payments, refunds, sightings

Beat = Callable[[], None]
_AT_A_TIME: Final = 20


class _Named(Protocol):
    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=_Named)
S = TypeVar("S")


async def unseen_payments(world: World, run: Run, beat: Beat) -> Run:
    """Money that we hold: do they know of it?"""
    async with world.database.tenant(run.tenant_id) as tx:
        ours = await sightings.unseen_payments(tx, run, run.cursor or "", _AT_A_TIME)
    said = await _asked(world, run, ours, _checkout, beat)

    async def judge(tx: AsyncConnection) -> list[Difference | None]:
        present = await payments.by_ids(tx, list(said))
        return [compare_unseen_capture(payment, said[payment.id]) for payment in present]

    return await findings.conclude(world, run, judge, _cursor(ours), {"lookedUp": len(ours)})


async def stale_payments(world: World, run: Run, beat: Beat) -> Run:
    """Payments that are open long after their time: has their last word been missed?"""
    expired, unsaid = (run.until - world.scaled(late) for late in (OVERDUE_FOR, UNSAID_FOR))
    async with world.database.tenant(run.tenant_id) as tx:
        ours = await sightings.stale_payments(tx, run, expired, unsaid, run.cursor or "", _AT_A_TIME)
    said = await _asked(world, run, ours, _checkout, beat)

    async def judge(tx: AsyncConnection) -> list[Difference | None]:
        present = await payments.by_ids(tx, list(said))
        return [compare_stale(payment, said[payment.id]) for payment in present if payment.status in OPEN]

    return await findings.conclude(world, run, judge, _cursor(ours), {"lookedUp": len(ours)})


async def unseen_refunds(world: World, run: Run, beat: Beat) -> Run:
    """Refunds that are done, or on their way: do they know of them, and how do they stand?"""
    since = run.until - world.scaled(LOOKED_BACK[Subject.REFUND])
    late = run.until - world.scaled(UNSAID_FOR)
    async with world.database.tenant(run.tenant_id) as tx:
        ours = await sightings.unseen_refunds(tx, run, since, run.cursor or "", _AT_A_TIME)
    said = await _asked(world, run, ours, _refund, beat)

    async def judge(tx: AsyncConnection) -> list[Difference | None]:
        found = []
        for name, word in said.items():
            refund = await refunds.get(tx, name)
            payment = await payments.get(tx, refund.payment_id)
            # Since then it is on its way: before, perhaps, a second person had to agree.
            stale = refund.updated_at < late
            found.append(compare_unseen_refund(refund, payment, word, run.until, stale=stale))
        return found

    return await findings.conclude(world, run, judge, _cursor(ours), {"lookedUp": len(ours)})


async def unseen_disputes(world: World, run: Run, beat: Beat) -> Run:
    """Disputes that are under way, or new to us: do they know of them, and how do they stand?"""
    since = run.until - world.scaled(LOOKED_BACK[Subject.DISPUTE])
    async with world.database.tenant(run.tenant_id) as tx:
        ours = await sightings.unseen_disputes(tx, run, since, run.cursor or "", _AT_A_TIME)
    said = await _asked(world, run, ours, _dispute, beat)

    async def judge(tx: AsyncConnection) -> list[Difference | None]:
        return [await _compared(tx, run, name, word) for name, word in said.items()]

    return await findings.conclude(world, run, judge, _cursor(ours), {"lookedUp": len(ours)})


async def _compared(
    tx: AsyncConnection, run: Run, name: str, said: DisputeObservation | None
) -> Difference | None:
    dispute = await disputes.get(tx, name)
    payment = await payments.get(tx, dispute.payment_id)
    if said is None:
        return missing_dispute(dispute, payment)
    there = Listed(subject=Subject.DISPUTE, reference=said.reference, said=said)
    return compare_dispute(there, payment, dispute, run.until)


async def _asked(
    world: World,
    run: Run,
    ours: Sequence[N],
    ask: Callable[[Provider, N, datetime], Awaitable[S]],
    beat: Beat,
) -> dict[str, S]:
    """What is said of each. An adapter is for one call: it goes stale."""
    said = {}
    for each in ours:
        beat()
        async with world.database.tenant(run.tenant_id) as tx:
            _, provider = await world.provider(tx, run.account_id)
        said[each.id] = await ask(provider, each, world.clock())
    return said


async def _checkout(provider: Provider, payment: Payment, now: datetime) -> Observation:
    if payment.provider_reference is None:
        return await provider.find_checkout(payment.id, now)
    return await provider.read_checkout(payment.provider_reference, now)


async def _refund(provider: Provider, refund: Refund, now: datetime) -> RefundObservation:
    return await provider.find_refund(refund, now)


async def _dispute(provider: Provider, dispute: Dispute, now: datetime) -> DisputeObservation | None:
    try:
        return await provider.read_dispute(dispute.provider_reference, now)
    except ProviderNotFound:
        return None


def _cursor(ours: Sequence[N]) -> str | None:
    return ours[-1].id if len(ours) == _AT_A_TIME else None


LOOKUPS: Final[Mapping[Phase, Callable[[World, Run, Beat], Awaitable[Run]]]] = {
    Phase.UNSEEN_PAYMENTS: unseen_payments,
    Phase.STALE_PAYMENTS: stale_payments,
    Phase.UNSEEN_REFUNDS: unseen_refunds,
    Phase.UNSEEN_DISPUTES: unseen_disputes,
}
