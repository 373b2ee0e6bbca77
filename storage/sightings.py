"""What of a provider's books has been seen, and what of ours has not. Reads ours, and never changes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.dispute import UNSETTLED as UNSETTLED_DISPUTES
from domain.dispute import Dispute
from domain.evidence import Observation
from domain.payment import OPEN, Payment, PaymentStatus
from domain.reconciliation import Listed, Run, Subject
from domain.refund import UNSETTLED, Origin, Refund, RefundObservation, RefundState
from storage import disputes as all_disputes
from storage import inbox
from storage import payments as all_payments
from storage import refunds as all_refunds
from storage.tables import disputes, payments, refunds
from storage.tables import reconciliation_sightings as sightings

Earlier = dict[str, list[str | None]]
"""Their name of a capture -> the checkouts of captures of the same payment before it."""


async def note(tx: AsyncConnection, run: Run, items: Sequence[Listed]) -> None:
    """Remember that these were seen in this run. What cannot be read was not."""
    rows = {
        item.reference: _row(run, item) for item in items if item.reference and item.said and item.made_at
    }
    if not rows:
        return
    adding = upsert(sightings).values(list(rows.values()))
    await tx.execute(
        adding.on_conflict_do_update(
            index_elements=["account_id", "subject", "their_id"], set_={"run_id": run.id}
        )
    )


def _row(run: Run, item: Listed) -> dict[str, Any]:
    said = item.said
    return {
        "account_id": run.account_id,
        "subject": item.subject,
        "their_id": item.reference,
        "tenant_id": run.tenant_id,
        "run_id": run.id,
        "our_id": said.refund_id if isinstance(said, RefundObservation) else said and said.payment_id,
        "checkout": said.reference if isinstance(said, Observation) else None,
        "made_at": item.made_at,
    }


async def earlier(tx: AsyncConnection, run: Run, items: Sequence[Listed]) -> Earlier:
    """For captures on this page: what else was captured for the same payments before, in any run."""
    named = {item.said.payment_id for item in items if item.said and item.said.payment_id}
    rows = await tx.execute(
        select(sightings)
        .where(
            sightings.c.account_id == run.account_id,
            sightings.c.subject == Subject.PAYMENT,
            sightings.c.our_id.in_(named),
        )
        .order_by(sightings.c.made_at, sightings.c.their_id)
    )
    before: dict[str, list[str | None]] = {}
    found: Earlier = {}
    for row in rows:
        found[row.their_id] = list(before.setdefault(row.our_id, []))
        before[row.our_id].append(row.checkout)
    return found


async def known_payments(tx: AsyncConnection, run: Run, ids: Sequence[str]) -> dict[str, Payment]:
    """Those of these that this account may speak of."""
    query = select(payments.c.id).where(payments.c.id.in_(ids), inbox.asked(run.account_id))
    found = list((await tx.execute(query)).scalars())
    return {known.id: known for known in await all_payments.by_ids(tx, found)}


async def unseen_payments(tx: AsyncConnection, run: Run, after: str, limit: int) -> list[Payment]:
    """Captured by our books, of the days that were looked at, and in no list of this run."""
    return await _payments(tx, _captured(run), run, after, limit)


def _captured(run: Run) -> ColumnElement[bool]:
    return and_(
        payments.c.captured_currency.is_not(None),
        payments.c.created_at >= run.since,
        payments.c.created_at < run.until,
    )


async def stale_payments(
    tx: AsyncConnection, run: Run, expired: datetime, unknown: datetime, after: str, limit: int
) -> list[Payment]:
    """Open although their time was up before ``expired``, or UNKNOWN since before ``unknown``."""
    overdue = and_(payments.c.status.in_(OPEN), payments.c.expires_at < expired)
    unsaid = and_(payments.c.status == PaymentStatus.UNKNOWN, payments.c.updated_at < unknown)
    return await _payments(tx, or_(overdue, unsaid), run, after, limit)


async def _payments(
    tx: AsyncConnection, which: ColumnElement[bool], run: Run, after: str, limit: int
) -> list[Payment]:
    here = or_(sightings.c.checkout == payments.c.provider_reference, payments.c.provider_reference.is_(None))
    seen = _seen(run, Subject.PAYMENT).where(sightings.c.our_id == payments.c.id, here)
    query = (
        select(payments.c.id)
        .where(payments.c.account_id == run.account_id, payments.c.id > after, which, ~seen)
        .order_by(payments.c.id)
        .limit(limit)
    )
    return await all_payments.by_ids(tx, list((await tx.execute(query)).scalars()))


async def unseen_refunds(
    tx: AsyncConnection, run: Run, since: datetime, after: str, limit: int
) -> list[Refund]:
    """On their way, or done in the days that were looked at, and in no list of this run.

    Only those that we asked for: others have no name of ours to ask by.
    """
    seen = _seen(run, Subject.REFUND).where(
        or_(sightings.c.our_id == refunds.c.id, sightings.c.their_id == refunds.c.provider_reference)
    )
    done = and_(refunds.c.state == RefundState.SUCCEEDED, refunds.c.created_at >= since)
    query = (
        select(refunds.c.id)
        .where(
            refunds.c.account_id == run.account_id,
            refunds.c.id > after,
            refunds.c.created_at < run.until,
            refunds.c.origin != Origin.PROVIDER,
            or_(refunds.c.state.in_(UNSETTLED), done),
            ~seen,
        )
        .order_by(refunds.c.id)
        .limit(limit)
    )
    return [await all_refunds.get(tx, each) for each in (await tx.execute(query)).scalars()]


async def unseen_disputes(
    tx: AsyncConnection, run: Run, since: datetime, after: str, limit: int
) -> list[Dispute]:
    """Under way, or of the days that were looked at, and in no list of this run."""
    seen = _seen(run, Subject.DISPUTE).where(sightings.c.their_id == disputes.c.provider_reference)
    query = (
        select(disputes.c.id)
        .where(
            disputes.c.account_id == run.account_id,
            disputes.c.id > after,
            disputes.c.created_at < run.until,
            or_(disputes.c.state.in_(UNSETTLED_DISPUTES), disputes.c.created_at >= since),
            ~seen,
        )
        .order_by(disputes.c.id)
        .limit(limit)
    )
    return [await all_disputes.get(tx, each) for each in (await tx.execute(query)).scalars()]


def _seen(run: Run, subject: Subject) -> Any:
    return exists().where(
        sightings.c.account_id == run.account_id,
        sightings.c.subject == subject,
        sightings.c.run_id == run.id,
    )
