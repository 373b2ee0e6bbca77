"""Stripe's SDK, made to send through our wire and to do nothing besides; and what its answers come to."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import httpx
import stripe
from stripe import _util as sdk

from domain.errors import (
    OutcomeUnknown,
    ProviderConflict,
    ProviderDeclined,
    ProviderError,
    ProviderKeyReused,
    ProviderRejected,
)
from providers.stripe.words import MUST_COME, Said, named, text
from providers.wire import Request, Wire

T = TypeVar("T")

# Ours, not the account's: in this shape we read what is answered. The SDK's own, so that it builds no other.
VERSION: Final = "2026-10-28.endive"

# Everything else that the SDK would send tells of this machine.
_SENT: Final = ("Authorization", "Content-Type", "Idempotency-Key", "Stripe-Version")

# So many pages of a list are gone through before we say that we do not know.
_PAGES: Final = 30

# By docs.stripe.com/billing/revenue-recovery/smart-retries and /declines/codes: the same card will not do.
_NEVER_AGAIN: Final = frozenset(
    {
        "authentication_required",
        "do_not_try_again",
        "highest_risk_level",
        "incorrect_number",
        "lost_card",
        "pickup_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    }
)

# It would keep a name of this machine in a file, and time our requests for Stripe.
stripe.enable_telemetry = False
# At DEBUG it logs each body, the payer's address included; on STRIPE_LOG it prints them.
logging.getLogger("stripe").setLevel(logging.WARNING)
sdk.STRIPE_LOG = None


class PayerMustCome(ProviderDeclined):
    """Declined, but ``intent`` waits for a payer who approves: it could take money yet."""

    def __init__(self, detail: str, *, intent: str) -> None:
        super().__init__(detail, reason=MUST_COME, again=False)
        self.intent = intent


class _OverTheWire(stripe.HTTPClient):
    """Our errors are none of the SDK's own, so it passes them on as they are."""

    name = "paysaga"

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        sent = {name: headers[name] for name in _SENT if name in headers}
        answer = await self._wire.send(Request(method.upper(), url, sent, post_data))
        # Without headers: it would take notices, to be shown as warnings, from them.
        return answer.body, answer.status, {}


def client(api_key: str, api_base: str, wire: Wire) -> stripe.StripeClient:
    return stripe.StripeClient(
        api_key,
        stripe_version=VERSION,
        base_addresses={"api": api_base},
        max_network_retries=0,
        http_client=_OverTheWire(wire),
    )


async def ask(call: Awaitable[stripe.StripeObject | stripe.StripeResponse], reader: Callable[[Any], T]) -> T:
    """What ``reader`` makes of the answer. Raises ``OutcomeUnknown`` when that cannot be read."""
    try:
        answer = await call
        return reader(answer.data if isinstance(answer, stripe.StripeResponse) else answer.to_dict())
    except ProviderError:
        raise
    except Exception as trouble:  # noqa: BLE001 - the SDK builds objects of whatever it is given
        # Its own errors, and those of what it tripped over, would show the body.
        raise OutcomeUnknown(f"stripe: the answer cannot be read ({type(trouble).__name__})") from None


def entries(said: Said) -> tuple[list[Any], str | None]:
    """What stands on a page of a list, and where the next one begins."""
    data, more = said["data"], said["has_more"]
    if not isinstance(data, list) or not isinstance(more, bool):
        raise TypeError("this is no page of a list")
    return data, text(data[-1]["id"]) if more else None


async def first(
    fetch: Callable[[str | None], Awaitable[stripe.StripeResponse]], reader: Callable[[Said], T | None]
) -> T | None:
    """What ``reader`` knows of a list's entries; None only when all of them were looked at."""
    cursor = None
    for _ in range(_PAGES):
        found, cursor = await ask(fetch(cursor), lambda said: _sought(said, reader))
        if found is not None or cursor is None:
            return found
    raise OutcomeUnknown("stripe: there are more of them than can be looked through")


def _sought(said: Said, reader: Callable[[Said], T | None]) -> tuple[T | None, str | None]:
    listed, cursor = entries(said)
    known = (reader(entry) for entry in listed)
    return next((found for found in known if found is not None), None), cursor


def refusal(status: int, said: Said) -> ProviderError | None:
    """What Stripe means by an answer of 300 to 499; None leaves it to the status."""
    error = said.get("error")
    error = error if isinstance(error, Mapping) else {}
    kind, code, reason, advice = (
        text(error.get(name)) for name in ("type", "code", "decline_code", "advice_code")
    )
    told = f"stripe answered {status}: {code or kind}"
    if status == httpx.codes.CONFLICT or code == "idempotency_key_in_use":
        return ProviderConflict(told)
    if kind == "idempotency_error":
        return ProviderKeyReused(told)
    if status == httpx.codes.PAYMENT_REQUIRED:
        waiting = named(error.get("payment_intent"))
        if waiting is not None and MUST_COME in {code, reason}:
            return PayerMustCome(told, intent=waiting)
        again = not {code, reason, advice} & _NEVER_AGAIN
        return ProviderDeclined(told, reason=reason or code, again=again)
    if status == httpx.codes.FAILED_DEPENDENCY:
        # Somebody behind Stripe failed; how far it had come is not said.
        return OutcomeUnknown(told)
    return ProviderRejected(told) if status == httpx.codes.BAD_REQUEST else None
