"""Payments, and what may become of paid money: refunds, disputes, approvals."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from paysaga_client._async.paging import by_cursor, by_offset
from paysaga_client._async.session import AsyncSession
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


class AsyncPayments:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
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
            return await self._placed(body, idempotency_key or fresh_key())
        return await self._of_order(order_id, body)

    async def _of_order(self, order_id: str, body: Mapping[str, Any]) -> CreatedPayment:
        # More than one round only if a payment comes to nothing between our looking and our asking.
        for _ in range(_ROUNDS):
            newest = await self.list(order_id=order_id, limit=10)
            before = next((payment.id for payment in newest.data if _in_vain(payment)), None)
            key = derived_key(self._session.app_name, "payment", body, before)
            payment = await self._placed(body, key)
            if not _in_vain(payment):
                break
        return payment

    async def _placed(self, body: Mapping[str, Any], key: str) -> CreatedPayment:
        response = await self._session.fetch(Call("POST", "/v1/payments", body=body, key=key))
        payment = read(response, CreatedPayment)
        if response.headers.get("Idempotent-Replayed") != "true":
            return payment
        # A repeat gets the first answer's words, for ever; what is wanted is how it stands.
        present = await self.get(payment.id)
        return payment.model_copy(update={name: getattr(present, name) for name in Payment.model_fields})

    async def get(self, payment_id: str) -> PaymentWithEvents:
        return await self._session.ask(Call("GET", path("/v1/payments/{}", payment_id)), PaymentWithEvents)

    async def wait(
        self,
        payment_id: str,
        timeout: timedelta = timedelta(minutes=1),  # noqa: ASYNC109 - the payer's time, not the request's
    ) -> PaymentWithEvents:
        """The payment once it has ended, or is under review, where only people decide. Raises
        ``WaitTimeout``.

        For scripts and tests. A shop hears of it by webhook, and does not keep a request waiting for a payer.
        """
        return await self._until(payment_id, timeout, payable=False)

    async def wait_for_checkout(
        self,
        payment_id: str,
        timeout: timedelta = timedelta(seconds=30),  # noqa: ASYNC109 - as above
    ) -> PaymentWithEvents:
        """The payment once it has a ``checkout_url``, or can have none any more. Raises ``WaitTimeout``.

        Needed where ``create`` answered without one, because the provider was slow.
        """
        return await self._until(payment_id, timeout, payable=True)

    async def _until(self, payment_id: str, limit: timedelta, *, payable: bool) -> PaymentWithEvents:
        until, pause = self._session.clock() + limit.total_seconds(), _A_MOMENT
        while True:
            payment = await self.get(payment_id)
            if payment.ended or payment.status == "REVIEW" or (payable and payment.checkout_url is not None):
                return payment
            left = until - self._session.clock()
            if left <= 0:
                raise WaitTimeout(payment.id, payment.status)
            await self._session.sleep(min(pause, left))
            pause = min(1.5 * pause, _A_WHILE)

    async def list(
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
        return await self._session.ask(Call("GET", "/v1/payments", query), Page[Payment])

    def iterate(
        self,
        *,
        user_id: str | None = None,
        status: PaymentStatus | None = None,
        order_id: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> AsyncIterator[Payment]:
        """All of them, newest first."""
        query = {
            "user_id": user_id,
            "status": status,
            "order_id": order_id,
            "created_from": created_from,
            "created_to": created_to,
        }
        return by_cursor(self._session, Call("GET", "/v1/payments", query), Page[Payment])

    async def cancel(self, payment_id: str) -> Payment:
        """Ask the provider to close the checkout. It decides: look at ``status``. Raises ``AlreadyPaid``."""
        call = Call("POST", path("/v1/payments/{}/cancel", payment_id), harmless=True)
        return await self._session.ask(call, Payment)

    async def refund(
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
        response = await self._session.fetch(call)
        refund = read(response, Refund)
        if response.headers.get("Idempotent-Replayed") != "true":
            return refund
        return await self._session.ask(Call("GET", path("/v1/refunds/{}", refund.id)), Refund)

    async def review(self, payment_id: str, decision: Choice, *, reason: str | None = None) -> Approval:
        """Propose what becomes of money under review; an approver of the tenant has to agree."""
        body = members(decision=decision, reason=reason)
        return await self._session.ask(
            Call("POST", path("/v1/payments/{}/review", payment_id), body=body), Approval
        )

    async def proof(self, payment_id: str) -> Proof:
        """All that is known of a payment as one signed bundle."""
        return await self._session.ask(Call("GET", path("/v1/payments/{}/proof", payment_id)), Proof)


def _in_vain(payment: Payment) -> bool:
    """Whether its order is free to be paid anew."""
    return payment.status in {"FAILED", "EXPIRED", "CANCELLED"} or payment.refund_status == "FULL"


class AsyncRefunds:
    """Refunds that were asked for; ``payments.refund`` asks for one."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, refund_id: str) -> Refund:
        return await self._session.ask(Call("GET", path("/v1/refunds/{}", refund_id)), Refund)

    async def list(
        self, *, payment_id: str | None = None, limit: int | None = None, offset: int | None = None
    ) -> Page[Refund]:
        """One page, newest first."""
        query = {"payment_id": payment_id, "limit": limit, "offset": offset}
        return await self._session.ask(Call("GET", "/v1/refunds", query), Page[Refund])

    def iterate(self, *, payment_id: str | None = None) -> AsyncIterator[Refund]:
        return by_offset(self._session, Call("GET", "/v1/refunds", {"payment_id": payment_id}), Page[Refund])


class AsyncDisputes:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, dispute_id: str) -> Dispute:
        return await self._session.ask(Call("GET", path("/v1/disputes/{}", dispute_id)), Dispute)

    async def list(
        self,
        *,
        payment_id: str | None = None,
        status: DisputeState | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Page[Dispute]:
        """One page, newest first."""
        query = {"payment_id": payment_id, "status": status, "limit": limit, "offset": offset}
        return await self._session.ask(Call("GET", "/v1/disputes", query), Page[Dispute])

    def iterate(
        self, *, payment_id: str | None = None, status: DisputeState | None = None
    ) -> AsyncIterator[Dispute]:
        query = {"payment_id": payment_id, "status": status}
        return by_offset(self._session, Call("GET", "/v1/disputes", query), Page[Dispute])

    async def answer(self, dispute_id: str, statement: str | None = None) -> Dispute:
        """Hand in what is known of the payment, with your own words. A bank hears this once."""
        call = Call("POST", path("/v1/disputes/{}/evidence", dispute_id), body=members(statement=statement))
        return await self._session.ask(call, Dispute)


class AsyncApprovals:
    """What waits for a second person: decide with another credential than the one that asked."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, approval_id: str) -> Approval:
        return await self._session.ask(Call("GET", path("/v1/approvals/{}", approval_id)), Approval)

    async def list(
        self, *, status: ApprovalState | None = None, limit: int | None = None, offset: int | None = None
    ) -> Page[Approval]:
        """One page, newest first."""
        query = {"status": status, "limit": limit, "offset": offset}
        return await self._session.ask(Call("GET", "/v1/approvals", query), Page[Approval])

    def iterate(self, *, status: ApprovalState | None = None) -> AsyncIterator[Approval]:
        return by_offset(self._session, Call("GET", "/v1/approvals", {"status": status}), Page[Approval])

    async def approve(self, approval_id: str) -> Approval:
        return await self._decide(approval_id, "approve")

    async def reject(self, approval_id: str) -> Approval:
        return await self._decide(approval_id, "reject")

    async def _decide(self, approval_id: str, verb: str) -> Approval:
        call = Call("POST", path(f"/v1/approvals/{{}}/{verb}", approval_id))
        return await self._session.ask(call, Approval)
