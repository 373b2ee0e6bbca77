"""A page of a provider's lists, compared with ours."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import findings
from activities.world import World
from domain.comparison import compare_capture, compare_dispute, compare_refund
from domain.reconciliation import LOOKED_BACK, Difference, Listed, Page, Phase, Run, Subject, Window
from domain.refund import RefundObservation
from providers.base import Provider
from storage import disputes, inbox, refunds, sightings

Read = Callable[[Provider, Window, str | None, datetime], Awaitable[Page]]
Compare = Callable[[AsyncConnection, Run, Sequence[Listed]], Awaitable[list[Difference | None]]]


async def compare_page(world: World, run: Run, phase: Phase) -> Run:
    """The run after its next page of theirs. The adapter is for this one call: it goes stale."""
    subject, read, compare = LISTS[phase]
    async with world.database.tenant(run.tenant_id) as tx:
        _, provider = await world.provider(tx, run.account_id)
    window = Window(since=run.until - world.scaled(LOOKED_BACK[subject]), until=run.until)
    page = await read(provider, window, run.cursor, world.clock())

    async def judge(tx: AsyncConnection) -> list[Difference | None]:
        items = [await _by_our_name(tx, run, item) for item in page.items]
        await sightings.note(tx, run, items)
        return await compare(tx, run, items)

    seen = {f"{subject}s": len(page.items)}
    return await findings.conclude(world, run, judge, page.next_cursor, seen)


async def _by_our_name(tx: AsyncConnection, run: Run, item: Listed) -> Listed:
    if item.said is None:
        return item
    return item.model_copy(update={"said": await inbox.named(tx, item.said, run.account_id)})


async def _captures(tx: AsyncConnection, run: Run, items: Sequence[Listed]) -> list[Difference | None]:
    ours = await sightings.known_payments(tx, run, _named(items))
    earlier = await sightings.earlier(tx, run, items)
    return [
        compare_capture(item, ours.get(_payment_of(item)), earlier.get(item.reference or "", ()))
        for item in items
    ]


async def _refunds(tx: AsyncConnection, run: Run, items: Sequence[Listed]) -> list[Difference | None]:
    ours = await sightings.known_payments(tx, run, _named(items))
    found = []
    for item in items:
        payment, refund = ours.get(_payment_of(item)), None
        if payment is not None and isinstance(item.said, RefundObservation):
            refund = await refunds.named(tx, item.said, lock=False)
        found.append(compare_refund(item, payment, refund, run.until))
    return found


async def _disputes(tx: AsyncConnection, run: Run, items: Sequence[Listed]) -> list[Difference | None]:
    ours = await sightings.known_payments(tx, run, _named(items))
    found = []
    for item in items:
        dispute = await disputes.named(tx, run.account_id, item.reference or "")
        found.append(compare_dispute(item, ours.get(_payment_of(item)), dispute, run.until))
    return found


def _payment_of(item: Listed) -> str:
    return "" if item.said is None else item.said.payment_id or ""


def _named(items: Sequence[Listed]) -> list[str]:
    return [name for name in map(_payment_of, items) if name]


LISTS: Final[Mapping[Phase, tuple[Subject, Read, Compare]]] = {
    Phase.PAYMENTS: (Subject.PAYMENT, lambda provider, *asked: provider.list_payments(*asked), _captures),
    Phase.REFUNDS: (Subject.REFUND, lambda provider, *asked: provider.list_refunds(*asked), _refunds),
    Phase.DISPUTES: (Subject.DISPUTE, lambda provider, *asked: provider.list_disputes(*asked), _disputes),
}
