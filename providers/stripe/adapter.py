"""Stripe, by its official SDK: hosted checkouts, refunds, disputes, saved methods and subscriptions.

Stripe keeps an ``Idempotency-Key`` for a day or more and answers a repeat with what it answered first, errors
of its own included; a repeat with other parameters it refuses. So what is sent under a key of ours follows
from the verb's argument alone. A write that means the same however often it is made (to close, to cancel)
carries a key of its moment: an old refusal must not stand in for today's answer.
"""

from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import httpx
from pydantic import AfterValidator, SecretStr
from pydantic.alias_generators import to_camel

from domain.dispute import DisputeObservation
from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderDeclined,
    ProviderError,
    ProviderKeyReused,
    ProviderNotFound,
    ProviderRejected,
)
from domain.evidence import Channel, Observation, Word
from domain.payment import PaymentOrder
from domain.reconciliation import Page, Subject, Window
from domain.refund import Refund, RefundObservation
from domain.subscription import (
    Charge,
    Customer,
    PlanChange,
    Proration,
    SavedMethod,
    SetupOrder,
    SubscriptionObservation,
    SubscriptionOrder,
    SubscriptionWord,
)
from providers import base
from providers.base import ApiKey, Capability, Checkout, Heard, Provider, key_of, web_page
from providers.line import Line
from providers.stripe import events, requests, words
from providers.stripe.lists import Lists
from providers.stripe.sdk import PayerMustCome, ask, client, entries, refusal
from providers.stripe.units import UNITS
from providers.stripe.words import Said

if TYPE_CHECKING:
    from stripe.params import CustomerCreateParams, PaymentIntentCancelParams

T = TypeVar("T")

# What a charge can be when it takes no more money.
_NO_MORE: Final = frozenset({Word.EXPIRED, Word.CANCELLED, Word.FAILED})
_ENDED: Final = frozenset({SubscriptionWord.CANCELED, SubscriptionWord.INCOMPLETE_EXPIRED})


def _usable(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    # Halves of surrogate pairs have no bytes, and sign nothing.
    if not value.removeprefix("whsec_").strip() or any(
        "\ud800" <= character <= "\udfff" for character in value
    ):
        raise ValueError("this secret vouches for nothing")
    return secret


_Secret = Annotated[SecretStr, AfterValidator(_usable)]


class Stripe(Provider):
    name = "stripe"
    units = UNITS
    api_base = "https://api.stripe.com"
    capabilities = frozenset(
        {
            Capability.IDEMPOTENT_WRITES,
            Capability.FIND_BY_REFERENCE,
            Capability.SESSION_EXPIRE,
            Capability.RETURN_URL_NEEDED,
            Capability.ADHOC_AMOUNT,
            Capability.PARTIAL_REFUND,
            Capability.ASYNC_REFUND,
            Capability.LIST_BY_DATE,
            Capability.DISPUTES,
            Capability.DISPUTE_EVIDENCE,
            Capability.SUBSCRIPTIONS,
            Capability.PORTAL,
            Capability.SAVED_METHODS,
            Capability.METHOD_SETUP,
            Capability.SIGNED_WEBHOOKS,
            Capability.WEBHOOK_TIMESTAMP,
        }
    )

    class Secrets(base.Secrets, alias_generator=to_camel):
        api_key: ApiKey
        webhook_secret: _Secret
        previous_webhook_secret: _Secret | None = None

        @property
        def play_money(self) -> bool | None:
            """Stripe's keys say it themselves: ``sk_test_…``, ``rk_live_…``."""
            mode = self.api_key.get_secret_value().split("_")[1:2]
            return {"test": True, "live": False}.get("".join(mode))

    _secrets: Secrets

    def __init__(
        self, http: httpx.AsyncClient, api_base: str | None, secrets: Mapping[str, str], line: Line
    ) -> None:
        super().__init__(http, api_base, secrets, line)
        self._client = client(self._secrets.api_key.get_secret_value(), self._base, self._wire)
        self._api = self._client.v1
        self._lists = Lists(self._client)

    # --- One payment --------------------------------------------------------------------------------

    async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:
        wanted = requests.payment_session(order, customer)
        asked = self._api.checkout.sessions.create_async(wanted, {"idempotency_key": order.payment_id})
        return await _once(ask(asked, _opened))

    async def read_checkout(self, reference: str, now: datetime) -> Observation:
        cause = f"read:{now.isoformat()}:{reference}"
        try:
            if words.names_charge(reference):
                intent = self._api.payment_intents.retrieve_async(reference)
                return await ask(intent, lambda said: words.charge(said, Channel.READ, cause, now))
            session = self._api.checkout.sessions.retrieve_async(reference, {"expand": ["payment_intent"]})
            return await ask(session, lambda said: words.checkout(said, Channel.READ, cause, now))
        except ProviderNotFound:
            return self._absent(reference, now, reference=reference)

    async def close_checkout(self, reference: str, now: datetime) -> Observation:
        return await self._close(reference, now, {})

    async def _close(self, reference: str, now: datetime, why: "PaymentIntentCancelParams") -> Observation:
        cause, key = f"close:{now.isoformat()}:{reference}", requests.anew("close", reference, now)
        try:
            if words.names_charge(reference):
                ending = self._api.payment_intents.cancel_async(reference, why, {"idempotency_key": key})
                return await ask(ending, lambda said: words.charge(said, Channel.CLOSE, cause, now))
            closing = self._api.checkout.sessions.expire_async(
                reference, {"expand": ["payment_intent"]}, {"idempotency_key": key}
            )
            return await ask(closing, lambda said: words.checkout(said, Channel.CLOSE, cause, now))
        except ProviderNotFound:
            return self._absent(reference, now, reference=reference, channel=Channel.CLOSE)
        except ProviderAuthFailed:
            raise
        except ProviderRejected:
            # Not open any more, says a plain 400; what it has become is what we want to know.
            return await self.read_checkout(reference, now)

    async def find_checkout(self, payment_id: str, now: datetime) -> Observation:
        found = await self._lists.made(payment_id)
        return self._absent(payment_id, now) if found is None else await self.read_checkout(found, now)

    async def refund(self, refund: Refund, now: datetime) -> RefundObservation:
        capture = await self._capture(refund)
        if capture is None:
            raise ProviderRejected("stripe: this checkout captured nothing")
        asked = self._api.refunds.create_async(
            requests.refund(refund, capture), {"idempotency_key": refund.id}
        )
        cause = f"refund:{now.isoformat()}:{refund.id}"
        return await _once(ask(asked, lambda said: words.refund(said, cause, now)))

    async def find_refund(self, refund: Refund, now: datetime) -> RefundObservation:
        try:
            capture = await self._capture(refund)
        except ProviderNotFound:
            capture = None
        if capture is None:
            return self._no_refund(refund, now)
        cause = f"find:{now.isoformat()}:{refund.id}"
        found = await self._lists.refund_of(
            capture,
            lambda said: (
                words.refund(said, cause, now)
                if (said["metadata"] or {}).get(words.REFUND) == refund.id
                else None
            ),
        )
        return found or self._no_refund(refund, now)

    async def _capture(self, refund: Refund) -> str | None:
        if words.names_charge(refund.checkout_reference):
            return refund.checkout_reference
        session = self._api.checkout.sessions.retrieve_async(refund.checkout_reference)
        return await ask(session, words.captured_by)

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Heard]:
        secrets = [self._secrets.webhook_secret, self._secrets.previous_webhook_secret]
        live = [secret.get_secret_value() for secret in secrets if secret is not None]
        events.verify(live, headers, body, now)
        return events.read(body, now)

    # --- Disputes -----------------------------------------------------------------------------------

    async def read_dispute(self, reference: str, now: datetime) -> DisputeObservation:
        cause = f"read:{now.isoformat()}:{reference}"
        found = self._api.disputes.retrieve_async(reference)
        return await ask(found, lambda said: words.dispute(said, cause, now))

    async def answer_dispute(
        self, reference: str, facts: Mapping[str, Any], now: datetime, *, submit: bool
    ) -> DisputeObservation:
        told = requests.evidence(facts)
        key = key_of("answer", reference, now.isoformat(), told, str(submit))
        answered = self._api.disputes.update_async(
            reference, {"evidence": {"uncategorized_text": told}, "submit": submit}, {"idempotency_key": key}
        )
        cause = f"answer:{now.isoformat()}:{reference}"
        return await ask(answered, lambda said: words.dispute(said, cause, now))

    # --- Lists --------------------------------------------------------------------------------------

    async def list_payments(self, window: Window, cursor: str | None, now: datetime) -> Page:
        return await self._lists.books(Subject.PAYMENT, window, cursor, now)

    async def list_refunds(self, window: Window, cursor: str | None, now: datetime) -> Page:
        return await self._lists.books(Subject.REFUND, window, cursor, now)

    async def list_disputes(self, window: Window, cursor: str | None, now: datetime) -> Page:
        return await self._lists.books(Subject.DISPUTE, window, cursor, now)

    # --- Customers and what they are charged by -----------------------------------------------------

    async def ensure_customer(self, customer: Customer) -> str:
        query = f"metadata['{words.CUSTOMER}']:'{customer.id}'"
        known = self._api.customers.search_async({"query": query, "limit": 1})
        found = await ask(known, lambda said: [words.needed(each, "id") for each in entries(said)[0]])
        if found:
            return found[0]
        # The search lags behind by a minute or so; within that the key finds who was made before.
        wanted: CustomerCreateParams = {"metadata": {words.CUSTOMER: customer.id}}
        if customer.email:
            wanted["email"] = customer.email
        if customer.name:
            wanted["name"] = customer.name
        made = self._api.customers.create_async(wanted, {"idempotency_key": customer.id})
        return await _once(ask(made, lambda said: words.needed(said, "id")))

    async def portal_url(self, customer: str, return_url: str) -> str:
        # Under a key that the SDK makes up: each visit has a page of its own, and nothing is changed by it.
        opened = self._api.billing_portal.sessions.create_async(
            {"customer": customer, "return_url": return_url}
        )
        return await ask(opened, lambda said: web_page(said["url"]))

    async def open_setup(self, order: SetupOrder) -> Checkout:
        wanted = requests.setup_session(order)
        asked = self._api.checkout.sessions.create_async(wanted, {"idempotency_key": order.id})
        return await _once(ask(asked, _opened))

    async def saved_methods(self, customer: str) -> tuple[SavedMethod, ...]:
        favourite = await ask(self._api.customers.retrieve_async(customer), words.favourite)
        kept = self._api.customers.payment_methods.list_async(customer, {"limit": 100})
        return await ask(kept, lambda said: words.saved(entries(said)[0], favourite))

    async def charge_saved(self, charge: Charge, now: datetime) -> Observation:
        asked = self._api.payment_intents.create_async(
            requests.charge(charge), {"idempotency_key": charge.payment_id}
        )
        cause = f"charge:{now.isoformat()}:{charge.payment_id}"
        try:
            said = await _once(ask(asked, lambda said: words.charge(said, Channel.CREATE, cause, now)))
            waiting, reason = said.reference, said.failure_code
            if said.word is not Word.ATTEMPT_FAILED:
                return said
        except PayerMustCome as must_come:
            waiting, reason = must_come.intent, must_come.reason
        return await self._given_up(waiting, reason, now)

    async def _given_up(self, intent: str | None, reason: str | None, now: datetime) -> Observation:
        """What waits for a payer who is not there is cancelled first: only then it is declined for good."""
        why: PaymentIntentCancelParams = {"cancellation_reason": words.ABANDONED}
        told = await self._close(intent, now, why) if intent else None
        if told is not None and told.word not in _NO_MORE:
            # Somebody was quicker than we; or nobody knows, and the same key asks again.
            return told
        raise ProviderDeclined(
            "stripe: the payer's bank wants them to approve", reason=reason or words.MUST_COME, again=False
        )

    # --- Subscriptions ------------------------------------------------------------------------------

    async def subscribe(self, order: SubscriptionOrder) -> Checkout:
        wanted = requests.subscription_session(order)
        asked = self._api.checkout.sessions.create_async(wanted, {"idempotency_key": order.subscription_id})
        return await _once(ask(asked, _opened))

    async def read_subscription(self, reference: str, now: datetime) -> SubscriptionObservation:
        cause = f"read:{now.isoformat()}:{reference}"
        found = self._api.subscriptions.retrieve_async(reference)
        return await ask(found, lambda said: words.subscription(said, cause, now))

    async def cancel_subscription(
        self, reference: str, now: datetime, *, at_period_end: bool
    ) -> SubscriptionObservation:
        cause = f"cancel:{now.isoformat()}:{reference}"
        if at_period_end:
            asked = self._api.subscriptions.update_async(
                reference,
                {"cancel_at_period_end": True},
                {"idempotency_key": requests.anew("cancel", reference, now)},
            )
        else:
            asked = self._api.subscriptions.cancel_async(reference)
        try:
            return await ask(asked, lambda said: words.subscription(said, cause, now))
        except ProviderAuthFailed:
            raise
        except ProviderRejected:
            # One that has ended is not found, or cannot be changed: so it was cancelled before.
            told = await self.read_subscription(reference, now)
            if told.word not in _ENDED:
                raise
            return told

    async def keep_subscription(self, reference: str, now: datetime) -> SubscriptionObservation:
        asked = self._api.subscriptions.update_async(
            reference,
            {"cancel_at_period_end": False},
            {"idempotency_key": requests.anew("keep", reference, now)},
        )
        cause = f"keep:{now.isoformat()}:{reference}"
        return await ask(asked, lambda said: words.subscription(said, cause, now))

    async def change_subscription(
        self, reference: str, change: PlanChange, now: datetime
    ) -> SubscriptionObservation:
        item = await ask(self._api.subscriptions.retrieve_async(reference), words.only_item)
        if item is None:
            raise ProviderRejected("stripe: this subscription is not of one price alone")
        asked = self._api.subscriptions.update_async(
            reference,
            {
                "items": [{"id": item, "price": change.price, "quantity": change.quantity}],
                "proration_behavior": "always_invoice" if change.proration is Proration.AT_ONCE else "none",
            },
            {"idempotency_key": change.key},
        )
        cause = f"change:{now.isoformat()}:{reference}"
        return await _once(ask(asked, lambda said: words.subscription(said, cause, now)))

    def _refusal(self, status: int, said: Mapping[str, Any]) -> ProviderError | None:
        return refusal(status, said)


async def _once(answer: Awaitable[T]) -> T:
    """A write under a key of ours. Where the key is known already, we missed the answer to an earlier try."""
    try:
        return await answer
    except (ProviderConflict, ProviderKeyReused) as error:
        raise OutcomeUnknown(str(error)) from error


def _opened(session: Said) -> Checkout:
    return Checkout(reference=session["id"], url=session["url"])
