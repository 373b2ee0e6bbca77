"""The steps of a payment: ask or tell the provider once, then write down in one transaction what it means.

A crash in between is repaired by running the step again: the provider deduplicates on the payment id, and
every write of ours meets its own work. What a word means is decided on the locked row that it changes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.world import World
from domain.errors import NotYet, ProviderError, ProviderRejected, ProviderUnavailable, Refusal
from domain.events import EVENT_OF_STATUS, Announcement
from domain.payment import (
    ECHO,
    FOR_A_PERSON,
    TOO_EARLY,
    Channel,
    Observation,
    Payment,
    PaymentRef,
    PaymentStatus,
    Progress,
    Report,
    Verdict,
    Word,
    decide,
)
from domain.values import Message
from providers.base import Provider
from storage import entitlements, events, inbox, payments

# While the payer pays and no webhook comes, ask this long after the checkout was opened; then hourly.
WAITING: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
# While nobody can say what happened, ask this long after it became unclear; then daily.
RESOLVING: Final = (
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
)
_TOO_LATE: Final = ProviderUnavailable("Time was up before the provider could be asked.")
_SETTLING: Final = frozenset({Word.PAID, Word.FAILED, Word.EXPIRED, Word.CANCELLED})


class Inquiry(Message):
    """What is asked about a payment, once or again and again until the answer settles something."""

    ref: PaymentRef
    reference: str | None
    closing: bool = False
    """Whether the checkout must take no more money; else we merely wait for the payer."""
    intent: PaymentStatus = PaymentStatus.EXPIRED


class PaymentActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def open_checkout(self, ref: PaymentRef) -> Progress:
        """The provider's checkout for this payment; what the row says when it has moved on already.

        A definite "no" fails the payment; any other trouble is raised, for the step to be tried again.
        """
        world, first = self._world, True
        try:
            async with world.database.tenant(ref.tenant_id) as tx:
                payment, first = await payments.calling(tx, ref.payment_id)
                if payment.status is not PaymentStatus.CREATED:
                    return payment.progress
                _, provider = await world.provider(tx, payment.account_id)
            if world.clock() >= ref.expires_at:
                return await self._not_opened(ref, _TOO_LATE, first=first)
            checkout = await provider.open_checkout(payment.order)
        except ProviderRejected as refusal:
            return await self._not_opened(ref, refusal, first=first)
        now = world.clock()
        async with world.database.tenant(ref.tenant_id) as tx:
            moved = await payments.opened(tx, ref.payment_id, checkout.reference, checkout.url, now)
            if moved is None:
                return (await payments.get(tx, ref.payment_id)).progress
            cause = payments.Cause(
                id=f"opened:{checkout.reference}",
                type=EVENT_OF_STATUS[moved.status],
                actor=f"provider:{moved.order.provider}",
                at=now,
            )
            endpoints = await payments.record_change(tx, moved, cause)
        await world.wake(ref.tenant_id, endpoints)
        return moved.progress

    async def _not_opened(self, ref: PaymentRef, why: ProviderError, *, first: bool) -> Progress:
        # That this call came to nothing says nothing of an earlier one whose answer was lost.
        said = Observation(
            word=Word.FAILED if first else Word.UNCLEAR,
            raw_state=type(why).__name__,
            channel=Channel.CREATE,
            cause_id="refused",
            failure_code=why.code,
            failure_message=why.detail,
            observed_at=self._world.clock(),
        )
        return await self.settle(Report(ref=ref, said=said))

    @activity.defn
    async def close_checkout(self, inquiry: Inquiry) -> Progress:
        """Have the provider take no more money, and settle the payment by what became of the checkout."""
        said = await self._look(inquiry)
        return await self.settle(Report(ref=inquiry.ref, said=said, intent=inquiry.intent))

    @activity.defn
    async def ask(self, inquiry: Inquiry) -> Progress:
        """Settle the payment by the provider's word, once it says something that settles anything.

        Until then each attempt fails with ``NotYet`` and names when the next is due. Attempts leave no
        trace in the workflow's history, so asking for thirty days costs it no more than asking once.
        """
        attempt = activity.info().attempt
        schedule = RESOLVING if inquiry.closing else WAITING
        pause = round(self._world.scaled(_pause(schedule, attempt)).total_seconds())
        if attempt == 1:
            raise NotYet("It is too early to ask.", retry_after=pause)
        try:
            said = await self._look(inquiry)
        except Refusal as error:
            # Nothing that stands in the way of an answer may end the question.
            raise NotYet(f"No answer: {error}", retry_after=pause) from error
        # That there is none settles something when we want there to be none, and never knew of any.
        never_was = said.word is Word.ABSENT and inquiry.closing and said.reference is None
        if said.word not in _SETTLING and not never_was:
            raise NotYet(f"The provider says: {said.raw_state}.", retry_after=pause)
        return await self.settle(Report(ref=inquiry.ref, said=said, intent=inquiry.intent))

    @activity.defn
    async def settle(self, report: Report) -> Progress:
        """Decide what a word means and write it down, all in one transaction: status, history, money,
        rights, audit record, announcements, and that the event behind it has taken effect.
        """
        world, ref, said = self._world, report.ref, report.said
        now = world.clock()
        async with world.database.tenant(ref.tenant_id) as tx:
            payment = await payments.get(tx, ref.payment_id, lock=True)
            verdict = decide(ref, payment.status, said, report.intent, payment.provider_reference)
            moved = await payments.move(tx, ref.payment_id, verdict, said, now)
            await _file(tx, said, verdict, now)
            cause = _cause(ref, said, verdict, now)
            if moved is not None:
                granted = await _book(tx, moved, said, now)
                endpoints = await payments.record_change(tx, moved, cause, granted)
            else:
                if verdict.note != ECHO:
                    await payments.note(tx, payment, cause)
                # Perhaps this is a repeat, and waking them up is what did not happen the first time.
                endpoints = await events.listeners(tx, ref.tenant_id)
        await world.wake(ref.tenant_id, endpoints)
        return (moved or payment).progress

    async def _look(self, inquiry: Inquiry) -> Observation:
        world = self._world
        async with world.database.tenant(inquiry.ref.tenant_id) as tx:
            payment = await payments.get(tx, inquiry.ref.payment_id)
            _, provider = await world.provider(tx, payment.account_id)
        return await _ask_provider(provider, inquiry, world.clock())


async def _ask_provider(provider: Provider, inquiry: Inquiry, now: datetime) -> Observation:
    reference = inquiry.reference
    if reference is None:
        found = await provider.find_checkout(inquiry.ref.payment_id, now)
        if not inquiry.closing or found.word is not Word.OPEN or found.reference is None:
            return found
        reference = found.reference
    if inquiry.closing:
        return await provider.close_checkout(reference, now)
    return await provider.read_checkout(reference, now)


def _pause(schedule: Sequence[timedelta], attempt: int) -> timedelta:
    """From this attempt to the next one: the schedule counts from the start, the server from attempts."""
    marks = [timedelta(), *schedule]
    if attempt < len(marks):
        return marks[attempt] - marks[attempt - 1]
    return timedelta(days=1) if schedule is RESOLVING else timedelta(hours=1)


def _cause(ref: PaymentRef, said: Observation, verdict: Verdict, now: datetime) -> payments.Cause:
    return payments.Cause(
        id=said.cause_id,
        type=EVENT_OF_STATUS[verdict.to] if verdict.to else f"payment.{verdict.note}",
        actor=f"provider:{ref.provider}",
        at=now,
        evidence_sha256=said.evidence_sha256,
        raw_state=said.raw_state,
    )


async def _book(
    tx: AsyncConnection, payment: Payment, said: Observation, now: datetime
) -> list[Announcement]:
    """Money into the ledger and rights to the user, and what is to be told of them."""
    # An answer may name a sum and still mean nothing: that is booked once its meaning is known.
    if said.captured is not None and payment.status in {PaymentStatus.SUCCEEDED, PaymentStatus.REVIEW}:
        await payments.book_capture(tx, payment, said.captured, now)
    if payment.status is not PaymentStatus.SUCCEEDED:
        return []
    return [
        Announcement(
            type="entitlement.granted",
            payment_id=payment.id,
            data={
                "entitlementId": right.id,
                "paymentId": payment.id,
                "userId": right.user_id,
                "feature": right.feature,
                "quantity": right.quantity,
            },
        )
        for right in await entitlements.grant(tx, payment, now)
    ]


async def _file(tx: AsyncConnection, said: Observation, verdict: Verdict, now: datetime) -> None:
    if said.inbox_id is None or verdict.note == TOO_EARLY:
        return
    if verdict.note in FOR_A_PERSON:
        await inbox.quarantine(tx, said.inbox_id, verdict.note)
    else:
        await inbox.processed(tx, said.inbox_id, verdict.note, now)
