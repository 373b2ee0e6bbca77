"""What providers told us: stored before it is acknowledged, swallowed only once it took effect."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Update, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payment import ECHO, Observation, Payment, decide
from domain.tenant import ProviderAccount
from domain.values import Value, new_id
from storage import payments, tables
from storage.tables import inbox

# An event whose payment we do not (yet) know is looked up again for this long.
MATCHING_LASTS: Final = timedelta(hours=72)
_FIRST_RETRY: Final = timedelta(seconds=2)
_LONGEST_RETRY: Final = timedelta(hours=1)


class Letter(Value):
    """One verified event, and the payment it speaks of when that is known."""

    id: str
    tenant_id: str
    account_id: str
    payment_id: str | None
    observation: Observation
    attempts: int
    received_at: datetime


async def receive(
    tx: AsyncConnection, account: ProviderAccount, said: Observation, body: bytes, now: datetime
) -> Letter | None:
    """Store an event once. None when it has taken effect already: only that swallows a duplicate."""
    letter_id = new_id("inb", now)
    payment_id = await _known(tx, said, account.id)
    state = "RECEIVED" if payment_id else "UNMATCHED"
    await tx.execute(
        upsert(inbox)
        .values(
            id=letter_id,
            tenant_id=account.tenant_id,
            account_id=account.id,
            provider=account.provider,
            event_id=said.cause_id,
            payment_id=payment_id,
            state=state,
            body=body,
            observation=said.model_copy(update={"inbox_id": letter_id}).model_dump(mode="json"),
            received_at=now,
            due_at=now + _FIRST_RETRY,
        )
        .on_conflict_do_update(
            index_elements=["account_id", "event_id"],
            # Said again before it took effect: it is heard again, whatever had become of it.
            set_={"state": state, "payment_id": payment_id, "due_at": now + _FIRST_RETRY},
            where=inbox.c.state != "PROCESSED",
        )
    )
    row = (
        await tx.execute(
            select(inbox).where(inbox.c.account_id == account.id, inbox.c.event_id == said.cause_id)
        )
    ).one()
    return None if row.state == "PROCESSED" else _letter(row)


async def _known(tx: AsyncConnection, said: Observation, account_id: str) -> str | None:
    if said.payment_id is None:
        return None
    # An account vouches for its own payments only; another tenant's would be out of its sight anyway.
    query = select(tables.payments.c.id).where(
        tables.payments.c.id == said.payment_id, tables.payments.c.account_id == account_id
    )
    found: str | None = (await tx.execute(query)).scalar()
    return found


async def waiting(tx: AsyncConnection, now: datetime, limit: int) -> list[Letter]:
    """Events that should be passed on now, oldest first; needs a system transaction."""
    rows = await tx.execute(
        select(inbox)
        .where(inbox.c.state.in_(["RECEIVED", "UNMATCHED"]), inbox.c.due_at <= now)
        .order_by(inbox.c.due_at)
        .limit(limit)
    )
    return [_letter(row) for row in rows]


async def match(tx: AsyncConnection, letter: Letter, now: datetime) -> Payment | None:
    """The payment a letter speaks of, if we know it by now.

    Else it is looked up again later, and after 72 hours it is dead, and an operator's.
    """
    payment_id = await _known(tx, letter.observation, letter.account_id)
    if payment_id is not None:
        changes: dict[str, Any] = {"state": "RECEIVED", "payment_id": payment_id}
    elif now - letter.received_at > MATCHING_LASTS:
        changes = {"state": "DEAD", "note": "no_such_payment"}
    else:
        changes = _later(letter, now)
    await tx.execute(_open(letter).values(changes))
    return None if payment_id is None else await payments.get(tx, payment_id)


async def passed_on(tx: AsyncConnection, letter: Letter, now: datetime) -> None:
    """Temporal has the letter. Should it take no effect all the same, it is passed on again later."""
    await tx.execute(_open(letter).values(_later(letter, now)))


def _open(letter: Letter) -> Update:
    return update(inbox).where(inbox.c.id == letter.id, inbox.c.state.in_(["RECEIVED", "UNMATCHED"]))


def _later(letter: Letter, now: datetime) -> dict[str, Any]:
    wait = min(_FIRST_RETRY * 2 ** min(letter.attempts, 16), _LONGEST_RETRY)
    return {"attempts": letter.attempts + 1, "due_at": now + wait}


async def is_echo(tx: AsyncConnection, letter: Letter, payment: Payment, now: datetime) -> bool:
    """Whether the letter tells an ended payment nothing new. If so it has taken all the effect it can."""
    verdict = decide(payment.ref, payment.status, letter.observation, reference=payment.provider_reference)
    if verdict.note != ECHO:
        return False
    await processed(tx, letter.id, verdict.note, now)
    return True


async def processed(tx: AsyncConnection, letter_id: str, note: str, now: datetime) -> None:
    """This event has taken effect: part of the transaction in which it did."""
    await tx.execute(
        update(inbox)
        .where(inbox.c.id == letter_id, inbox.c.state != "PROCESSED")
        .values(state="PROCESSED", note=note, processed_at=now)
    )


async def quarantine(tx: AsyncConnection, letter_id: str, note: str) -> None:
    """Authentic, but a person must look at it: kept, and not tried again."""
    await tx.execute(
        update(inbox)
        .where(inbox.c.id == letter_id, inbox.c.state != "PROCESSED")
        .values(state="QUARANTINED", note=note)
    )


def _letter(row: Row[Any]) -> Letter:
    return Letter(
        id=row.id,
        tenant_id=row.tenant_id,
        account_id=row.account_id,
        payment_id=row.payment_id,
        observation=Observation.model_validate(row.observation),
        attempts=row.attempts,
        received_at=row.received_at,
    )
