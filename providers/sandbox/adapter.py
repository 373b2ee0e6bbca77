"""The sandbox provider: the pretend payment company that runs beside us (``python -m sandbox``).

It knows two ways of being paid: at a checkout, and by a charge of a saved card. Both carry our payment id as
their reference, and all that is asked about a payment is answered for either.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from pydantic.alias_generators import to_camel

from domain.dispute import DisputeObservation
from domain.errors import (
    OutcomeUnknown,
    ProviderConflict,
    ProviderDeclined,
    ProviderError,
    ProviderKeyReused,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
    UnreadableEvent,
)
from domain.evidence import Channel, Observation, Word
from domain.payment import PaymentOrder
from domain.reconciliation import Page, Subject, Window
from domain.refund import Refund, RefundObservation
from domain.signatures import verify
from domain.subscription import Charge, Customer, SavedMethod, SetupOrder
from providers import base
from providers.base import (
    ILLEGIBLE,
    SPARE,
    ApiKey,
    Capability,
    Checkout,
    Heard,
    Provider,
    WebhookSecret,
    evidence,
    key_of,
)
from providers.sandbox import words


class Sandbox(Provider):
    name = "sandbox"
    capabilities = frozenset(
        {
            Capability.IDEMPOTENT_WRITES,
            Capability.FIND_BY_REFERENCE,
            Capability.SESSION_EXPIRE,
            Capability.ADHOC_AMOUNT,
            Capability.PARTIAL_REFUND,
            Capability.ASYNC_REFUND,
            Capability.LIST_BY_DATE,
            Capability.DISPUTES,
            Capability.DISPUTE_EVIDENCE,
            Capability.PORTAL,
            Capability.SAVED_METHODS,
            Capability.METHOD_SETUP,
            Capability.SIGNED_WEBHOOKS,
            Capability.WEBHOOK_TIMESTAMP,
        }
    )

    class Secrets(base.Secrets, alias_generator=to_camel):
        api_key: ApiKey
        webhook_secret: WebhookSecret
        previous_webhook_secret: WebhookSecret | None = None

    _secrets: Secrets

    # --- One payment --------------------------------------------------------------------------------

    async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:
        wanted = {
            "reference": order.payment_id,
            "amount": order.money.amount_minor,
            "currency": order.money.currency,
            "description": order.description,
            "customer": customer,
            "customer_email": order.customer_email,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            # We close it ourselves when its time is up; this is for the case that we cannot.
            "expires_at": (order.expires_at + SPARE).isoformat(),
            "metadata": order.metadata,
        }
        return words.opened(await self._once("/v1/checkout_sessions", order.payment_id, wanted))

    async def read_checkout(self, reference: str, now: datetime) -> Observation:
        try:
            said = await self._call("GET", _path(reference), headers=self._headers())
        except ProviderNotFound:
            return self._absent(reference, now, reference=reference)
        read = words.charge if _is_charge(reference) else words.checkout
        return read(said, Channel.READ, f"read:{now.isoformat()}:{reference}", now)

    async def close_checkout(self, reference: str, now: datetime) -> Observation:
        if _is_charge(reference):
            # It has ended as soon as there is one.
            return await self.read_checkout(reference, now)
        try:
            session = await self._call(
                "POST", f"{_path(reference)}/expire", headers=self._headers(key=key_of("close", reference))
            )
        except ProviderConflict:
            # It cannot be closed any more; what it has become is what we wanted to know.
            return await self.read_checkout(reference, now)
        except ProviderNotFound:
            return self._absent(reference, now, reference=reference, channel=Channel.CLOSE)
        return words.checkout(session, Channel.CLOSE, f"close:{now.isoformat()}:{reference}", now)

    async def find_checkout(self, payment_id: str, now: datetime) -> Observation:
        cause = f"find:{now.isoformat()}:{payment_id}"
        session = await self._first("checkout_sessions", payment_id)
        if session is not None:
            return words.checkout(session, Channel.READ, cause, now)
        charge = await self._first("charges", payment_id)
        if charge is not None:
            return words.charge(charge, Channel.READ, cause, now)
        return self._absent(payment_id, now)

    async def refund(self, refund: Refund, now: datetime) -> RefundObservation:
        paid = await self._call("GET", _path(refund.checkout_reference), headers=self._headers())
        if "payment" not in paid:
            raise OutcomeUnknown("sandbox: the answer is no checkout")
        if paid["payment"] is None:
            raise ProviderRejected("sandbox: this checkout captured nothing")
        wanted = {
            "payment": paid["payment"],
            "amount": refund.money.amount_minor,
            "reference": refund.id,
            "reason": refund.reason,
        }
        said = await self._once("/v1/refunds", refund.id, wanted)
        return words.refund(said, f"refund:{now.isoformat()}:{refund.id}", now)

    async def find_refund(self, refund: Refund, now: datetime) -> RefundObservation:
        found = await self._first("refunds", refund.id)
        if found is None:
            return self._no_refund(refund, now)
        return words.refund(found, f"find:{now.isoformat()}:{refund.id}", now)

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Heard]:
        secrets = [self._secrets.webhook_secret, self._secrets.previous_webhook_secret]
        live = [secret.get_secret_value() for secret in secrets if secret is not None]
        event_id = verify(live, headers, body, now)
        try:
            said = words.told(json.loads(body), event_id, now)
        except (*ILLEGIBLE, OutcomeUnknown) as error:
            raise UnreadableEvent("sandbox: an authentic event cannot be read") from error
        return [] if said is None else [said.model_copy(update={"evidence_sha256": evidence(body)})]

    # --- Disputes -----------------------------------------------------------------------------------

    async def read_dispute(self, reference: str, now: datetime) -> DisputeObservation:
        said = await self._call("GET", f"/v1/disputes/{reference}", headers=self._headers())
        return words.dispute(said, f"read:{now.isoformat()}:{reference}", now)

    async def answer_dispute(
        self, reference: str, facts: Mapping[str, Any], now: datetime, *, submit: bool
    ) -> DisputeObservation:
        said = await self._call(
            "POST",
            f"/v1/disputes/{reference}/evidence",
            headers=self._headers(),
            payload={"evidence": facts, "submit": submit},
        )
        return words.dispute(said, f"answer:{now.isoformat()}:{reference}", now)

    # --- Lists --------------------------------------------------------------------------------------

    async def list_payments(self, window: Window, cursor: str | None, now: datetime) -> Page:
        return await self._list(Subject.PAYMENT, window, cursor, now)

    async def list_refunds(self, window: Window, cursor: str | None, now: datetime) -> Page:
        return await self._list(Subject.REFUND, window, cursor, now)

    async def list_disputes(self, window: Window, cursor: str | None, now: datetime) -> Page:
        return await self._list(Subject.DISPUTE, window, cursor, now)

    async def _list(self, subject: Subject, window: Window, cursor: str | None, now: datetime) -> Page:
        wanted = {"created_from": window.since.isoformat(), "created_to": window.until.isoformat()}
        wanted |= {"limit": "100"} | ({} if cursor is None else {"cursor": cursor})
        said = await self._call("GET", f"/v1/{subject}s?{urlencode(wanted)}", headers=self._headers())
        data, next_cursor = said.get("data"), said.get("next_cursor")
        if not isinstance(data, list) or not isinstance(next_cursor, str | None):
            raise ProviderUnavailable("sandbox: the answer is no list")
        if next_cursor is not None and next_cursor == cursor:
            raise ProviderUnavailable("sandbox: the list goes round in circles")
        return Page(items=tuple(words.listed(subject, item, now) for item in data), next_cursor=next_cursor)

    # --- Customers and what they are charged by -----------------------------------------------------

    async def ensure_customer(self, customer: Customer) -> str:
        wanted = {"reference": customer.id, "email": customer.email, "name": customer.name}
        return words.name(await self._once("/v1/customers", customer.id, wanted))

    async def portal_url(self, customer: str, return_url: str) -> str:
        # Under no key: each visit has a page of its own, and nothing is changed by it.
        wanted = {"customer": customer, "return_url": return_url}
        said = await self._call("POST", "/v1/portal_sessions", headers=self._headers(), payload=wanted)
        return words.page(said)

    async def open_setup(self, order: SetupOrder) -> Checkout:
        wanted = {
            "reference": order.id,
            "customer": order.customer,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "expires_at": order.expires_at.isoformat(),
        }
        return words.opened(await self._once("/v1/setup_sessions", order.id, wanted))

    async def saved_methods(self, customer: str) -> tuple[SavedMethod, ...]:
        path = f"/v1/customers/{customer}/payment_methods"
        return words.methods(await self._call("GET", path, headers=self._headers()))

    async def charge_saved(self, charge: Charge, now: datetime) -> Observation:
        wanted = {
            "reference": charge.payment_id,
            "amount": charge.money.amount_minor,
            "currency": charge.money.currency,
            "customer": charge.customer,
            "payment_method": charge.method,
            "description": charge.description,
        }
        cause = f"charge:{now.isoformat()}:{charge.payment_id}"
        try:
            said = await self._once("/v1/charges", charge.payment_id, wanted)
        except ProviderDeclined as declined:
            if declined.reason != words.MUST_COME:
                raise
            return Observation(
                word=Word.ATTEMPT_FAILED,
                raw_state=words.MUST_COME,
                channel=Channel.CREATE,
                cause_id=cause,
                payment_id=charge.payment_id,
                failure_code=words.MUST_COME,
                observed_at=now,
            )
        return words.charge(said, Channel.CREATE, cause, now)

    # --- How it is asked ----------------------------------------------------------------------------

    async def _once(self, path: str, key: str, wanted: Mapping[str, object]) -> Mapping[str, Any]:
        """A write under a key of ours. Where the key is at work, or was, we missed an earlier answer."""
        sent = {name: value for name, value in wanted.items() if value is not None}
        try:
            return await self._call("POST", path, headers=self._headers(key=key), payload=sent)
        except (ProviderConflict, ProviderKeyReused) as error:
            raise OutcomeUnknown(str(error)) from error

    async def _first(self, kind: str, reference: str) -> Mapping[str, Any] | None:
        """What there is of this kind under a reference of ours; None when there is positively nothing."""
        found = await self._call("GET", f"/v1/{kind}?reference={reference}", headers=self._headers())
        data = found.get("data")
        if data == []:
            return None
        if not isinstance(data, list) or not isinstance(data[0], dict):
            raise OutcomeUnknown(f"sandbox: the answer lists no {kind}")
        return data[0]

    def _headers(self, key: str | None = None) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._secrets.api_key.get_secret_value()}",
            "Content-Type": "application/json",
        }
        return headers if key is None else headers | {"Idempotency-Key": key}

    def _refusal(self, status: int, said: Mapping[str, Any]) -> ProviderError | None:
        return words.refusal(status, said)


def _is_charge(reference: str) -> bool:
    """Whether it was charged without a checkout: then the company's name is that of the charge."""
    return reference.startswith("ch_")


def _path(reference: str) -> str:
    return f"/v1/{'charges' if _is_charge(reference) else 'checkout_sessions'}/{reference}"
