"""Pages that subscribers are sent to: the checkout that begins a subscription, and the portal."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import structlog
from fastapi import APIRouter, BackgroundTasks
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from activities import billing, company_run, pages
from api import routing
from api.deps import About, House, IdempotencyKey, TheHouse, Trader, actor
from api.strict import Answer, Instant, Model, StrictRoute
from domain.billing import SubscriptionStatus
from domain.calendar import Rhythm
from domain.errors import IllegalTransition, NeverOpened, TemporarilyUnavailable, ValidationFailed
from domain.events import Announcement
from domain.invoice import Party
from domain.lifecycle import INCOMPLETE_LASTS, begun, expired
from domain.money import Money, check_amount
from domain.payment import PaymentRef
from domain.standing import Step, Subscription, Terms
from domain.subscription import SetupOrder
from domain.tenant import Caller, ProviderAccount, Tenant
from domain.text import Email, FreeText, Url
from domain.values import new_id
from providers.base import PROVIDERS, Capability
from storage import accounts, catalog, customers, events, invoices, payments, sessions, subscriptions, tenants
from storage.customers import Payer
from storage.sessions import Session
from workflows import messages

router = APIRouter(prefix="/v1/billing", tags=["billing"], route_class=StrictRoute)
log = structlog.get_logger(__name__)

# How long a caller is kept waiting for the provider's page before being told to ask again.
PATIENCE: Final = timedelta(seconds=10)
_LATE: Final = (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowUpdateFailedError)
_AGAIN_IN: Final = 2
_PORTAL_LASTS: Final = timedelta(minutes=5)
_SOME: Final = 1_000_000


class Recipient(Model):
    """Who stands on the invoices."""

    name: Annotated[str, FreeText(160)]
    address: Annotated[str, FreeText(500)] | None = None
    tax_number: Annotated[str, FreeText(64)] | None = None


class NewSession(Model):
    mode: Literal["checkout", "portal"]
    price_id: Annotated[str, Field(max_length=64)] | None = None
    """What is subscribed to; a checkout needs it."""
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    user_id: Annotated[str, FreeText(128)] | None = None
    """The subscriber; the tenant itself, when nobody is named."""
    success_url: Url
    cancel_url: Url
    provider: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")] | None = None
    customer_email: Email | None = None
    bill_to: Recipient | None = None


class SessionAnswer(Answer):
    id: str
    mode: Literal["checkout", "portal"]
    session_url: str
    subscription_id: str | None
    """What the checkout begins."""
    expires_at: Instant


@dataclass(frozen=True)
class _Request:
    """One wish for a session, whose it is and under which name."""

    body: NewSession
    key: str
    who: Caller
    about: About
    wall: datetime

    @property
    def user_id(self) -> str:
        return self.body.user_id or self.who.tenant_id


@router.post("/session", status_code=201)
async def create_session(
    body: NewSession, key: IdempotencyKey, who: Trader, here: TheHouse, about: About, later: BackgroundTasks
) -> SessionAnswer:
    """A page for a subscriber: the checkout that begins a subscription, or the portal for what is kept.

    Nothing is promised before it is completed. A repeated key meets its session again.
    """
    async with here.world.database.tenant(who.tenant_id) as tx:
        session = await sessions.by_key(tx, key, body.digest())
    if session is not None:
        about.headers["Idempotent-Replayed"] = "true"
    else:
        wall = here.world.clock()
        # Kept as it is shown: to the millisecond.
        wish = _Request(body, key, who, about, wall.replace(microsecond=wall.microsecond // 1000 * 1000))
        session = await (_portal(wish, here) if body.mode == "portal" else _checkout(wish, here, later))
    url = session.url or await _page(here, session)
    return SessionAnswer(
        session_url=url, **session.model_dump(include=set(SessionAnswer.model_fields) - {"session_url"})
    )


async def _checkout(wish: _Request, here: House, later: BackgroundTasks) -> Session:
    """Write down what shall begin: subscription, draft of its invoice and its payment, and the session."""
    async with here.world.database.tenant(wish.who.tenant_id) as tx:
        tenant = await tenants.get(tx, wish.who.tenant_id)
        by, scale = actor(wish.who), here.world.time_scale
        scene = billing.Scene(tenant, by, wish.wall, scale, wish.about.request_id)
        terms = await _terms(tx, wish)
        account = await _account(tx, wish, terms)
        # The customer's row stays locked: of two sessions at once the second sees what the first began.
        payer = await _payer(tx, wish, account)
        told, over = await _make_room(tx, wish, scene)
        now = wish.wall + await accounts.ahead(tx, account.id)
        sub = _incomplete(wish, tenant, payer, terms, now)
        if sub.provider_run:
            company_run.provider_price(terms, sub.provider)
        await subscriptions.add(tx, sub, wish.about.request_id)
        created = Step(after=sub, at=sub.created_at, told=("created",))
        told += await subscriptions.record(tx, created, by, wish.wall, wish.about.request_id)
        session = _session(wish, payer, here.world.scaled(INCOMPLETE_LASTS), sub)
        if terms.total_minor == 0 and not sub.provider_run:
            # Nothing has to be paid, so nobody has to go anywhere.
            done = await billing.carry_out(tx, sub, begun(sub, sub.created_at), scene)
            told += done.told
            session = session.model_copy(update={"url": wish.body.success_url})
        elif not terms.price.trial_days and not sub.provider_run:
            told += await _first_payment(tx, wish, sub, scene, session.expires_at)
        if not await sessions.add(tx, session):
            # The same key at the same moment: whoever was first goes on.
            raise TemporarilyUnavailable(retry_after=1)
        endpoints = await events.announce(tx, tenant.id, told, wish.wall)
    for done in over:
        later.add_task(billing.follow_up, here.world, done, [])
    later.add_task(billing.follow_up, here.world, billing.Outcome(sub), endpoints)
    return session


async def _make_room(
    tx: AsyncConnection, wish: _Request, scene: billing.Scene
) -> tuple[list[Announcement], list[billing.Outcome]]:
    """A user has one subscription. What was begun and never paid makes room for what is begun now.

    Raises ``IllegalTransition`` for somebody who has one.
    """
    present = await subscriptions.of_user(tx, wish.user_id)
    if present is not None:
        _check_not_live(present)
    over = []
    for waiting in await subscriptions.to_come(tx, wish.user_id):
        sub = await subscriptions.get(tx, waiting.id, lock=True)
        # It may have been paid while we waited for it.
        _check_not_live(sub)
        if sub.status is SubscriptionStatus.INCOMPLETE:
            step = expired(sub, sub.time(scene.wall, scene.scale))
            over.append(await billing.carry_out(tx, sub, step, scene))
    return [told for done in over for told in done.told], over


def _check_not_live(sub: Subscription) -> None:
    if sub.status in subscriptions.LIVE:
        raise IllegalTransition(
            f"This user has a subscription, which is {sub.status}: change or cancel it.",
            subscriptionId=sub.id,
        )


async def _terms(tx: AsyncConnection, wish: _Request) -> Terms:
    """What is subscribed to. Raises ``NotFound`` and ``ValidationFailed``."""
    if wish.body.price_id is None:
        raise ValidationFailed(errors=(("/priceId", "a checkout is of a price"),))
    offer = await catalog.offer(tx, wish.body.price_id)
    if not offer.offered:
        raise ValidationFailed(errors=(("/priceId", "this price is not offered any more"),))
    terms = Terms(
        plan_id=offer.plan.id, plan_name=offer.plan.name, price=offer.price, quantity=wish.body.quantity
    )
    if terms.total_minor:
        check_amount(Money(amount_minor=terms.total_minor, currency=offer.price.money.currency))
    return terms


async def _account(tx: AsyncConnection, wish: _Request, terms: Terms) -> ProviderAccount:
    """Where it is charged: the first account in the tenant's order that can charge again and again."""
    # A plan that costs nothing may come to cost something: any amount of its currency will do.
    amount = terms.total_minor or _SOME
    asked = routing.Wish(
        money=Money(amount_minor=amount, currency=terms.price.money.currency),
        provider=wish.body.provider,
    )
    found = routing.takers(await tenants.terms(tx, wish.who.tenant_id), asked)
    able = (account for account in found if company_run.can_subscribe(PROVIDERS[account.provider]))
    account = next(able, None)
    if account is None:
        raise ValidationFailed(errors=(("/provider", "no account here keeps cards to charge them again"),))
    return account


async def _payer(tx: AsyncConnection, wish: _Request, account: ProviderAccount) -> Payer:
    named = wish.body.bill_to
    party = None
    if named is not None:
        party = Party(email=wish.body.customer_email, **named.model_dump())
    return await customers.ensure(
        tx, account, wish.user_id, wish.wall, email=wish.body.customer_email, party=party
    )


def _incomplete(wish: _Request, tenant: Tenant, payer: Payer, terms: Terms, now: datetime) -> Subscription:
    rhythm = Rhythm(
        anchor=now,
        interval=terms.price.interval,
        count=terms.price.interval_count,
        zone=tenant.settings.billing_zone,
    )
    return Subscription(
        id=new_id("sub", wish.wall),
        tenant_id=tenant.id,
        user_id=wish.user_id,
        customer_id=payer.id,
        account_id=payer.account_id,
        provider=payer.provider,
        provider_run=company_run.keeps_schedule(PROVIDERS[payer.provider], tenant.settings),
        status=SubscriptionStatus.INCOMPLETE,
        terms=terms,
        rhythm=rhythm,
        sandbox=tenant.sandbox,
        begun_at=wish.wall,
        ahead=now - wish.wall,
        created_at=now,
        updated_at=now,
    )


async def _first_payment(
    tx: AsyncConnection, wish: _Request, sub: Subscription, scene: billing.Scene, until: datetime
) -> list[Announcement]:
    draft = await billing.first_invoice(tx, sub, scene)
    till = billing.Till(
        expires_at=until,
        off_session=False,
        success_url=wish.body.success_url,
        cancel_url=wish.body.cancel_url,
        email=wish.body.customer_email,
    )
    return (await billing.begin_payment(tx, sub, draft, scene, till))[1]


def _session(wish: _Request, payer: Payer, lasts: timedelta, sub: Subscription | None) -> Session:
    return Session(
        id=new_id("bss", wish.wall),
        tenant_id=payer.tenant_id,
        idempotency_key=wish.key,
        digest=wish.body.digest(),
        mode=wish.body.mode,
        user_id=wish.user_id,
        customer_id=payer.id,
        subscription_id=None if sub is None else sub.id,
        success_url=wish.body.success_url,
        cancel_url=wish.body.cancel_url,
        created_at=wish.wall,
        expires_at=wish.wall + lasts,
    )


async def _portal(wish: _Request, here: House) -> Session:
    """For whoever has a subscription where that is charged; for others where they would be."""
    async with here.world.database.tenant(wish.who.tenant_id) as tx:
        present = await subscriptions.of_user(tx, wish.user_id)
        if present is not None:
            payer = await customers.get(tx, present.customer_id)
        else:
            found = [
                account
                for account in await accounts.live(tx)
                if Capability.PORTAL in PROVIDERS[account.provider].capabilities
                and wish.body.provider in {None, account.provider}
            ]
            if not found:
                raise ValidationFailed(errors=(("/provider", "no account here has a portal"),))
            payer = await _payer(tx, wish, found[0])
        session = _session(wish, payer, _PORTAL_LASTS, None)
        if not await sessions.add(tx, session):
            raise TemporarilyUnavailable(retry_after=1)
    return session


async def _page(here: House, session: Session) -> str:
    """Where the session's page is: asked for until it is known, and then the same for ever."""
    async with here.world.database.tenant(session.tenant_id) as tx:
        payer = await customers.get(tx, session.customer_id)
        sub = payment = None
        if session.subscription_id is not None:
            sub = await subscriptions.get(tx, session.subscription_id)
            draft = await invoices.pending(tx, sub.id, lock=False)
            if draft is not None and draft.payment_id is not None:
                payment = await payments.get(tx, draft.payment_id)
    if sub is None:
        url = await pages.portal(here.world, payer, session.success_url)
    elif sub.status is not SubscriptionStatus.INCOMPLETE:
        raise IllegalTransition("This checkout is over; begin another one.", subscriptionId=sub.id)
    elif sub.provider_run:
        till = billing.Till(
            session.expires_at, success_url=session.success_url, cancel_url=session.cancel_url
        )
        url = await company_run.begin_at_provider(here.world, sub, till)
    elif payment is not None:
        url = payment.checkout_url or await _checkout_url(here, payment.ref)
    else:
        wanted = SetupOrder(
            id=sub.id,
            customer=payer.id,
            success_url=session.success_url,
            cancel_url=session.cancel_url,
            expires_at=session.expires_at,
        )
        url = await pages.setup(here.world, payer, wanted)
    async with here.world.database.tenant(session.tenant_id) as tx:
        await sessions.opened(tx, session.id, url)
    return url


async def _checkout_url(here: House, ref: PaymentRef) -> str:
    """The checkout of the first payment. Raises ``TemporarilyUnavailable`` while there is none."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            progress = await messages.open_checkout(here.temporal, ref, PATIENCE)
    except (*_LATE, RPCError) as error:
        log.warning("checkout_late", payment_id=ref.payment_id, reason=type(error).__name__)
        raise TemporarilyUnavailable(retry_after=_AGAIN_IN) from error
    if progress.checkout_url is None:
        raise NeverOpened(f"The checkout could not be opened: {progress.failure_message or progress.status}.")
    return progress.checkout_url
