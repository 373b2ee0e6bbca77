"""What a word makes of a payment, written down in one transaction on the locked row.

Status, history, money, rights, audit record, announcements, and that the event behind it has taken effect:
all of it or nothing. What a word means is decided by ``domain.verdicts``.
"""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import billing
from activities.world import World, alert
from domain.errors import ProviderError
from domain.events import (
    EVENT_OF_STATUS,
    LATE_SUCCEEDED,
    Announcement,
    grant_announcement,
    payment_announcement,
    refund_announcement,
)
from domain.evidence import Channel, Observation, Word
from domain.payment import ENDED, Payment, PaymentRef, PaymentStatus, Progress
from domain.refund import Origin, Refund
from domain.standing import SubscriptionRef
from domain.verdicts import (
    ECHO,
    FOR_A_PERSON,
    TOO_EARLY,
    Choice,
    Report,
    Ruling,
    Standing,
    Verdict,
    decide,
    rule,
)
from storage import checkouts, deliveries, entitlements, inbox, ledger, payments, refunds, tenants
from storage.calls import Call

_ALARMING: Final = {PaymentStatus.UNKNOWN: "payment_unknown", PaymentStatus.REVIEW: "payment_under_review"}


class _Led(NamedTuple):
    """What a change of a payment leads to: what is to be told, and what goes on once it is committed."""

    told: list[Announcement]
    refund: Refund | None = None
    subscription: SubscriptionRef | None = None


async def settle(world: World, report: Report, leave: Call | None = None) -> Progress:
    """Decide what a provider's word means, and write it down. Safe to repeat.

    A "no" that was said under a ``leave`` counts while nobody else has been given one.
    """
    ref, said, now = report.ref, report.said, world.clock()
    led = _Led([])
    async with world.database.tenant(ref.tenant_id) as tx:
        payment = await payments.get(tx, ref.payment_id, lock=True)
        if leave is not None and not await checkouts.absent(tx, leave):
            # Somebody else asks by now, and will tell.
            return payment.progress
        verdict = decide(await _standing(tx, payment, said), said, report.intent)
        change = payments.Change(
            captured=said.captured if said.word is Word.PAID else None,
            capture=said.capture,
            reference=said.reference,
            checkout_url=said.checkout_url,
        )
        moved = await payments.move(tx, ref.payment_id, verdict, change, now)
        effect = await _file(tx, said, verdict, now)
        cause = _cause(payment, said, verdict, now)
        if moved is not None:
            if change.captured is not None:
                await ledger.captured(tx, moved, change.captured, now)
            led = await _consequences(world, tx, moved, (verdict, Origin.LATE_MONEY), cause)
            endpoints = await payments.record_change(tx, moved, cause, led.told)
        else:
            if verdict.note != ECHO:
                await payments.remark(tx, payment, cause)
            # Perhaps this is a repeat, and waking them up is what did not happen the first time.
            endpoints = await deliveries.listeners(tx, ref.tenant_id)
    world.measures.took_effect(effect)
    _cry_out(ref, moved, verdict)
    await _go_on(world, ref, endpoints, led)
    return (moved or payment).progress


async def rule_on(world: World, ruling: Ruling) -> Progress:
    """Carry an operator's decision out, and write it down. Safe to repeat; the first decision stands."""
    ref, now = ruling.ref, world.clock()
    led = _Led([])
    async with world.database.tenant(ref.tenant_id) as tx:
        payment = await payments.get(tx, ref.payment_id, lock=True)
        verdict = rule(payment.status, ruling.choice)
        accepted_by = ruling.by if ruling.choice is Choice.ACCEPT else None
        moved = await payments.move(
            tx, ref.payment_id, verdict, payments.Change(accepted_by=accepted_by), now
        )
        cause = payments.Cause(
            id=ruling.id,
            type=EVENT_OF_STATUS[verdict.to] if verdict.to else f"payment.{verdict.note}",
            actor=ruling.by,
            at=now,
        )
        if moved is None:
            await payments.remark(tx, payment, cause)
            endpoints = await deliveries.listeners(tx, ref.tenant_id)
        else:
            if moved.status is PaymentStatus.SUCCEEDED and moved.captured is not None:
                await ledger.accepted(tx, moved, moved.captured, now)
            led = await _consequences(world, tx, moved, (verdict, Origin.REVIEW), cause)
            endpoints = await payments.record_change(tx, moved, cause, led.told)
    await _go_on(world, ref, endpoints, led)
    return (moved or payment).progress


async def _go_on(world: World, ref: PaymentRef, endpoints: list[str], led: _Led) -> None:
    await world.wake(ref.tenant_id, endpoints)
    if led.refund is not None:
        await world.start_refund(led.refund.ref)
    if led.subscription is not None:
        await world.wake_subscription(led.subscription)


async def not_opened(
    world: World, ref: PaymentRef, why: ProviderError, call: Call, *, certain: bool
) -> Progress:
    """There will be no checkout, as far as this call can say.

    That it came to nothing says nothing of another one whose answer was lost, or is still awaited: then
    nobody knows.
    """
    said = Observation(
        word=Word.FAILED if certain else Word.UNCLEAR,
        raw_state=type(why).__name__,
        channel=Channel.CREATE,
        cause_id=f"refused:{call.id}:{call.number}",
        failure_code=why.code,
        failure_message=why.detail,
        observed_at=world.clock(),
    )
    return await settle(world, Report(ref=ref, said=said), call if certain else None)


async def _standing(tx: AsyncConnection, payment: Payment, said: Observation) -> Standing:
    if payment.status not in ENDED or said.word is not Word.PAID:
        return Standing.of(payment)
    # Money after the end: only now does it matter what the tenant wants, and whether the order was paid anew.
    policy = await tenants.late_policy(tx, payment.order.tenant_id)
    return Standing.of(payment, policy, order_is_free=await payments.order_is_free(tx, payment))


async def _consequences(
    world: World,
    tx: AsyncConnection,
    payment: Payment,
    decided: tuple[Verdict, Origin],
    cause: payments.Cause,
) -> _Led:
    """Rights to the user, what it pays, and money on its way back: a refund of that origin."""
    verdict, origin = decided
    told = [payment_announcement(payment, LATE_SUCCEEDED)] if verdict.late else []
    if verdict.to is not None:
        told.append(payment_announcement(payment))
    if verdict.to is PaymentStatus.SUCCEEDED:
        rights = await entitlements.grant(tx, payment, cause.at)
        told += [grant_announcement(right) for right in rights]
    give_back, led = verdict.give_back, None
    if payment.order.invoice_id is not None and verdict.to in ENDED:
        tenant = await tenants.get(tx, payment.order.tenant_id)
        scene = billing.Scene(tenant, cause.actor, cause.at, world.time_scale, payment.order.correlation_id)
        outcome = await billing.settled(tx, payment, scene)
        # Nobody owes it any more.
        give_back = outcome is None
        if outcome is not None:
            told += outcome.told
            led = outcome.sub.ref
    if not give_back or payment.captured is None:
        return _Led(told, None, led)
    wish = refunds.Wish(
        # One such refund a payment, whatever is said and repeated.
        name=origin,
        money=payment.captured,
        origin=origin,
        reason=verdict.note,
        by=cause.actor,
    )
    refund = await refunds.request(tx, payment, wish, cause.at)
    return _Led([*told, refund_announcement(refund, "refund.requested")], refund)


def _cause(payment: Payment, said: Observation, verdict: Verdict, now: datetime) -> payments.Cause:
    type_ = LATE_SUCCEEDED if verdict.late else f"payment.{verdict.note}"
    return payments.Cause(
        id=said.cause_id,
        type=EVENT_OF_STATUS[verdict.to] if verdict.to else type_,
        actor=f"provider:{payment.order.provider}",
        at=now,
        evidence_sha256=said.evidence_sha256,
        raw_state=said.raw_state,
    )


async def _file(
    tx: AsyncConnection, said: Observation, verdict: Verdict, now: datetime
) -> inbox.Effect | None:
    if said.inbox_id is None or verdict.note == TOO_EARLY:
        return None
    if verdict.note in FOR_A_PERSON:
        await inbox.quarantine(tx, said.inbox_id, verdict.note, now)
        return None
    return await inbox.processed(tx, said.inbox_id, verdict.note, now)


def _cry_out(ref: PaymentRef, moved: Payment | None, verdict: Verdict) -> None:
    ids = {"tenant_id": ref.tenant_id, "payment_id": ref.payment_id}
    if moved is not None and verdict.to in _ALARMING:
        alert(_ALARMING[verdict.to], why=verdict.note, **ids)
    if verdict.note in FOR_A_PERSON or verdict.note == "contradicted":
        alert("word_not_understood", why=verdict.note, **ids)
