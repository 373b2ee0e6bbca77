"""What providers told us: stored before it is acknowledged, swallowed only once it took effect."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Row, Update, case, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.evidence import Observation
from domain.payment import Payment
from domain.said import Said
from domain.tenant import ProviderAccount
from domain.values import Value, new_id
from domain.verdicts import ECHO, OTHER_MODE, Standing, decide
from storage import audit, tables
from storage.tables import inbox

# An event whose payment we do not (yet) know is looked up again for this long.
MATCHING_LASTS: Final = timedelta(hours=72)
# Passed on again after as long as it has waited already, within these bounds.
_SOONEST: Final = timedelta(seconds=2)
_LATEST: Final = timedelta(hours=1)
# After each failure to take effect; after the last, it is dead, and an operator's.
BACKOFF: Final = tuple(timedelta(seconds=pause) for pause in (1, 5, 30, 120, 600, 1800, 3600))

WAITING: Final = ("RECEIVED", "UNMATCHED")
"""What will be passed on, now or again."""
OTHER_ACCOUNT: Final = "other_account"
NO_SUCH_PAYMENT: Final = "no_such_payment"


class Letter(Value):
    """One verified event, and the payment it speaks of when that is known."""

    id: str
    tenant_id: str
    account_id: str
    payment_id: str | None
    event_id: str
    state: str
    note: str | None
    observation: Said | None
    """None for one that our present code cannot read; it must not keep others from being heard."""
    attempts: int
    """How often it should have taken effect, and could not."""
    received_at: datetime

    @property
    def hearing(self) -> str:
        """Names this try to be heard: Temporal takes each once, and a new one after each failure."""
        return f"{self.event_id}:{self.received_at.timestamp()}:{self.attempts}"


async def receive(
    tx: AsyncConnection, account: ProviderAccount, said: Said, body: bytes, now: datetime
) -> Letter | None:
    """Store an event once. None when it has taken effect already: only that swallows a duplicate."""
    letter_id = new_id("inb", now)
    said = await named(tx, said, account.id)
    place = await _place(tx, said, account.id)
    await tx.execute(
        upsert(inbox)
        .values(
            id=letter_id,
            tenant_id=account.tenant_id,
            account_id=account.id,
            provider=account.provider,
            event_id=said.cause_id,
            body=body,
            observation=said.model_copy(update={"inbox_id": letter_id}).model_dump(mode="json"),
            received_at=now,
            due_at=now + _SOONEST,
            **place,
        )
        .on_conflict_do_update(
            index_elements=["account_id", "event_id"],
            # Said again before it took effect: it is heard again, whatever had become of it.
            set_={"due_at": now + _SOONEST, **place},
            where=inbox.c.state != "PROCESSED",
        )
    )
    row = (
        await tx.execute(
            select(inbox).where(inbox.c.account_id == account.id, inbox.c.event_id == said.cause_id)
        )
    ).one()
    await _record_if_shelved(tx, row, now)
    return None if row.state == "PROCESSED" else _letter(row)


async def named(tx: AsyncConnection, said: Said, account_id: str) -> Said:
    """What was said, with our name of the payment: some companies speak of a capture by their own alone."""
    if said.payment_id is not None or said.capture is None:
        return said
    query = select(tables.payments.c.id).where(
        tables.payments.c.account_id == account_id, tables.payments.c.capture_reference == said.capture
    )
    known = (await tx.execute(query)).scalars().all()
    # Two payments of one capture: whose it is, is for a person to say.
    return said.model_copy(update={"payment_id": known[0]}) if len(known) == 1 else said


async def _place(tx: AsyncConnection, said: Said, account_id: str) -> dict[str, str | None]:
    """Which payment of ours an event speaks of, if this account and this kind of money may speak of it."""
    query = select(tables.payments.c.sandbox, asked(account_id).label("asked")).where(
        tables.payments.c.id == said.payment_id
    )
    known = None if said.payment_id is None else (await tx.execute(query)).one_or_none()
    if known is None:
        return {"state": "UNMATCHED", "payment_id": None, "note": None}
    if not known.asked:
        return {"state": "QUARANTINED", "payment_id": None, "note": OTHER_ACCOUNT}
    if said.sandbox not in {None, known.sandbox}:
        return {"state": "QUARANTINED", "payment_id": None, "note": OTHER_MODE}
    return {"state": "RECEIVED", "payment_id": said.payment_id, "note": None}


def asked(account_id: str) -> ColumnElement[bool]:
    """An account vouches for the payments it was given, also for those it was given up for."""
    theirs = exists().where(
        tables.checkouts.c.payment_id == tables.payments.c.id, tables.checkouts.c.account_id == account_id
    )
    return or_(tables.payments.c.account_id == account_id, theirs)


async def heard(tx: AsyncConnection, account_id: str, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Those of these events that lie here: name -> (letter's id, state)."""
    rows = await tx.execute(
        select(inbox.c.event_id, inbox.c.id, inbox.c.state).where(
            inbox.c.account_id == account_id, inbox.c.event_id.in_(names)
        )
    )
    return {row.event_id: (row.id, row.state) for row in rows}


async def waiting(tx: AsyncConnection, now: datetime, limit: int) -> list[Letter]:
    """Events that should be passed on now, oldest first; needs a system transaction."""
    rows = await tx.execute(
        select(inbox)
        .where(inbox.c.state.in_(WAITING), inbox.c.due_at <= now)
        .order_by(inbox.c.due_at)
        .limit(limit)
    )
    return [_letter(row) for row in rows]


async def match(tx: AsyncConnection, letter: Letter, said: Said, now: datetime) -> Letter:
    """The letter as it stands once it was looked for its payment again.

    Until it is found it is looked for again later; after 72 hours it is dead, and an operator's.
    """
    known = await named(tx, said, letter.account_id)
    changes: dict[str, Any] = await _place(tx, known, letter.account_id)
    if known is not said:
        changes["observation"] = known.model_dump(mode="json")
    if changes["state"] == "UNMATCHED":
        if now - letter.received_at > MATCHING_LASTS:
            changes = {"state": "DEAD", "note": NO_SUCH_PAYMENT}
        else:
            changes = {"due_at": _again(letter, now)}
    found = await tx.execute(_open(letter.id).values(changes).returning(inbox))
    row = found.one_or_none()
    if row is None:
        return letter
    await _record_if_shelved(tx, row, now)
    return _letter(row)


async def passed_on(tx: AsyncConnection, letter: Letter, now: datetime) -> None:
    """Temporal has the letter. Should it take no effect all the same, it is passed on again later."""
    await tx.execute(_open(letter.id).values(due_at=_again(letter, now)))


def _again(letter: Letter, now: datetime) -> datetime:
    return now + min(max(now - letter.received_at, _SOONEST), _LATEST)


def _open(letter_id: str) -> Update:
    return update(inbox).where(inbox.c.id == letter_id, inbox.c.state.in_(WAITING))


async def stumbled(tx: AsyncConnection, letter_id: str, why: str, now: datetime) -> bool:
    """It could not take effect. Tried again later, and later still; True when this was the last time."""
    later = case(
        *((inbox.c.attempts == number, now + pause) for number, pause in enumerate(BACKOFF)), else_=now
    )
    last = inbox.c.attempts >= len(BACKOFF)
    changed = await tx.execute(
        _open(letter_id)
        .values(
            attempts=inbox.c.attempts + 1,
            state=case((last, "DEAD"), else_=inbox.c.state),
            note=why,
            due_at=later,
        )
        .returning(inbox)
    )
    row = changed.one_or_none()
    if row is not None:
        await _record_if_shelved(tx, row, now)
    return row is not None and bool(row.state == "DEAD")


async def is_echo(tx: AsyncConnection, letter: Letter, said: Said, payment: Payment, now: datetime) -> bool:
    """Whether the letter tells an ended payment nothing new. If so it has taken all the effect it can."""
    if not isinstance(said, Observation):
        return False
    verdict = decide(Standing.of(payment), said)
    if verdict.note != ECHO:
        return False
    await processed(tx, letter.id, verdict.note, now)
    return True


class Effect(NamedTuple):
    """That an event has taken effect now: whose it was, and how long after it came."""

    provider: str
    age: timedelta


async def processed(tx: AsyncConnection, letter_id: str, note: str, now: datetime) -> Effect | None:
    """This event has taken effect: part of the transaction in which it did. None: it had before."""
    done = await tx.execute(
        update(inbox)
        .where(inbox.c.id == letter_id, inbox.c.state != "PROCESSED")
        .values(state="PROCESSED", note=note, processed_at=now)
        .returning(inbox.c.provider, inbox.c.received_at)
    )
    row = done.one_or_none()
    return None if row is None else Effect(row.provider, now - row.received_at)


async def quarantine(tx: AsyncConnection, letter_id: str, note: str, now: datetime) -> None:
    """Authentic, but a person must look at it: kept, and not tried again."""
    shelved = await tx.execute(
        update(inbox)
        .where(inbox.c.id == letter_id, inbox.c.state != "PROCESSED")
        .values(state="QUARANTINED", note=note)
        .returning(inbox)
    )
    for row in shelved:
        await _record_if_shelved(tx, row, now)


async def _record_if_shelved(tx: AsyncConnection, row: Row[Any], now: datetime) -> None:
    """That an event takes no effect until a person looks at it goes on record."""
    if row.state not in {"QUARANTINED", "DEAD"}:
        return
    deed = audit.Deed(
        tenant_id=row.tenant_id,
        actor=f"provider:{row.provider}",
        action=f"event.{row.state.lower()}",
        resource=row.payment_id or row.id,
        provider=row.provider,
        result="noted",
        failure=row.note,
        at=now,
    )
    await audit.record(tx, deed)


async def find(tx: AsyncConnection, states: Sequence[str], limit: int) -> list[Letter]:
    """What lies there in these states, oldest first."""
    rows = await tx.execute(
        select(inbox).where(inbox.c.state.in_(states)).order_by(inbox.c.received_at).limit(limit)
    )
    return [_letter(row) for row in rows]


async def retry(tx: AsyncConnection, letter_id: str, now: datetime) -> bool:
    """An operator wants it heard again, from the start; False when it has taken effect."""
    done = await tx.execute(
        update(inbox)
        .where(inbox.c.id == letter_id, inbox.c.state != "PROCESSED")
        # Whose it is is found out anew; 72 hours begin again for one that nobody knew.
        .values(state="UNMATCHED", note=None, attempts=0, received_at=now, due_at=now)
    )
    return bool(done.rowcount)


def _letter(row: Row[Any]) -> Letter:
    facts = {name: row._mapping[name] for name in Letter.model_fields}  # noqa: SLF001 - its public name
    try:
        return Letter(**facts)
    except ValidationError:
        return Letter(**(facts | {"observation": None}))
