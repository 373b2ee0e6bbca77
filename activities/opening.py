"""Getting a checkout from a provider: at most one that can be paid, whatever is lost on the way.

Where the payer is not there, a charge of what is kept for them stands in its place.

Before anything is sent a second time the provider is asked what it has of ours, and one caller at a time has
leave to send. The key that goes with each request is the second guard, and the only one at a company that
cannot be asked. Another provider's turn comes only when this one has definitely made none.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.settling import not_opened, settle
from activities.world import World
from domain.dunning import NO_METHOD
from domain.errors import (
    OutcomeUnknown,
    ProviderConflict,
    ProviderDeclined,
    ProviderError,
    ProviderKeyReused,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.events import EVENT_OF_STATUS, payment_announcement
from domain.evidence import Channel, Observation, Word
from domain.payment import Payment, PaymentOrder, PaymentRef, PaymentStatus, Progress
from domain.subscription import Charge, Customer
from domain.tenant import ProviderAccount
from domain.verdicts import Report
from providers.base import Capability, Checkout, Provider
from storage import accounts, calls, checkouts, customers, payments, tables

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
        except ProviderError as unusable:
            broken = unusable
        call = await checkouts.calling(tx, payment)
    attempt = _Attempt(payment, call, certain=call.first)
    try:
        if world.clock() >= ref.expires_at:
            raise _TOO_LATE
        if provider is None:
            raise broken
        if payment.order.off_session:
            said = await _charge(world, provider, attempt)
        else:
            checkout = await _checkout(world, provider, attempt)
    except ProviderError as trouble:
        return await _without(world, ref, attempt, trouble)
    if payment.order.off_session:
        return await _charged(world, ref, said, call)
    return await _opened(world, ref, checkout.reference, checkout.url)


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
    customer = await known_customer(world, provider, order)
    try:
        return await provider.open_checkout(_returning(world, provider, order), customer)
    except (ProviderConflict, ProviderKeyReused) as met:
        # Not this request, but an earlier one of ours may have made a checkout.
        raise OutcomeUnknown(met.detail) from met


def _returning(world: World, provider: Provider, order: PaymentOrder) -> PaymentOrder:
    """The order with somewhere to send its payer, where the company insists and the tenant named no place."""
    if order.success_url is not None or Capability.RETURN_URL_NEEDED not in provider.capabilities:
        return order
    page = world.payers_page(order)
    return order.model_copy(update={"success_url": page, "cancel_url": order.cancel_url or page})


async def known_customer(world: World, provider: Provider, order: PaymentOrder) -> str | None:
    """Who pays, by the provider's name; whoever has none gets one. None: nobody known."""
    if order.customer_id is None:
        return None
    async with world.database.tenant(order.tenant_id) as tx:
        payer = await customers.get(tx, order.customer_id)
    return await ensure_customer(world, provider, payer)


async def ensure_customer(world: World, provider: Provider, payer: customers.Payer) -> str:
    """The provider's name for somebody who pays again. Safe to repeat."""
    if payer.reference is not None:
        return payer.reference
    name = payer.party.name if payer.party is not None else None
    reference = await provider.ensure_customer(Customer(id=payer.id, email=payer.email, name=name))
    async with world.database.tenant(payer.tenant_id) as tx:
        await customers.named(tx, payer.id, reference)
    return reference


async def _charge(world: World, provider: Provider, attempt: _Attempt) -> Observation:
    """What became of the charge, which is made when there positively is none. A bank's "no" is an answer."""
    order, now = attempt.payment.order, world.clock()
    if not attempt.call.first:
        found = await provider.find_checkout(order.payment_id, now)
        if found.word is not Word.ABSENT:
            return await _without_payer(provider, found, now)
        attempt.certain = True
    customer = await known_customer(world, provider, order) or ""
    methods = await provider.saved_methods(customer)
    if not methods:
        return _declined(order, NO_METHOD, "Nothing is saved that could be charged.", now)
    wanted = Charge(
        payment_id=order.payment_id,
        money=order.money,
        customer=customer,
        method=methods[0].reference,
        description=order.description,
    )
    try:
        return await _without_payer(provider, await provider.charge_saved(wanted, now), now)
    except ProviderDeclined as no:
        return _declined(order, no.reason or "card_declined", no.detail, now)
    except (ProviderConflict, ProviderKeyReused) as met:
        raise OutcomeUnknown(met.detail) from met


async def _without_payer(provider: Provider, said: Observation, now: datetime) -> Observation:
    """Nobody is there to approve it: a charge that waits for that is closed, and has failed."""
    if said.word is not Word.ATTEMPT_FAILED:
        return said
    code = said.failure_code or "authentication_required"
    if said.reference is not None:
        closed = await provider.close_checkout(said.reference, now)
        if closed.word not in {Word.EXPIRED, Word.CANCELLED, Word.FAILED, Word.ATTEMPT_FAILED}:
            return closed
    message = said.failure_message or "The payer has to approve it."
    return said.model_copy(update={"word": Word.FAILED, "failure_code": code, "failure_message": message})


def _declined(order: PaymentOrder, code: str, message: str, now: datetime) -> Observation:
    return Observation(
        word=Word.FAILED,
        raw_state="declined",
        channel=Channel.CREATE,
        cause_id=f"declined:{order.payment_id}",
        failure_code=code[:64],
        failure_message=message[:500],
        observed_at=now,
    )


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


async def _charged(world: World, ref: PaymentRef, said: Observation, call: calls.Call) -> Progress:
    """What a charge came to: as soon as it is known by a name it can be asked about, and settled by that."""
    if said.reference is None:
        # It never was, or ended without a name.
        return await settle(world, Report(ref=ref, said=said), call)
    progress = await _opened(world, ref, said.reference, None)
    if said.word not in {Word.OPEN, Word.PROCESSING}:
        # Its making is over: this is how it stands.
        heard = said.model_copy(update={"channel": Channel.READ})
        progress = await settle(world, Report(ref=ref, said=heard))
    return progress


async def _opened(world: World, ref: PaymentRef, reference: str, url: str | None) -> Progress:
    now = world.clock()
    async with world.database.tenant(ref.tenant_id) as tx:
        moved = await payments.opened(tx, ref.payment_id, reference, url, now)
        if moved is None:
            return (await payments.get(tx, ref.payment_id)).progress
        cause = payments.Cause(
            id=f"opened:{reference}",
            type=EVENT_OF_STATUS[moved.status],
            actor=f"provider:{moved.order.provider}",
            at=now,
        )
        endpoints = await payments.record_change(tx, moved, cause, [payment_announcement(moved)])
    await world.wake(ref.tenant_id, endpoints)
    return moved.progress
