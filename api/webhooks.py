"""What providers tell us: verified on the raw bytes, stored, acknowledged, then passed on."""

from typing import Literal

import structlog
from fastapi import APIRouter, BackgroundTasks, Request

from activities import mirror, news
from activities.world import alert
from api.affairs import Affair, concerns
from api.deps import Address, House, TheHouse
from api.problems import RAW_BODY
from api.strict import Answer
from domain.errors import NotFound, SignatureInvalid, SignatureMissing, UnreadableEvent
from domain.limits import Scope
from domain.payment import Payment
from domain.said import Said
from domain.standing import SubscriptionRef
from domain.subscription import BillingNews
from domain.tenant import ProviderAccount
from providers.base import PROVIDERS, Heard
from storage import inbox, payments
from workflows import messages

router = APIRouter(prefix="/v1/billing/webhooks", tags=["webhooks in"])
log = structlog.get_logger(__name__)


class Received(Answer):
    received: Literal[True] = True


@router.post("/{provider}/{account_id}", openapi_extra=RAW_BODY)
async def receive(
    provider: str, account_id: str, request: Request, here: TheHouse, later: BackgroundTasks, address: Address
) -> Received:
    """Store a provider's event. 200 says: it is on disk, and will take effect."""
    world = here.world
    # What verifies is never turned away: anybody may have a provider send things that do not.
    async with here.limits.counting(Scope.FORGERY, address, NotFound, SignatureMissing, SignatureInvalid):
        account, observations, body = await _verified(provider, account_id, request, here)
    now = world.clock()
    known = bool(observations)
    letters: list[tuple[str, Said, Payment]] = []
    moved: list[SubscriptionRef] = []
    async with world.database.tenant(account.tenant_id) as tx:
        for said in observations:
            if isinstance(said, BillingNews):
                moved += await news.hear(world, tx, account, said)
                known = False
                continue
            letter = await inbox.receive(tx, account, said, body, now)
            known &= letter is None or letter.received_at != now
            if letter is not None and letter.state == "QUARANTINED":
                alert("event_quarantined", inbox_id=letter.id, why=letter.note)
            if letter is None or letter.payment_id is None:
                continue
            payment = await payments.get(tx, letter.payment_id)
            # As it was stored: with the name of its place in the inbox.
            stored = letter.observation or said
            if not await inbox.is_echo(tx, letter, stored, payment, now):
                letters.append((letter.hearing, stored, payment))
    request.state.known_already = known
    for result in await mirror.heard(world, account, observations):
        later.add_task(mirror.follow_up, world, result)
    for hearing, told, payment in letters:
        later.add_task(_pass_on, here, payment, told, hearing)
    later.add_task(_wake, here, moved)
    return Received()


async def _verified(
    provider: str, account_id: str, request: Request, here: House
) -> tuple[ProviderAccount, list[Heard], bytes]:
    """Whose account this is, what its provider says, and in which bytes."""
    if provider not in PROVIDERS:
        raise NotFound
    world = here.world
    async with here.strangers, world.database.system() as tx:
        # The address is all that says whose event this is; its signature must then prove it.
        account, adapter = await world.provider(tx, account_id, provider)
    # Not before: of what is sent to an address that is nobody's, nothing is kept even in memory.
    body = await request.body()
    sender = Affair(
        tenant_id=account.tenant_id,
        actor=f"claimed:{provider}",
        proven=False,
        anybody=True,
        action="webhook.receive",
        resource=account_id,
        provider=provider,
    )
    concerns(request, sender)
    try:
        return account, adapter.read_webhook(request.headers, body, world.clock()), body
    except UnreadableEvent:
        # Its text may quote the body; the place is enough to go and look.
        log.error("webhook_unreadable", provider=provider, account_id=account_id)  # noqa: TRY400
        raise


async def _pass_on(here: House, payment: Payment, told: Said, hearing: str) -> None:
    try:
        await messages.report(here.temporal, payment, told, hearing)
    except Exception as error:  # noqa: BLE001 - whatever it was, the inbox holds the event and the drain tries again
        log.warning("report_postponed", inbox_id=told.inbox_id, reason=type(error).__name__)


async def _wake(here: House, moved: list[SubscriptionRef]) -> None:
    for ref in moved:
        try:
            await here.world.wake_subscription(ref)
        except Exception as error:  # noqa: BLE001 - its row says that it is due, and the sweep looks for those
            log.warning("subscription_postponed", id=ref.subscription_id, reason=type(error).__name__)
