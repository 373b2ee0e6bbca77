"""Payments over HTTP."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Final, NamedTuple, Self

import structlog
from fastapi import APIRouter, BackgroundTasks, Depends, Query
from pydantic import Field
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from api import cursors, routing
from api.deps import (
    About,
    Address,
    AnyCaller,
    Bearer,
    Exchange,
    House,
    IdempotencyKey,
    TheHouse,
    Trader,
    actor,
    in_public,
    vouched_for,
)
from api.strict import Answer, Instant, Model, Moment, StrictRoute
from domain.entitlement import Grant
from domain.errors import (
    AlreadyPaid,
    IllegalTransition,
    NeverOpened,
    NotFound,
    ProviderRejected,
    Refusal,
)
from domain.events import payment_announcement
from domain.money import CurrencyCode, Money, PayableAmount, check_amount
from domain.payment import OPEN, DisputeStatus, Payment, PaymentOrder, PaymentStatus, RefundStatus
from domain.tenant import Caller
from domain.text import Email, FreeText, Url
from domain.values import new_id
from storage import audit, payments, searches, tenants
from workflows import messages

router = APIRouter(prefix="/v1/payments", tags=["payments"], route_class=StrictRoute)
log = structlog.get_logger(__name__)

# How long a caller is kept waiting for the provider before being told to come back.
PATIENCE: Final = timedelta(seconds=5)
# How often a provider is asked about an UNKNOWN payment because somebody looks at it.
NUDGED_EVERY: Final = timedelta(seconds=30)
_LATE: Final = (
    TimeoutError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateFailedError,
    WorkflowAlreadyStartedError,
    RPCError,
)
Name = Annotated[str, FreeText(128)]


class NewGrant(Model):
    feature: Name
    quantity: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    duration_seconds: Annotated[int, Field(ge=1, le=3_153_600_000)] | None = None


class NewPayment(Model):
    user_id: Name
    amount: PayableAmount
    currency: CurrencyCode
    description: Annotated[str, FreeText(500)] | None = None
    customer_email: Email | None = None
    order_id: Name | None = None
    success_url: Url | None = None
    cancel_url: Url | None = None
    provider: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")] | None = None
    expires_in_seconds: Annotated[int, Field(ge=60, le=86_400)] | None = None
    entitlements: Annotated[tuple[NewGrant, ...], Field(max_length=20)] = ()
    metadata: Annotated[
        dict[Annotated[str, FreeText(40)], Annotated[str, FreeText(500, min_length=0)]], Field(max_length=50)
    ] = Field(default_factory=dict)


class PaymentAnswer(Answer):
    id: str
    tenant_id: str
    user_id: str
    order_id: str | None
    amount: int
    currency: str
    status: PaymentStatus
    provider: str
    provider_reference: str | None
    checkout_url: str | None
    refund_status: RefundStatus
    amount_refunded: int
    dispute_status: DisputeStatus
    failure_code: str | None
    failure_message: str | None
    late: bool
    sandbox: bool
    metadata: dict[str, str]
    created_at: Instant
    updated_at: Instant
    expires_at: Instant

    @classmethod
    def of(cls, payment: Payment, **more: Any) -> Self:
        """The payment as it stands; its checkout's address only while it can be paid there."""
        order = payment.order
        facts = order.model_dump(include=set(cls.model_fields)) | payment.model_dump(
            include=set(cls.model_fields)
        )
        if payment.status is not PaymentStatus.PROVIDER_PENDING:
            facts["checkout_url"] = None
        return cls(
            id=payment.id,
            amount=order.money.amount_minor,
            currency=order.money.currency,
            **(facts | more),
        )


class CreatedPayment(PaymentAnswer):
    checkout_token: str


class Happened(Answer):
    id: str
    type: str
    at: Instant
    cause: str


class PaymentWithEvents(PaymentAnswer):
    events: list[Happened]


class PaymentPage(Answer):
    data: list[PaymentAnswer]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class Named(NamedTuple):
    """Whose request this is, under which key, about how much."""

    key: str
    money: Money
    who: Caller


def _wanted(
    user_id: Annotated[str | None, Query(alias="userId", max_length=128)] = None,
    status: PaymentStatus | None = None,
    order_id: Annotated[str | None, Query(alias="orderId", max_length=128)] = None,
    created_from: Annotated[Moment | None, Query(alias="createdFrom")] = None,
    created_to: Annotated[Moment | None, Query(alias="createdTo")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    cursor: Annotated[str | None, Query(max_length=256)] = None,
) -> searches.PaymentFilter:
    return searches.PaymentFilter(
        user_id=user_id,
        status=status,
        order_id=order_id,
        created_from=created_from,
        created_to=created_to,
        limit=limit,
        offset=offset,
        after=None if cursor is None else cursors.place(cursor, "pay"),
    )


Wanted = Annotated[searches.PaymentFilter, Depends(_wanted)]
# What an order takes from the request as it is.
_AS_SENT: Final = {
    "user_id",
    "order_id",
    "description",
    "customer_email",
    "success_url",
    "cancel_url",
    "metadata",
}


@router.post("", status_code=201, responses={202: {"model": CreatedPayment}})
async def create_payment(
    body: NewPayment, key: IdempotencyKey, who: Trader, here: TheHouse, about: About
) -> CreatedPayment:
    """Start a payment, or meet the one this key already started."""
    money = Money(amount_minor=body.amount, currency=body.currency)
    check_amount(money)
    payment, fresh = await _place(body, Named(key, money, who), here, about.request_id)
    if payment.opened_at is None and payment.status in OPEN:
        payment = await _opened(here, payment)
    if not fresh:
        about.headers["Idempotent-Replayed"] = "true"
    if payment.opened_at is None:
        _tell_why_not(payment, about)
    return CreatedPayment.of(payment.as_opened, checkout_token=here.tokens.checkout(payment.order))


async def _place(body: NewPayment, named: Named, here: House, request_id: str | None) -> tuple[Payment, bool]:
    """Write the order down before anything else happens: from here on the key is remembered."""
    now, who = here.world.clock(), named.who
    # Kept as it is shown: a list up to this very createdAt includes the payment.
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    async with here.world.database.tenant(who.tenant_id) as tx:
        terms = await tenants.terms(tx, who.tenant_id)
        wish = routing.Wish(money=named.money, provider=body.provider)
        try:
            first, *others = routing.takers(terms, wish)
        except Refusal:
            # What this key has started is there, whatever was settled since.
            known = await payments.by_key(tx, named.key, body.digest())
            if known is None:
                raise
            return known, False
        life = timedelta(seconds=body.expires_in_seconds or terms.settings.checkout_expires_in_seconds)
        order = PaymentOrder(
            payment_id=new_id("pay", now),
            tenant_id=who.tenant_id,
            idempotency_key=named.key,
            digest=body.digest(),
            money=named.money,
            provider=first.provider,
            alternatives=tuple(account.provider for account in others),
            sandbox=terms.sandbox,
            correlation_id=request_id,
            entitlements=tuple(Grant(**grant.model_dump()) for grant in body.entitlements),
            created_at=now,
            expires_at=now + here.world.scaled(life),
            **body.model_dump(include=_AS_SENT),
        )
        payment, fresh = await payments.place(tx, order, first.id)
        if fresh:
            cause = payments.Cause(id="order", type="payment.created", actor=actor(who), at=now)
            await payments.record_change(tx, payment, cause, [payment_announcement(payment)])
    return payment, fresh


async def _opened(here: House, payment: Payment) -> Payment:
    """One RPC starts the workflow, or meets it, and waits for the checkout. Late is not lost."""
    try:
        # The SDK may go on polling after the RPC, and those polls know no limit.
        async with asyncio.timeout(PATIENCE.total_seconds()):
            progress = await messages.open_checkout(here.temporal, payment.ref, PATIENCE)
    except _LATE as error:
        # The order is on record and the sweep will start what was not started.
        log.warning("checkout_late", payment_id=payment.id, reason=type(error).__name__)
        async with here.world.database.tenant(payment.order.tenant_id) as tx:
            return await payments.get(tx, payment.id)
    if payment.order.alternatives and progress.provider != payment.order.provider:
        # It was another provider that made the checkout.
        async with here.world.database.tenant(payment.order.tenant_id) as tx:
            return await payments.get(tx, payment.id)
    return payment.as_of(progress)


def _tell_why_not(payment: Payment, about: Exchange) -> None:
    if payment.status not in OPEN:
        why = payment.failure_message or f"it is {payment.status}."
        no = ProviderRejected if payment.failure_code == ProviderRejected.code else NeverOpened
        raise no(
            f"The payment never got a checkout: {why} Its key is spent; a new one may try again.",
            paymentId=payment.id,
        )
    about.status(202)
    about.headers["Location"] = f"/v1/payments/{payment.id}"


@router.get("/{payment_id}")
async def get_payment(
    payment_id: str,
    here: TheHouse,
    bearer: Bearer,
    later: BackgroundTasks,
    address: Address,
    token: Annotated[str | None, Query()] = None,
) -> PaymentWithEvents:
    """One payment with its history: for its tenant, or for the payer who holds its checkout token.

    Whoever looks at an UNKNOWN payment has its provider asked again, at most twice a minute.
    """
    if token is None:
        tenant_id = (await vouched_for(here, bearer)).tenant_id
    else:
        await in_public(here, address)
        tenant_id = payee(here, token, payment_id)
    async with here.world.database.tenant(tenant_id) as tx:
        payment = await payments.get(tx, payment_id)
        events = [Happened(**line) for line in await payments.history(tx, payment_id)]
    if payment.status is PaymentStatus.UNKNOWN:
        later.add_task(nudge, here, payment)
    return PaymentWithEvents.of(payment, events=events)


def payee(here: House, token: str, payment_id: str) -> str:
    """The tenant whose payment this is, as its payer's token vouches.

    Raises ``Unauthorized``, ``TokenExpired``, and ``NotFound`` where it vouches for another payment.
    """
    with here.at_door("token"):
        tenant_id, payable = here.tokens.read_checkout(token, here.world.clock())
    if payable != payment_id:
        raise NotFound
    return tenant_id


async def nudge(here: House, payment: Payment) -> None:
    """Have the provider asked about an UNKNOWN payment, unless somebody just did. Never fails."""
    now = here.world.clock()
    try:
        async with here.world.database.tenant(payment.order.tenant_id) as tx:
            first = await payments.nudged(tx, payment.id, now - here.world.scaled(NUDGED_EVERY), now)
        if first:
            await messages.nudge(here.temporal, payment.ref)
    except Exception as error:  # noqa: BLE001 - it is asked about anyway, only later
        log.warning("nudge_lost", payment_id=payment.id, reason=type(error).__name__)


@router.get("")
async def list_payments(who: AnyCaller, here: TheHouse, wanted: Wanted) -> PaymentPage:
    """The tenant's payments, newest first."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        found, total = await searches.find(tx, wanted)
    more = len(found) == wanted.limit
    return PaymentPage(
        data=[PaymentAnswer.of(payment) for payment in found],
        total=total,
        limit=wanted.limit,
        offset=wanted.offset,
        next_cursor=cursors.cursor(found[-1].order.created_at, found[-1].id) if more else None,
    )


@router.post("/{payment_id}/cancel", responses={202: {"model": PaymentAnswer}})
async def cancel_payment(payment_id: str, who: Trader, here: TheHouse, about: About) -> PaymentAnswer:
    """Ask the provider to close the checkout. It decides: 200 cancelled, 202 still asking, 409 paid."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        payment = await payments.get(tx, payment_id)
        if payment.status in OPEN:
            await payments.wish_cancelled(tx, payment_id, here.world.clock())
            await audit.record(
                tx, about.deed(who.tenant_id, actor(who), "payment.cancel_requested", payment_id)
            )
    if payment.status in OPEN:
        payment = await _cancelled(here, payment)
    if payment.status is PaymentStatus.SUCCEEDED:
        raise AlreadyPaid
    if payment.status in OPEN:
        about.status(202)
    elif payment.status is not PaymentStatus.CANCELLED:
        raise IllegalTransition(f"A payment that is {payment.status} cannot be cancelled.")
    return PaymentAnswer.of(payment)


async def _cancelled(here: House, payment: Payment) -> Payment:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            progress = await messages.cancel(here.temporal, payment.ref, PATIENCE)
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCError):
        # The wish is on record, and the sweep passes it on.
        return payment
    except (WorkflowUpdateFailedError, WorkflowAlreadyStartedError):
        # It ended while we asked; its row knows how.
        async with here.world.database.tenant(payment.order.tenant_id) as tx:
            return await payments.get(tx, payment.id)
    return payment.as_of(progress)
