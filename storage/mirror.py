"""What companies said of the subscriptions they run, in PostgreSQL: kept for ever, and read all at once."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.mirror import Word
from domain.subscription import InvoiceObservation, SubscriptionObservation
from domain.tenant import ProviderAccount
from domain.values import new_id
from storage.tables import subscription_words

_ALONE: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:account || ' ' || :reference, 14))")

Said = SubscriptionObservation | InvoiceObservation


async def alone(tx: AsyncConnection, account_id: str, reference: str) -> None:
    """Hear the words on one subscription one after the other: also before we know which of ours it is.

    Comes before any other lock.
    """
    await tx.execute(_ALONE, {"account": account_id, "reference": reference})


async def keep(
    tx: AsyncConnection,
    account: ProviderAccount,
    said: Said,
    word: Word | None,
    note: str | None,
    now: datetime,
) -> bool:
    """Write a word down, once. False when it was there. ``word`` is its place, if it counts as one."""
    reference = said.reference if isinstance(said, SubscriptionObservation) else said.subscription
    kept = (
        upsert(subscription_words)
        .values(
            id=new_id("wrd", now),
            tenant_id=account.tenant_id,
            account_id=account.id,
            event_id=said.cause_id,
            reference=reference,
            kind=said.kind,
            note=note,
            observation=said.model_dump(mode="json"),
            told_at=said.observed_at if word is None else word.at,
            read=False if word is None else word.read,
            heard_at=now,
        )
        .on_conflict_do_nothing(index_elements=["account_id", "event_id"])
    )
    return bool((await tx.execute(kept)).rowcount)


async def words(tx: AsyncConnection, account_id: str, reference: str) -> list[Word]:
    """All that counts of what was said of one subscription."""
    rows = await tx.execute(
        _counted(account_id, reference).where(subscription_words.c.kind == "subscription")
    )
    return [
        Word(said=SubscriptionObservation.model_validate(row.observation), at=row.told_at, read=row.read)
        for row in rows
    ]


async def bills(tx: AsyncConnection, account_id: str, reference: str) -> list[InvoiceObservation]:
    """What was said of its bills, in the order in which it was heard."""
    rows = await tx.execute(_counted(account_id, reference).where(subscription_words.c.kind == "invoice"))
    return [InvoiceObservation.model_validate(row.observation) for row in rows]


def _counted(account_id: str, reference: str) -> Select[Any]:
    return (
        select(subscription_words)
        .where(
            subscription_words.c.account_id == account_id,
            subscription_words.c.reference == reference,
            subscription_words.c.note.is_(None),
        )
        .order_by(subscription_words.c.heard_at, subscription_words.c.id)
    )
