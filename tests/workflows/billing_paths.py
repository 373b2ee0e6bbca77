"""The ways of subscriptions, and of the payments that are charged for them: see ``paths``."""

from temporalio.client import WorkflowHistory

from tests.house import CARD, House, Json, eventually, whole
from tests.subscriber import Subscriber, plan

BROKE = "4000000000000341"


async def subscription_given_up(house: House) -> WorkflowHistory:
    """A period is paid, the next one is not, and after all tries it is over."""
    anna = await _subscriber(house, BROKE)
    await anna.time_passes(31)
    await anna.becomes("past_due")
    await anna.time_passes(22)
    await anna.becomes("canceled")
    return await whole(house, f"subscription:{anna.tenant.id}:{anna.id}")


async def subscription_never_begun(house: House) -> WorkflowHistory:
    """Its page was left, and time ran out."""
    anna = Subscriber(await house.tenant(), "anna")
    await anna.checkout((await plan(anna.tenant))["prices"][0])
    await anna.time_passes(1)
    await anna.becomes("incomplete_expired")
    return await whole(house, f"subscription:{anna.tenant.id}:{anna.id}")


async def charge_taken(house: House) -> WorkflowHistory:
    """A renewal that is paid while nobody is there."""
    return await _charged(house, CARD, "SUCCEEDED")


async def charge_declined(house: House) -> WorkflowHistory:
    return await _charged(house, BROKE, "FAILED")


async def _charged(house: House, card: str, status: str) -> WorkflowHistory:
    anna = await _subscriber(house, card)
    await anna.time_passes(31)

    async def ended() -> Json | None:
        found = await anna.tenant.rows(
            "SELECT id FROM payments WHERE off_session AND status = $1 ORDER BY created_at", status
        )
        return found[0] if found else None

    payment = await eventually(ended)
    return await whole(house, f"payment:{anna.tenant.id}:{payment['id']}")


async def _subscriber(house: House, card: str) -> Subscriber:
    anna = Subscriber(await house.tenant(), "anna")
    await anna.subscribes((await plan(anna.tenant))["prices"][0], card=card)
    return anna


BILLING = (subscription_given_up, subscription_never_begun, charge_taken, charge_declined)
