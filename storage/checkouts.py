"""Checkouts: each offer to pay that a provider was asked to make for a payment. One can be paid at a time."""

from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payment import Payment
from domain.values import derived_id
from storage import calls
from storage.calls import Call
from storage.tables import checkouts

# Somebody may pay these, now or once we hear that they exist. A partial index lets a payment have one.
PAYABLE: Final = ("CALLING", "OPEN")


async def calling(tx: AsyncConnection, payment: Payment) -> Call:
    """Leave to ask the payment's provider for its checkout, written down before anybody asks.

    One at a time has it. Raises ``NotYet`` while it is somebody else.
    """
    wanted = upsert(checkouts).values(
        id=derived_id("chk", payment.order.created_at, payment.id, payment.account_id),
        tenant_id=payment.order.tenant_id,
        payment_id=payment.id,
        account_id=payment.account_id,
        provider=payment.order.provider,
        state="CALLING",
        **calls.first_call(),
    )
    asked = wanted.on_conflict_do_update(
        index_elements=["id"],
        set_=calls.next_call(checkouts),
        where=(checkouts.c.state == "CALLING") & calls.free(checkouts),
    )
    return calls.leave((await tx.execute(asked.returning(*calls.told(checkouts)))).one_or_none())


async def being_made(tx: AsyncConnection, payment_id: str) -> bool:
    """Whether somebody may be asking for one at this moment, so that its absence proves nothing yet."""
    busy = select(func.count()).where(checkouts.c.payment_id == payment_id, ~calls.free(checkouts))
    return bool((await tx.execute(busy)).scalar())


async def opened(tx: AsyncConnection, payment_id: str, reference: str) -> None:
    """The one that was asked for exists."""
    await tx.execute(
        update(checkouts)
        .where(checkouts.c.payment_id == payment_id, checkouts.c.state == "CALLING")
        .values(state="OPEN", reference=reference, busy_until=None)
    )


async def absent(tx: AsyncConnection, call: Call) -> bool:
    """It definitely never came to be, says whoever had leave to call. False when that is somebody else."""
    done = await tx.execute(
        update(checkouts)
        .where(checkouts.c.id == call.id, checkouts.c.attempts == call.number, checkouts.c.state == "CALLING")
        .values(state="ABSENT", busy_until=None)
    )
    return bool(done.rowcount)


async def closed(tx: AsyncConnection, payment_id: str) -> None:
    """The payment has ended: nothing of it can be paid, as far as anybody says."""
    await tx.execute(
        update(checkouts)
        .where(checkouts.c.payment_id == payment_id, checkouts.c.state.in_(PAYABLE))
        .values(state="CLOSED", busy_until=None)
    )
