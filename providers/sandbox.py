"""The sandbox provider: the pretend payment company that runs beside us (``python -m sandbox``)."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import httpx
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from domain.dispute import DisputeObservation, DisputeWord
from domain.errors import (
    OutcomeUnknown,
    ProviderConflict,
    ProviderError,
    ProviderKeyReused,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
    UnreadableEvent,
)
from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.payment import PaymentOrder
from domain.reconciliation import Listed, Page, Subject, Window
from domain.refund import Refund, RefundObservation, RefundWord
from domain.said import Said
from domain.signatures import verify
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
    legible,
    unread,
)

# (session status, payment status) -> our word. Whatever is not here is unclear, never success.
_WORDS: Final[Mapping[tuple[str, str], Word]] = {
    ("open", "unpaid"): Word.OPEN,
    ("open", "processing"): Word.PROCESSING,
    ("complete", "processing"): Word.PROCESSING,
    ("complete", "paid"): Word.PAID,
    ("complete", "failed"): Word.FAILED,
    ("expired", "unpaid"): Word.EXPIRED,
    ("cancelled", "unpaid"): Word.CANCELLED,
}

_REFUND_WORDS: Final[Mapping[str, RefundWord]] = {
    "pending": RefundWord.PENDING,
    "succeeded": RefundWord.SUCCEEDED,
    "failed": RefundWord.FAILED,
}

_DISPUTE_WORDS: Final[Mapping[str, DisputeWord]] = {
    "inquiry": DisputeWord.INQUIRY,
    "open": DisputeWord.OPENED,
    "under_review": DisputeWord.UNDER_REVIEW,
    "won": DisputeWord.WON,
    "lost": DisputeWord.LOST,
    "closed": DisputeWord.CLOSED,
}


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
            Capability.SIGNED_WEBHOOKS,
            Capability.WEBHOOK_TIMESTAMP,
        }
    )

    class Secrets(base.Secrets, alias_generator=to_camel):
        api_key: ApiKey
        webhook_secret: WebhookSecret
        previous_webhook_secret: WebhookSecret | None = None

    _secrets: Secrets

    async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:  # noqa: ARG002
        wanted = {
            "reference": order.payment_id,
            "amount": order.money.amount_minor,
            "currency": order.money.currency,
            "description": order.description,
            "customer_email": order.customer_email,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            # We close it ourselves when its time is up; this is for the case that we cannot.
            "expires_at": (order.expires_at + SPARE).isoformat(),
            "metadata": order.metadata,
        }
        try:
            said = await self._call(
                "POST",
                "/v1/checkout_sessions",
                headers=self._headers(key=order.payment_id),
                payload={name: value for name, value in wanted.items() if value is not None},
            )
        except (ProviderConflict, ProviderKeyReused) as error:
            # The same key is being worked on: somebody's earlier attempt, whose answer we missed.
            raise OutcomeUnknown(str(error)) from error
        try:
            return Checkout(reference=said["id"], url=said["url"])
        except (KeyError, ValidationError) as error:
            raise OutcomeUnknown("sandbox: the answer names no checkout") from error

    async def read_checkout(self, reference: str, now: datetime) -> Observation:
        try:
            session = await self._call("GET", f"/v1/checkout_sessions/{reference}", headers=self._headers())
        except ProviderNotFound:
            return self._absent(reference, now, reference=reference)
        return _observed(session, Channel.READ, f"read:{now.isoformat()}:{reference}", now)

    async def close_checkout(self, reference: str, now: datetime) -> Observation:
        try:
            session = await self._call(
                "POST",
                f"/v1/checkout_sessions/{reference}/expire",
                headers=self._headers(key=key_of("close", reference)),
            )
        except ProviderConflict:
            # It cannot be closed any more; what it has become is what we wanted to know.
            return await self.read_checkout(reference, now)
        except ProviderNotFound:
            return self._absent(reference, now, reference=reference, channel=Channel.CLOSE)
        return _observed(session, Channel.CLOSE, f"close:{now.isoformat()}:{reference}", now)

    async def find_checkout(self, payment_id: str, now: datetime) -> Observation:
        found = await self._call(
            "GET", f"/v1/checkout_sessions?reference={payment_id}", headers=self._headers()
        )
        sessions = found.get("data")
        if sessions == []:
            return self._absent(payment_id, now)
        if not isinstance(sessions, list) or not isinstance(sessions[0], dict):
            raise OutcomeUnknown("sandbox: the answer lists no checkouts")
        return _observed(sessions[0], Channel.READ, f"find:{now.isoformat()}:{payment_id}", now)

    async def refund(self, refund: Refund, now: datetime) -> RefundObservation:
        session = await self._call(
            "GET", f"/v1/checkout_sessions/{refund.checkout_reference}", headers=self._headers()
        )
        if "payment" not in session:
            raise OutcomeUnknown("sandbox: the answer is no checkout")
        if session["payment"] is None:
            raise ProviderRejected("sandbox: this checkout captured nothing")
        wanted = {
            "payment": session["payment"],
            "amount": refund.money.amount_minor,
            "reference": refund.id,
            "reason": refund.reason,
        }
        try:
            said = await self._call(
                "POST",
                "/v1/refunds",
                headers=self._headers(key=refund.id),
                payload={name: value for name, value in wanted.items() if value is not None},
            )
        except (ProviderConflict, ProviderKeyReused) as error:
            raise OutcomeUnknown(str(error)) from error
        return _refund_observed(said, f"refund:{now.isoformat()}:{refund.id}", now)

    async def find_refund(self, refund: Refund, now: datetime) -> RefundObservation:
        found = await self._call("GET", f"/v1/refunds?reference={refund.id}", headers=self._headers())
        data = found.get("data")
        if data == []:
            return self._no_refund(refund, now)
        if not isinstance(data, list) or not isinstance(data[0], dict):
            raise OutcomeUnknown("sandbox: the answer lists no refunds")
        return _refund_observed(data[0], f"find:{now.isoformat()}:{refund.id}", now)

    async def read_dispute(self, reference: str, now: datetime) -> DisputeObservation:
        said = await self._call("GET", f"/v1/disputes/{reference}", headers=self._headers())
        return _dispute_observed(said, f"read:{now.isoformat()}:{reference}", now)

    async def answer_dispute(
        self, reference: str, facts: Mapping[str, Any], now: datetime, *, submit: bool
    ) -> DisputeObservation:
        said = await self._call(
            "POST",
            f"/v1/disputes/{reference}/evidence",
            headers=self._headers(),
            payload={"evidence": facts, "submit": submit},
        )
        return _dispute_observed(said, f"answer:{now.isoformat()}:{reference}", now)

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Heard]:
        secrets = [self._secrets.webhook_secret, self._secrets.previous_webhook_secret]
        live = [secret.get_secret_value() for secret in secrets if secret is not None]
        event_id = verify(live, headers, body, now)
        try:
            event = json.loads(body)
            said = _told(event["data"], event_id, now)
        except (*ILLEGIBLE, OutcomeUnknown) as error:
            raise UnreadableEvent("sandbox: an authentic event cannot be read") from error
        return [] if said is None else [said.model_copy(update={"evidence_sha256": evidence(body)})]

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
        return Page(items=tuple(_listed(subject, item, now) for item in data), next_cursor=next_cursor)

    def _headers(self, key: str | None = None) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._secrets.api_key.get_secret_value()}",
            "Content-Type": "application/json",
        }
        return headers if key is None else headers | {"Idempotency-Key": key}

    def _refusal(self, status: int, said: Mapping[str, Any]) -> ProviderError | None:
        code = (said.get("error") or {}).get("code") if isinstance(said.get("error"), dict) else None
        if status == httpx.codes.BAD_REQUEST and code == "idempotency_mismatch":
            return ProviderKeyReused(f"sandbox answered {status}: {code}")
        return None


@legible
def _observed(session: Mapping[str, Any], channel: Channel, cause: str, now: datetime) -> Observation:
    state, paid = str(session.get("status")), str(session.get("payment_status"))
    word = _WORDS.get((state, paid), Word.UNCLEAR)
    error = session.get("last_error") or {}
    if word is Word.OPEN and error and channel is Channel.WEBHOOK:
        word = Word.ATTEMPT_FAILED
    captured = None
    if session.get("amount_captured"):
        captured = Money(
            amount_minor=session["amount_captured"],
            currency=session.get("currency_captured") or session["currency"],
        )
    return Observation(
        word=word,
        raw_state=f"{state}/{paid}",
        channel=channel,
        cause_id=cause,
        payment_id=session.get("reference"),
        reference=session.get("id"),
        checkout_url=session.get("url"),
        sandbox={"test": True, "live": False}.get(session.get("mode", "")),
        captured=captured,
        failure_code=error.get("code"),
        failure_message=error.get("message"),
        observed_at=now,
        evidence_sha256=evidence(session),
    )


def _told(subject: Mapping[str, Any], event_id: str, now: datetime) -> Said | None:
    """What a webhook says; None for a subject that is none of ours."""
    kind = subject.get("object")
    if kind == "checkout_session":
        return _observed(subject, Channel.WEBHOOK, event_id, now)
    if kind == "dispute":
        return _dispute_observed(subject, event_id, now)
    return _refund_observed(subject, event_id, now) if kind == "refund" else None


def _listed(subject: Subject, item: Any, now: datetime) -> Listed:
    """One entry of a list. What cannot be read must not keep the others from being compared."""
    try:
        reference, made_at = item["id"], datetime.fromisoformat(item["created_at"])
        said = _READ[subject](item, f"listed:{now.isoformat()}:{reference}", now)
        return Listed(subject=subject, reference=reference, made_at=made_at, said=said)
    except (*ILLEGIBLE, OutcomeUnknown):
        return unread(subject, item.get("id") if isinstance(item, dict) else None)


@legible
def _captured(payment: Mapping[str, Any], cause: str, now: datetime) -> Observation:
    """A capture, told as the checkout that brought it."""
    status = str(payment["status"])
    return Observation(
        word=Word.PAID if status == "succeeded" else Word.UNCLEAR,
        raw_state=f"payment/{status}",
        channel=Channel.READ,
        cause_id=cause,
        payment_id=payment["reference"],
        reference=payment["session"],
        sandbox={"test": True, "live": False}.get(payment.get("mode", "")),
        captured=Money(amount_minor=payment["amount"], currency=payment["currency"]),
        observed_at=now,
        evidence_sha256=evidence(payment),
    )


@legible
def _refund_observed(refund: Mapping[str, Any], cause: str, now: datetime) -> RefundObservation:
    error = refund.get("failure") or {}
    return RefundObservation(
        word=_REFUND_WORDS.get(str(refund.get("status")), RefundWord.UNCLEAR),
        raw_state=str(refund.get("status")),
        cause_id=cause,
        payment_id=refund.get("payment_reference"),
        refund_id=refund.get("reference"),
        reference=refund["id"],
        sandbox={"test": True, "live": False}.get(refund.get("mode", "")),
        money=Money(amount_minor=refund["amount"], currency=refund["currency"]),
        failure_code=error.get("code"),
        failure_message=error.get("message"),
        observed_at=now,
        evidence_sha256=evidence(refund),
    )


@legible
def _dispute_observed(dispute: Mapping[str, Any], cause: str, now: datetime) -> DisputeObservation:
    currency, due = dispute["currency"], dispute.get("evidence_due_by")
    return DisputeObservation(
        word=_DISPUTE_WORDS.get(str(dispute.get("status")), DisputeWord.UNCLEAR),
        raw_state=str(dispute.get("status")),
        cause_id=cause,
        reference=dispute["id"],
        payment_id=dispute.get("reference"),
        sandbox={"test": True, "live": False}.get(dispute.get("mode", "")),
        money=Money(amount_minor=dispute["amount"], currency=currency),
        fee=Money(amount_minor=dispute.get("fee", 0), currency=currency),
        reason=dispute.get("reason"),
        evidence_due_by=None if due is None else datetime.fromisoformat(due),
        observed_at=now,
        evidence_sha256=evidence(dispute),
    )


_READ: Final[Mapping[Subject, Callable[[Mapping[str, Any], str, datetime], Said]]] = {
    Subject.PAYMENT: _captured,
    Subject.REFUND: _refund_observed,
    Subject.DISPUTE: _dispute_observed,
}


def ready_made(platform_key: str, account_id: str) -> dict[str, str]:
    """The secrets of a sandbox tenant's account, as the sandbox derives them too.

    Nothing has to be set up over there: whoever holds the platform's key can name any account's keys.
    """
    keyed = platform_key.encode()
    api = hmac.new(keyed, f"api:{account_id}".encode(), "sha256").hexdigest()[:40]
    webhook = hmac.new(keyed, f"webhook:{account_id}".encode(), "sha256").digest()
    return {
        "apiKey": f"sk_sandbox_{account_id}_{api}",
        "webhookSecret": f"whsec_{base64.b64encode(webhook).decode()}",
    }
