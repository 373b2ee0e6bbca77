"""How Dodo Payments tells things: its webhooks, which always carry the latest state, and its errors."""

import json
from typing import ClassVar, Final

from starlette.responses import JSONResponse, Response

from sandbox.checkout import Session
from sandbox.dialects import Dialect, Event, Shown, retry_after
from sandbox.disputes import Dispute
from sandbox.errors import Refused
from sandbox.faces import dodo_objects as objects
from sandbox.faces.dodo_subscriptions import Subscription
from sandbox.refunds import Refund
from sandbox.store import Record
from sandbox.wire import shown_instant
from sandbox.world import World

_BY_STATUS: Final = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
}
_CODES: Final = {"refund_exceeds_capture": "REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT"}
_SUBJECTS: Final[dict[str, type[Record]]] = {
    "Payment": Session,
    "Refund": Refund,
    "Dispute": Dispute,
    "Subscription": Subscription,
}
# What has no entry (a refund that is pending) is not told at all.
_TOLD: Final = {
    "checkout.completed": "payment.succeeded",
    "checkout.processing": "payment.processing",
    "checkout.failed": "payment.failed",
    "checkout.cancelled": "payment.cancelled",
    "checkout.expired": "payment.failed",
    "payment.attempt_failed": "payment.failed",
    "refund.succeeded": "refund.succeeded",
    "refund.failed": "refund.failed",
    "dispute.inquiry": "dispute.opened",
    "dispute.opened": "dispute.opened",
    "dispute.under_review": "dispute.challenged",
    "dispute.won": "dispute.won",
    "dispute.lost": "dispute.lost",
    "dispute.closed": "dispute.cancelled",
}


class Dodo(Dialect):
    """What Dodo Payments says. It seals as Standard Webhooks does, as we do."""

    NAME: ClassVar[str] = "dodo"
    TITLE: ClassVar[str | None] = "Dodo Payments"
    LIST: ClassVar[str] = "items"
    AMOUNTS: ClassVar[tuple[str, ...]] = ("amount", "total_amount", "settlement_amount")
    CURRENCIES: ClassVar[tuple[str, ...]] = ("currency", "settlement_currency")
    WORDS: ClassVar[tuple[str, ...]] = ("status", "payment_status", "dispute_status")

    def tellings(self, world: World, kind: str, record: Record) -> list[tuple[str, Shown]]:
        """Say what happened, where Dodo Payments would: a session that nobody tried ends in silence."""
        told = kind if isinstance(record, Subscription) else _TOLD.get(kind)
        if told is None or (isinstance(record, Session) and record.attempted_at is None):
            return []
        if isinstance(record, Dispute) and record.because:
            told = f"dispute.{record.because}"
        return [(told, _shown(world, record))]

    def letter(self, event: Event, shown: Shown) -> str:
        """Put the object into Dodo Payments' envelope."""
        envelope = {
            "business_id": objects.business(event.account),
            "type": event.type,
            "timestamp": shown_instant(event.created_at),
            "data": shown,
        }
        return json.dumps(envelope, ensure_ascii=False)

    def letter_now(self, world: World, event: Event, written: str) -> str:
        """Show the object as it is now, whatever it was when the event happened."""
        kind = _SUBJECTS[event.data["payload_type"]]
        record = world.store.get(kind, event.subject or "")
        if record is None:
            return written
        shown = _shown(world, record)
        for fault in event.spoils:
            shown = self.distort(shown, fault)
        return self.letter(event, shown)

    def refusal(self, refused: Refused) -> Response:
        """Lay an error out as Dodo Payments does: a code for programs and a sentence."""
        code = _CODES.get(refused.code, refused.code.upper())
        if refused.code in {"fault", "refused", "not_found", "invalid_request", "unauthorized"}:
            by_default = "INTERNAL_SERVER_ERROR" if refused.status >= 500 else "BAD_REQUEST"
            code = _BY_STATUS.get(refused.status, by_default)
        return JSONResponse({"code": code, "message": refused.message}, refused.status, retry_after(refused))


def _shown(world: World, record: Record) -> Shown:
    if isinstance(record, Session):
        return {"payload_type": "Payment", **objects.payment(world, record)}
    if isinstance(record, Refund):
        return {"payload_type": "Refund", **objects.refund(world, record)}
    if isinstance(record, Dispute):
        return {"payload_type": "Dispute", **objects.whole_dispute(world, record)}
    if isinstance(record, Subscription):
        return {"payload_type": "Subscription", **objects.subscription(world, record)}
    raise TypeError(record.KIND)


DODO: Final = Dodo()
