"""Getting a checkout from a provider: at most one that can be paid, whatever is lost on the way.

Before anything is sent a second time the provider is asked what it has of ours, and one caller at a time has
leave to send. The key that goes with each request is the second guard, and the only one at a company that
cannot be asked. Another provider's turn comes only when this one has definitely made none.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.settling import not_opened
from activities.world import World
from domain.errors import (
    OutcomeUnknown,
    ProviderConflict,
    ProviderError,
    ProviderKeyReused,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.events import EVENT_OF_STATUS, payment_announcement
from domain.evidence import Word
from domain.payment import Payment, PaymentRef, PaymentStatus, Progress
from domain.tenant import ProviderAccount
from providers.base import Capability, Checkout, Provider
from storage import accounts, calls, checkouts, payments, tables

_TOO_LATE = ProviderUnavailable("Time was up before the provider could be asked.")


@dataclass
class _Attempt:
    """One leave to call, and whether a "no" to it means that there is no checkout at all."""

    payment: Payment
    call: calls.Call
    certain: bool


async def open_checkout(world: World, ref: PaymentRef) -> Progress:
    """The payment once it has a checkout, or never will have one.

    Raises ``ProviderUnavailable`` and ``OutcomeUnknown``, for the step to be tried again, and ``NotYet``.
    """
    provider: Provider | None = None
    broken: ProviderError = _TOO_LATE
    async with world.database.tenant(ref.tenant_id) as tx:
        payment = await payments.get(tx, ref.payment_id)
        if payment.status is not PaymentStatus.CREATED:
            return payment.progress
        try:
            _, provider = await world.provider(tx, payment.account_id)
        except ProviderRejected as unusable:
            broken = unusable
        call = await checkouts.calling(tx, payment)
    attempt = _Attempt(payment, call, certain=call.first)
    try:
        if world.clock() >= ref.expires_at:
            raise _TOO_LATE
        if provider is None:
            raise broken
        checkout = await _checkout(world, provider, attempt)
    except ProviderError as trouble:
        return await _without(world, ref, attempt, trouble)
    return await _opened(world, ref, checkout)


async def _checkout(world: World, provider: Provider, attempt: _Attempt) -> Checkout:
    order = attempt.payment.order
    if not attempt.call.first and Capability.FIND_BY_REFERENCE in provider.capabilities:
        found = await provider.find_checkout(order.payment_id, world.clock())
        if found.word is not Word.ABSENT:
            return _named(found.reference, found.checkout_url)
        # With nobody else calling, none is on its way either.
        attempt.certain = True
    elif not attempt.call.first and not (
        attempt.call.key_lives and Capability.IDEMPOTENT_WRITES in provider.capabilities
    ):
        raise OutcomeUnknown("A second request could make a second checkout, and nobody can be asked.")
    try:
        return await provider.open_checkout(order)
    except (ProviderConflict, ProviderKeyReused) as met:
        # Not this request, but an earlier one of ours may have made a checkout.
        raise OutcomeUnknown(met.detail) from met


def _named(reference: str | None, url: str | None) -> Checkout:
    if reference is None or url is None:
        raise OutcomeUnknown("The provider knows a checkout, and does not say where.")
    return Checkout(reference=reference, url=url)


async def _without(world: World, ref: PaymentRef, attempt: _Attempt, trouble: ProviderError) -> Progress:
    """No checkout came of this call. Whether that is for sure decides what may follow."""
    payment, call = attempt.payment, attempt.call
    certain = attempt.certain and not isinstance(trouble, OutcomeUnknown)
    over = trouble is _TOO_LATE or isinstance(trouble, ProviderRejected)
    async with world.database.tenant(ref.tenant_id) as tx:
        if not await calls.held(tx, tables.checkouts, call):
            raise OutcomeUnknown("Somebody else has taken over, and says how it ends.") from trouble
        other = None
        if certain and trouble is not _TOO_LATE:
            other = await accounts.serving(tx, payment.order.alternatives)
        if other is not None:
            await _turn_to(tx, attempt, other, world.clock(), type(trouble).__name__)
        elif not (over and certain):
            nothing = not isinstance(trouble, OutcomeUnknown)
            await calls.ended(tx, tables.checkouts, call, for_nothing=nothing)
        # Else the leave is kept until the payment has failed: nobody may call in between.
    if other is not None:
        return await open_checkout(world, ref)
    if over:
        return await not_opened(world, ref, trouble, call, certain=certain)
    raise trouble


async def _turn_to(
    tx: AsyncConnection, attempt: _Attempt, other: ProviderAccount, now: datetime, why: str
) -> None:
    await checkouts.absent(tx, attempt.call)
    await payments.turn_to(tx, attempt.payment, other, now)
    cause = payments.Cause(
        id=f"failover:{attempt.call.id}", type="payment.failover", actor="workflow", at=now, raw_state=why
    )
    await payments.remark(tx, attempt.payment, cause)


async def _opened(world: World, ref: PaymentRef, checkout: Checkout) -> Progress:
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
        endpoints = await payments.record_change(tx, moved, cause, [payment_announcement(moved)])
    await world.wake(ref.tenant_id, endpoints)
    return moved.progress
