# Derived from _async/payments.py by client/derive.py: change that one.
"""Payments, and what may become of paid money: refunds, disputes, approvals."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from paysaga_client._sync.paging import by_cursor, by_offset
from paysaga_client._sync.session import Session
from paysaga_client.errors import WaitTimeout
from paysaga_client.keys import derived_key, fresh_key, key_for
from paysaga_client.models.base import Page
from paysaga_client.models.payments import (
    Approval,
    ApprovalState,
    Choice,
    CreatedPayment,
    Dispute,
    DisputeState,
    Grant,
    Payment,
    PaymentStatus,
    PaymentWithEvents,
    Proof,
    Refund,
)
from paysaga_client.wire import Call, members, path, read

_ROUNDS: Final = 3
_A_MOMENT: Final = 0.5
_A_WHILE: Final = 5.0


class Payments:
    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        *,
        user_id: str,
        amount: int,
        currency: str,
        order_id: str | None = None,
        description: str | None = None,
        customer_email: str | None = None,
        success_url: str | None = None,
        cancel_url: str | None = None,
        provider: str | None = None,
        expires_in_seconds: int | None = None,
        entitlements: Sequence[Grant] = (),
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> CreatedPayment:
        """Ask for a payment, and get it as it stands: new, or begun by an earlier call of the same kind.

        With an ``order_id`` and without a key it is the order's payment: the key is derived from this request
        and from the last payment of the order that came to nothing. So whoever asks again, after a crash too,
        meets the payment that is open or paid; and once it has failed, expired, was cancelled or wholly
        refunded, gets a new one. Another amount for the same order is refused as ``OrderHasOpenPayment`` or
        ``OrderAlreadyPaid``.
        """
        body = members(
            user_id=user_id,
            amount=amount,
            currency=currency,
            order_id=order_id,
            description=description,
            customer_email=customer_email,
            success_url=success_url,
            cancel_url=cancel_url,
            provider=provider,
            expires_in_seconds=expires_in_seconds,
            entitlements=entitlements or None,
            metadata=metadata,
        )
        if idempotency_key is not None or order_id is None:
            return self._placed(body, idempotency_key or fresh_key())
        return self._of_order(order_id, body)

    def _of_order(self, order_id: str, body: Mapping[str, Any]) -> CreatedPayment:
        # More than one round only if a payment comes to nothing between our looking and our asking.
        for _ in range(_ROUNDS):
            newest = self.list(order_id=order_id, limit=10)
            before = next((payment.id for payment in newest.data if _in_vain(payment)), None)
            key = derived_key(self._session.app_name, "payment", body, before)
            payment = self._placed(body, key)
            if not _in_vain(payment):
                break
        return payment

    def _placed(self, body: Mapping[str, Any], key: str) -> CreatedPayment:
        response = self._session.fetch(Call("POST", "/v1/payments", body=body, key=key))
        payment = read(response, CreatedPayment)
        if response.headers.get("Idempotent-Replayed") != "true":
            return payment
        # A repeat gets the first answer's words, for ever; what is wanted is how it stands.
        present = self.get(payment.id)
        return payment.model_copy(update={name: getattr(present, name) for name in Payment.model_fields})

    def get(self, payment_id: str) -> PaymentWithEvents:
        return self._session.ask(Call("GET", path("/v1/payments/{}", payment_id)), PaymentWithEvents)

    def wait(
        self,
        payment_id: str,
        timeout: timedelta = timedelta(minutes=1),
    ) -> PaymentWithEvents:
        """The payment once it has ended, or is under review, where only people decide. Raises
        ``WaitTimeout``.

        For scripts and tests. A shop hears of it by webhook, and does not keep a request waiting for a payer.
        """
        return self._until(payment_id, timeout, payable=False)

    def wait_for_checkout(
        self,
        payment_id: str,
        timeout: timedelta = timedelta(seconds=30),
    ) -> PaymentWithEvents:
        """The payment once it has a ``checkout_url``, or can have none any more. Raises ``WaitTimeout``.

        Needed where ``create`` answered without one, because the provider was slow.
        """
        return self._until(payment_id, timeout, payable=True)

    def _until(self, payment_id: str, limit: timedelta, *, payable: bool) -> PaymentWithEvents:
        until, pause = self._session.clock() + limit.total_seconds(), _A_MOMENT
        while True:
            payment = self.get(payment_id)
            if payment.ended or payment.status == "REVIEW" or (payable and payment.checkout_url is not None):
                return payment
            left = until - self._session.clock()
            if left <= 0:
                raise WaitTimeout(payment.id, payment.status)
            self._session.sleep(min(pause, left))
            pause = min(1.5 * pause, _A_WHILE)

    def list(
        self,
        *,
        user_id: str | None = None,
        status: PaymentStatus | None = None,
        order_id: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        limit: int | None = None,
        offset: int | None = None,
        cursor: str | None = None,
    ) -> Page[Payment]:
        """One page, newest first."""
        query = {
            "user_id": user_id,
            "status": status,
            "order_id": order_id,
            "created_from": created_from,
            "created_to": created_to,
            "limit": limit,
            "offset": offset,
            "cursor": cursor,
        }
        return self._session.ask(Call("GET", "/v1/payments", query), Page[Payment])

    def iterate(
        self,
        *,
        user_id: str | None = None,
        status: PaymentStatus | None = None,
        order_id: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> Iterator[Payment]:
        """All of them, newest first."""
        query = {
            "user_id": user_id,
            "status": status,
            "order_id": order_id,
            "created_from": created_from,
            "created_to": created_to,
        }
        return by_cursor(self._session, Call("GET", "/v1/payments", query), Page[Payment])

    def cancel(self, payment_id: str) -> Payment:
        """Ask the provider to close the checkout. It decides: look at ``status``. Raises ``AlreadyPaid``."""
        call = Call("POST", path("/v1/payments/{}/cancel", payment_id), harmless=True)
        return self._session.ask(call, Payment)

    def refund(
        self,
        payment_id: str,
        *,
        amount: int | None = None,
        reason: str | None = None,
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> Refund:
        """Give money back: all that is left, unless an amount is named.

        With your ``reference`` (a complaint's number, say) it is done once, however often it is asked for;
        the same reference with another amount is an ``IdempotencyConflict``. Without one each call is another
        refund.
        """
        key = key_for("refund", key=idempotency_key, reference=reference, about=payment_id)
        call = Call(
            "POST",
            path("/v1/payments/{}/refunds", payment_id),
            body=members(amount=amount, reason=reason),
            key=key,
        )
        response = self._session.fetch(call)
        refund = read(response, Refund)
        if response.headers.get("Idempotent-Replayed") != "true":
            return refund
        return self._session.ask(Call("GET", path("/v1/refunds/{}", refund.id)), Refund)

    def review(self, payment_id: str, decision: Choice, *, reason: str | None = None) -> Approval:
        """Propose what becomes of money under review; an approver of the tenant has to agree."""
        body = members(decision=decision, reason=reason)
        return self._session.ask(
            Call("POST", path("/v1/payments/{}/review", payment_id), body=body), Approval
        )

    def proof(self, payment_id: str) -> Proof:
        """All that is known of a payment as one signed bundle."""
        return self._session.ask(Call("GET", path("/v1/payments/{}/proof", payment_id)), Proof)


def _in_vain(payment: Payment) -> bool:
    """Whether its order is free to be paid anew."""
    return payment.status in {"FAILED", "EXPIRED", "CANCELLED"} or payment.refund_status == "FULL"


class Refunds:
    """Refunds that were asked for; ``payments.refund`` asks for one."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, refund_id: str) -> Refund:
        return self._session.ask(Call("GET", path("/v1/refunds/{}", refund_id)), Refund)

    def list(
        self, *, payment_id: str | None = None, limit: int | None = None, offset: int | None = None
    ) -> Page[Refund]:
        """One page, newest first."""
        query = {"payment_id": payment_id, "limit": limit, "offset": offset}
        return self._session.ask(Call("GET", "/v1/refunds", query), Page[Refund])

    def iterate(self, *, payment_id: str | None = None) -> Iterator[Refund]:
        return by_offset(self._session, Call("GET", "/v1/refunds", {"payment_id": payment_id}), Page[Refund])


class Disputes:
    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, dispute_id: str) -> Dispute:
        return self._session.ask(Call("GET", path("/v1/disputes/{}", dispute_id)), Dispute)

    def list(
        self,
        *,
        payment_id: str | None = None,
        status: DisputeState | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Page[Dispute]:
        """One page, newest first."""
        query = {"payment_id": payment_id, "status": status, "limit": limit, "offset": offset}
        return self._session.ask(Call("GET", "/v1/disputes", query), Page[Dispute])

    def iterate(
        self, *, payment_id: str | None = None, status: DisputeState | None = None
    ) -> Iterator[Dispute]:
        query = {"payment_id": payment_id, "status": status}
        return by_offset(self._session, Call("GET", "/v1/disputes", query), Page[Dispute])

    def answer(self, dispute_id: str, statement: str | None = None) -> Dispute:
        """Hand in what is known of the payment, with your own words. A bank hears this once."""
        call = Call("POST", path("/v1/disputes/{}/evidence", dispute_id), body=members(statement=statement))
        return self._session.ask(call, Dispute)


class Approvals:
    """What waits for a second person: decide with another credential than the one that asked."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, approval_id: str) -> Approval:
        return self._session.ask(Call("GET", path("/v1/approvals/{}", approval_id)), Approval)

    def list(
        self, *, status: ApprovalState | None = None, limit: int | None = None, offset: int | None = None
    ) -> Page[Approval]:
        """One page, newest first."""
        query = {"status": status, "limit": limit, "offset": offset}
        return self._session.ask(Call("GET", "/v1/approvals", query), Page[Approval])

    def iterate(self, *, status: ApprovalState | None = None) -> Iterator[Approval]:
        return by_offset(self._session, Call("GET", "/v1/approvals", {"status": status}), Page[Approval])

    def approve(self, approval_id: str) -> Approval:
        return self._decide(approval_id, "approve")

    def reject(self, approval_id: str) -> Approval:
        return self._decide(approval_id, "reject")

    def _decide(self, approval_id: str, verb: str) -> Approval:
        call = Call("POST", path(f"/v1/approvals/{{}}/{verb}", approval_id))
        return self._session.ask(call, Approval)
