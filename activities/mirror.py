"""Hears what a company says of the subscriptions it runs, and has ours stand as it says.

One transaction a word: it is kept, all words are taken together (``domain.mirror``), and what that comes to
is carried out on the locked row, rights and events with it. A word that was heard before changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from activities import billing
from activities.world import World, alert
from domain.billing import SubscriptionStatus
from domain.catalog import Offer
from domain.errors import NotFound, ProviderRejected
from domain.events import Announcement, bill_announcement
from domain.mirror import EVENT_OF_BILL, Word, doubtful, mirrored, new_of_bill, placed, standing
from domain.standing import Subscription, SubscriptionRef
from domain.subscription import InvoiceObservation, SubscriptionObservation, SubscriptionWord
from domain.tenant import ProviderAccount, Tenant
from storage import accounts, audit, catalog, events, mirror, subscriptions, tenants
from storage.mirror import Said

log = structlog.get_logger(__name__)

S = SubscriptionStatus
# One of which nothing was heard for so long is asked about.
_QUIET: Final = timedelta(days=1)
_NEVER_BEGUN: Final = (S.INCOMPLETE, S.INCOMPLETE_EXPIRED)
_LIVE: Final = frozenset(SubscriptionWord(status) for status in subscriptions.LIVE)
OTHER_MODE: Final = "other_mode"
UNCLEAR: Final = "unclear"


@dataclass
class Heard:
    """What a word has led to, once it is committed."""

    sub: Subscription | None = None
    """As it stands; None when nobody knows whose word it is."""
    told: list[Announcement] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    wake: bool = False
    """Whether whoever leads the subscription has something to do, or is to begin."""


@dataclass(frozen=True)
class Ear:
    """Who hears, from which account, and when by the world's clock."""

    world: World
    account: ProviderAccount
    actor: str
    wall: datetime
    asked: bool = False
    """Whether we only looked, with nothing wished: then what is new is what no webhook told."""

    @property
    def in_a_day(self) -> datetime:
        return self.wall + self.world.scaled(_QUIET)


async def heard(world: World, account: ProviderAccount, observations: Sequence[object]) -> list[Heard]:
    """Take in what a webhook says of subscriptions and their bills. On disk when this returns.

    Safe to repeat. ``follow_up`` comes next.
    """
    ear = Ear(world, account, f"provider:{account.provider}", world.clock())
    return [await _hear(ear, said) for said in observations if isinstance(said, Said)]


async def answered(
    world: World, sub: Subscription, said: SubscriptionObservation, actor: str
) -> Subscription:
    """What a company answers to a wish of ours is a word like others. The subscription as it then stands."""
    async with world.database.tenant(sub.tenant_id) as tx:
        account = await accounts.by_id(tx, sub.account_id)
    result = await _hear(Ear(world, account, actor, world.clock()), said)
    await follow_up(world, result)
    return result.sub or sub


async def reread(world: World, ref: SubscriptionRef, wall: datetime, actor: str) -> None:
    """Ask the company how a subscription stands, if that is due. Raises while nobody answers."""
    async with world.database.tenant(ref.tenant_id) as tx:
        sub = await subscriptions.get(tx, ref.subscription_id)
        if sub.reread_at is None or sub.reread_at > wall or sub.provider_reference is None:
            return
        account, provider = await world.provider(tx, sub.account_id)
    ear = Ear(world, account, actor, wall, asked=True)
    try:
        said = await provider.read_subscription(sub.provider_reference, wall)
    except ProviderRejected as no:
        # Nobody over there knows it, or us: no word on how it stands.
        await _postpone(ear, sub, type(no).__name__)
        return
    result = await _hear(ear, said)
    if result.sub is None:
        # It answered with another one, of which it may be asked until the end of days.
        await _postpone(ear, sub, "another")
    await world.wake(ref.tenant_id, result.endpoints)


async def _postpone(ear: Ear, sub: Subscription, why: str) -> None:
    """No word came of asking: somebody is called, and it is asked again in a day."""
    alert("subscription_unreadable", subscription_id=sub.id, why=why)
    async with ear.world.database.tenant(sub.tenant_id) as tx:
        await _ask_later(tx, ear, await subscriptions.get(tx, sub.id, lock=True))


async def follow_up(world: World, result: Heard) -> None:
    """Wake whom a word concerns. What does not get through, the sweeps find."""
    if result.sub is None:
        return
    try:
        await world.wake(result.sub.tenant_id, result.endpoints)
        if result.wake:
            await world.wake_subscription(result.sub.ref)
    except Exception as error:  # noqa: BLE001 - all of it is on record
        log.warning("mirror_postponed", subscription_id=result.sub.id, reason=type(error).__name__)


async def _hear(ear: Ear, said: Said) -> Heard:
    name = said.reference if isinstance(said, SubscriptionObservation) else said.subscription
    async with ear.world.database.tenant(ear.account.tenant_id) as tx:
        await mirror.alone(tx, ear.account.id, name)
        tenant = await tenants.get(tx, ear.account.tenant_id)
        sub = await _whose(tx, ear.account, said, name)
        note = _why_not(tenant, said)
        if note is not None:
            result = await _ignored(tx, ear, sub, said, note)
        elif isinstance(said, SubscriptionObservation):
            scene = billing.Scene(tenant, ear.actor, ear.wall, ear.world.time_scale)
            result = await _of_subscription(tx, ear, scene, sub, said)
        else:
            result = await _of_bill(tx, ear, sub, said)
        if result.told:
            result.endpoints = await events.announce(tx, tenant.id, result.told, ear.wall)
    return result


def _why_not(tenant: Tenant, said: Said) -> str | None:
    if said.sandbox not in {None, tenant.sandbox}:
        return OTHER_MODE
    return UNCLEAR if said.word.value == "unclear" else None


async def _ignored(tx: AsyncConnection, ear: Ear, sub: Subscription | None, said: Said, note: str) -> Heard:
    """It counts for nothing, is kept, and a person is told."""
    if await mirror.keep(tx, ear.account, said, None, note, ear.wall):
        alert("subscription_word_ignored", account_id=ear.account.id, event_id=said.cause_id, why=note)
    if ear.asked and sub is not None:
        await _ask_later(tx, ear, sub)
    return Heard(sub)


async def _whose(tx: AsyncConnection, account: ProviderAccount, said: Said, name: str) -> Subscription | None:
    """Our subscription, locked: by the company's name for it, or at first by ours."""
    sub = await subscriptions.called(tx, account.id, name)
    if sub is not None or said.subscription_id is None:
        return sub
    try:
        sub = await subscriptions.get(tx, said.subscription_id, lock=True)
    except NotFound:
        return None
    mine = sub.account_id == account.id and sub.provider_run
    lives = isinstance(said, SubscriptionObservation) and said.word in _LIVE
    # Under another name it may never have come to be: a payer whose card was declined begins again.
    free = sub.provider_reference is None or (sub.status in _NEVER_BEGUN and lives)
    if mine and free:
        return sub
    if lives:
        # Begun twice over there, or another's: a person must see to it that nobody pays for nothing.
        alert("subscription_claimed", subscription_id=sub.id, account_id=account.id)
    return None


async def _of_subscription(
    tx: AsyncConnection,
    ear: Ear,
    scene: billing.Scene,
    sub: Subscription | None,
    said: SubscriptionObservation,
) -> Heard:
    known = await mirror.words(tx, ear.account.id, said.reference)
    word = placed(said, known)
    newest = max(known, key=lambda each: each.rank, default=None)
    if sub is not None and word.read and newest is not None and newest.state == word.state:
        # An answer is kept when it says something new.
        return Heard(await _ask_later(tx, ear, sub))
    fresh = await mirror.keep(tx, ear.account, said, word, None, ear.wall)
    if sub is None:
        log.warning("subscription_unmatched", account_id=ear.account.id, event_id=said.cause_id)
        return Heard()
    if not fresh and sub.provider_reference == said.reference:
        # It was heard with all the others.
        return Heard(sub)
    return await _stand(tx, ear, scene, sub, _Heap(word, [*known, word] if fresh else known))


class _Heap(NamedTuple):
    """A word, and all there are of its subscription, itself among them."""

    word: Word
    words: list[Word]


async def _stand(
    tx: AsyncConnection, ear: Ear, scene: billing.Scene, sub: Subscription, heap: _Heap
) -> Heard:
    """Have our subscription stand as all words together say."""
    stands, name = standing(heap.words), heap.word.said.reference
    step = mirrored(sub, stands, await _offer(tx, sub, stands.price))
    over = step.after.status is S.CANCELED
    doubt = doubtful(heap.word, heap.words)
    at = None if over else ear.wall if doubt else ear.in_a_day
    after = step.after.model_copy(update={"provider_reference": name, "reread_at": at})
    done = await billing.carry_out(tx, sub, step.model_copy(update={"after": after}), scene)
    if sub.status in _NEVER_BEGUN and after.status in subscriptions.LIVE:
        await _alone(tx, after)
    if sub.provider_reference is None:
        bills = await mirror.bills(tx, ear.account.id, name)
        for number, bill in enumerate(bills):
            done.told += _told_of(after, bill, bills[:number])
    if ear.asked:
        await _record_missed(tx, ear, after)
    return Heard(after, done.told, wake=over or doubt or sub.reread_at is None)


async def _alone(tx: AsyncConnection, sub: Subscription) -> None:
    """A user has one subscription; but the checkout of one that was given up can be paid all the same."""
    if await subscriptions.live_beside(tx, sub):
        alert("subscription_doubled", subscription_id=sub.id, account_id=sub.account_id)


async def _offer(tx: AsyncConnection, sub: Subscription, name: str | None) -> Offer | None:
    """What the company's price is with us; None when it says none, or one that we do not know."""
    if name is None:
        return None
    sold = await catalog.sold_as(tx, sub.provider, name)
    if not sold:
        alert("price_unknown", subscription_id=sub.id, provider=sub.provider)
    kept = (offer for offer in sold if offer.price.id == sub.terms.price.id)
    return next(kept, sold[0] if sold else None)


async def _ask_later(tx: AsyncConnection, ear: Ear, sub: Subscription) -> Subscription:
    asked = sub.model_copy(update={"reread_at": None if sub.status is S.CANCELED else ear.in_a_day})
    await subscriptions.save(tx, asked)
    return asked


async def _record_missed(tx: AsyncConnection, ear: Ear, sub: Subscription) -> None:
    """The webhook that should have told us is late, or lost."""
    deed = audit.Deed(
        tenant_id=sub.tenant_id,
        actor=ear.actor,
        action="subscription.reconciled",
        resource=sub.id,
        provider=sub.provider,
        at=ear.wall,
    )
    await audit.record(tx, deed)


async def _of_bill(
    tx: AsyncConnection, ear: Ear, sub: Subscription | None, said: InvoiceObservation
) -> Heard:
    """Tell of a bill, once. It is the company's: our books hold no copy of it."""
    before = await mirror.bills(tx, ear.account.id, said.subscription)
    fresh = await mirror.keep(tx, ear.account, said, None, None, ear.wall)
    if sub is None or sub.provider_reference is None or not fresh:
        # Told with the subscription's first word.
        return Heard()
    return Heard(sub, _told_of(sub, said, before))


def _told_of(
    sub: Subscription, said: InvoiceObservation, before: list[InvoiceObservation]
) -> list[Announcement]:
    if not new_of_bill(said, before):
        return []
    return [bill_announcement(sub, said, EVENT_OF_BILL[said.word])]
