"""How Stripe tells things: its events, the seal on them, its errors."""

import hmac
import json
from hashlib import sha256
from typing import Any, ClassVar, Final

from starlette.responses import JSONResponse, Response

from sandbox import customers
from sandbox.charges import Charge
from sandbox.checkout import Session
from sandbox.clock import to_microseconds
from sandbox.customers import Customer
from sandbox.dialects import Dialect, Event, Shown, retry_after
from sandbox.disputes import Dispute
from sandbox.errors import Refused
from sandbox.faces import stripe_regulars as regulars
from sandbox.faces.stripe_objects import dispute, intent, refund, seconds, session
from sandbox.refunds import Refund
from sandbox.setups import Setup
from sandbox.store import Query, Record
from sandbox.world import World

API_VERSION: Final = "2026-10-28.endive"

_BEFORE: Final = "previous_attributes"
_ERRORS: Final = {
    "idempotency_mismatch": ("idempotency_error", None),
    "idempotency_in_progress": ("invalid_request_error", "idempotency_key_in_use"),
    "not_found": ("invalid_request_error", "resource_missing"),
    "payment_disputed": ("invalid_request_error", "charge_disputed"),
    "invalid_request": ("invalid_request_error", None),
    "refused": ("invalid_request_error", None),
    "refund_exceeds_capture": ("invalid_request_error", None),
    "unauthorized": ("invalid_request_error", None),
    "not_open": ("invalid_request_error", None),
    "dispute_decided": ("invalid_request_error", None),
}
_BY_STATUS: Final = {
    429: ("invalid_request_error", "rate_limit"),
    409: ("invalid_request_error", "lock_timeout"),
}


class Stripe(Dialect):
    """What Stripe says, and how it seals it."""

    NAME: ClassVar[str] = "stripe"
    TITLE: ClassVar[str | None] = "Stripe"
    AMOUNTS: ClassVar[tuple[str, ...]] = ("amount", "amount_total", "amount_received", "amount_captured")
    CURRENCIES: ClassVar[tuple[str, ...]] = ("currency",)

    _TOLD: ClassVar[dict[str, tuple[str, ...]]] = {
        "checkout.completed": ("checkout.session.completed", "payment_intent.succeeded"),
        "checkout.processing": ("checkout.session.completed",),
        "checkout.failed": ("checkout.session.async_payment_failed", "payment_intent.payment_failed"),
        "checkout.expired": ("checkout.session.expired",),
        "payment.attempt_failed": ("payment_intent.payment_failed",),
    }

    _OF_CHARGES: ClassVar[dict[str, str]] = {
        "charge.succeeded": "payment_intent.succeeded",
        "charge.failed": "payment_intent.payment_failed",
        "charge.cancelled": "payment_intent.canceled",
    }

    def tellings(self, world: World, kind: str, record: Record) -> list[tuple[str, Shown]]:
        """Say what happened in the types that Stripe has for it."""
        if isinstance(record, Session):
            return self._of_session(kind, record)
        if isinstance(record, Charge):
            return [(self._OF_CHARGES[kind], regulars.intent(record))]
        if isinstance(record, Customer):
            return _of_customer(world, kind, record)
        return self._of_another(world, record)

    def _of_another(self, world: World, record: Record) -> list[tuple[str, Shown]]:
        if isinstance(record, Setup):
            return [("checkout.session.completed", regulars.setup_session(record))]
        known = bool(world.store.all(Event, Query(parent=record.id)))
        if isinstance(record, Refund):
            word = "failed" if record.status == "failed" else "updated" if known else "created"
            return [(f"refund.{word}", refund(record))]
        if isinstance(record, Dispute):
            ended = record.status in {"won", "lost", "closed"}
            word = "closed" if ended else "updated" if known else "created"
            return [(f"charge.dispute.{word}", dispute(record, now(world)))]
        return []

    def _of_session(self, kind: str, record: Session) -> list[tuple[str, Shown]]:
        types = self._TOLD.get(kind, ())
        if kind == "checkout.completed" and record.bank is not None:
            types = ("checkout.session.async_payment_succeeded", "payment_intent.succeeded")
        return [(word, session(record) if word.startswith("checkout") else intent(record)) for word in types]

    def letter(self, event: Event, shown: Shown) -> str:
        """Put the object into Stripe's envelope, and beside it what was otherwise before."""
        data = {"object": {name: value for name, value in shown.items() if name != _BEFORE}}
        data |= {_BEFORE: shown[_BEFORE]} if _BEFORE in shown else {}
        envelope = {
            "id": event.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": seconds(event, "created_at"),
            "data": data,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": event.type,
        }
        return json.dumps(envelope, indent=2)

    def seal(self, secret: str, identity: str, timestamp: int, body: str) -> dict[str, str]:  # noqa: ARG002
        """Sign ``t.body``; the key is the secret as it is written, ``whsec_`` and all."""
        digest = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), sha256).hexdigest()
        return {"stripe-signature": f"t={timestamp},v1={digest}"}

    def refusal(self, refused: Refused) -> Response:
        """Lay an error out as Stripe does."""
        kind, code = _ERRORS.get(refused.code, ("invalid_request_error", refused.code))
        if refused.code == "fault":
            by_status = ("api_error", None) if refused.status >= 500 else ("invalid_request_error", None)
            kind, code = _BY_STATUS.get(refused.status, by_status)
        error: dict[str, Any] = {"type": kind, "message": refused.message}
        error |= {"code": code} if code else {}
        error |= {"param": refused.param} if refused.param else {}
        return JSONResponse({"error": error}, refused.status, retry_after(refused))

    def distort(self, shown: Shown, fault: str) -> Shown:
        """Distort what is inside, too: an expanded intent or charge would give the lie away."""
        changed = super().distort(shown, fault)
        inner = ("payment_intent", "latest_charge", "charge")
        return changed | {
            name: self.distort(changed[name], fault) for name in inner if isinstance(changed.get(name), dict)
        }


def _of_customer(world: World, kind: str, customer: Customer) -> list[tuple[str, Shown]]:
    """Say what became of a customer's cards: the new one, or else that another is used from now on."""
    kept = customers.methods(world, customer)
    if kind == "customer.method_saved" and kept:
        return [("payment_method.attached", regulars.method(kept[0]))]
    before = {"invoice_settings": {"default_payment_method": None}}
    return [("customer.updated", {**regulars.customer(customer), _BEFORE: before})]


STRIPE: Final = Stripe()


def now(world: World) -> int:
    """Tell the time as Stripe does."""
    return to_microseconds(world.clock.real()) // 1_000_000
