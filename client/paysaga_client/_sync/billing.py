# Derived from _async/billing.py by client/derive.py: change that one.
"""Plans, the pages subscribers are sent to, subscriptions and invoices."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from paysaga_client._sync.paging import by_offset
from paysaga_client._sync.session import Session
from paysaga_client.keys import key_for
from paysaga_client.models.base import UNSET, Page, Unset
from paysaga_client.models.billing import (
    BillingSession,
    BillingStatus,
    BillTo,
    ChangedSubscription,
    Invoice,
    InvoiceStatus,
    Language,
    Mode,
    NewFeature,
    NewPrice,
    Plan,
    Preview,
    Proration,
    Subscription,
    SubscriptionStatus,
    WholeSubscription,
)
from paysaga_client.wire import Call, changes, members, path


class Plans:
    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        *,
        name: str,
        description: str | None = None,
        tier: str | None = None,
        active: bool = True,
        features: Sequence[NewFeature] = (),
        prices: Sequence[NewPrice] = (),
    ) -> Plan:
        body = members(
            name=name, description=description, tier=tier, active=active, features=features, prices=prices
        )
        return self._session.ask(Call("POST", "/v1/plans", body=body), Plan)

    def get(self, plan_id: str) -> Plan:
        return self._session.ask(Call("GET", path("/v1/plans/{}", plan_id)), Plan)

    def list(
        self, *, active: bool | None = None, limit: int | None = None, offset: int | None = None
    ) -> Page[Plan]:
        """One page, newest first."""
        query = {"active": active, "limit": limit, "offset": offset}
        return self._session.ask(Call("GET", "/v1/plans", query), Page[Plan])

    def iterate(self, *, active: bool | None = None) -> Iterator[Plan]:
        return by_offset(self._session, Call("GET", "/v1/plans", {"active": active}), Page[Plan])

    def change(
        self,
        plan_id: str,
        *,
        name: str | Unset = UNSET,
        description: str | Unset | None = UNSET,
        tier: str | Unset | None = UNSET,
        active: bool | Unset = UNSET,
        features: Sequence[NewFeature] | Unset = UNSET,
        prices: Sequence[NewPrice] | Unset = UNSET,
    ) -> Plan:
        """Change what is named. ``features`` replaces the list; ``prices`` adds, and supersedes like ones."""
        body = changes(
            name=name, description=description, tier=tier, active=active, features=features, prices=prices
        )
        call = Call("PATCH", path("/v1/plans/{}", plan_id), body=body, harmless=prices is UNSET)
        return self._session.ask(call, Plan)


class Billing:
    """Without a ``user_id`` the tenant itself is the subscriber."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def session(
        self,
        mode: Mode,
        *,
        success_url: str,
        cancel_url: str,
        price_id: str | None = None,
        quantity: int | None = None,
        user_id: str | None = None,
        provider: str | None = None,
        customer_email: str | None = None,
        bill_to: BillTo | None = None,
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> BillingSession:
        """A page for a subscriber: the checkout that begins a subscription, or the portal for what is kept.

        A page does not last: give a ``reference`` only if a repeat shall meet the very same one.
        """
        body = members(
            mode=mode,
            price_id=price_id,
            quantity=quantity,
            user_id=user_id,
            success_url=success_url,
            cancel_url=cancel_url,
            provider=provider,
            customer_email=customer_email,
            bill_to=bill_to,
        )
        key = key_for("session", key=idempotency_key, reference=reference, about=f"{mode}\n{user_id or ''}")
        call = Call("POST", "/v1/billing/session", body=body, key=key)
        return self._session.ask(call, BillingSession)

    def status(self, user_id: str | None = None) -> BillingStatus:
        """How this subscriber stands; ``access`` is what to switch on."""
        return self._session.ask(Call("GET", "/v1/billing/status", {"user_id": user_id}), BillingStatus)


class Subscriptions:
    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, subscription_id: str) -> WholeSubscription:
        call = Call("GET", path("/v1/subscriptions/{}", subscription_id))
        return self._session.ask(call, WholeSubscription)

    def list(
        self,
        *,
        user_id: str | None = None,
        status: SubscriptionStatus | None = None,
        plan_id: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Page[Subscription]:
        """One page, newest first."""
        query = {"user_id": user_id, "status": status, "plan_id": plan_id, "limit": limit, "offset": offset}
        return self._session.ask(Call("GET", "/v1/subscriptions", query), Page[Subscription])

    def iterate(
        self,
        *,
        user_id: str | None = None,
        status: SubscriptionStatus | None = None,
        plan_id: str | None = None,
    ) -> Iterator[Subscription]:
        query = {"user_id": user_id, "status": status, "plan_id": plan_id}
        return by_offset(self._session, Call("GET", "/v1/subscriptions", query), Page[Subscription])

    def cancel(self, subscription_id: str, *, at_period_end: bool = False) -> Subscription:
        """End it, now or with its period. Nothing more is charged from here on."""
        body = members(at_period_end=at_period_end)
        call = Call("POST", path("/v1/subscriptions/{}/cancel", subscription_id), body=body, harmless=True)
        return self._session.ask(call, Subscription)

    def pause(self, subscription_id: str) -> Subscription:
        """Charge nothing and give nothing until it is resumed."""
        call = Call("POST", path("/v1/subscriptions/{}/pause", subscription_id), harmless=True)
        return self._session.ask(call, Subscription)

    def resume(self, subscription_id: str) -> Subscription:
        """Take the wish to end it back, or go on after a pause."""
        call = Call("POST", path("/v1/subscriptions/{}/resume", subscription_id), harmless=True)
        return self._session.ask(call, Subscription)

    def change(
        self,
        subscription_id: str,
        *,
        price_id: str | None = None,
        quantity: int | None = None,
        proration: Proration | None = None,
        proration_date: datetime | None = None,
    ) -> ChangedSubscription:
        """Another price, another number of seats. A change to what it is already makes no invoice."""
        body = members(
            price_id=price_id, quantity=quantity, proration=proration, proration_date=proration_date
        )
        call = Call("POST", path("/v1/subscriptions/{}/change", subscription_id), body=body, harmless=True)
        return self._session.ask(call, ChangedSubscription)

    def preview(
        self,
        subscription_id: str,
        *,
        price_id: str | None = None,
        quantity: int | None = None,
        proration: Proration | None = None,
        proration_date: datetime | None = None,
    ) -> Preview:
        """What ``change`` would invoice, to the minor unit. Nothing is written."""
        query = {
            "price_id": price_id,
            "quantity": quantity,
            "proration": proration,
            "proration_date": proration_date,
        }
        call = Call("GET", path("/v1/subscriptions/{}/change-preview", subscription_id), query)
        return self._session.ask(call, Preview)


class Invoices:
    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, invoice_id: str) -> Invoice:
        return self._session.ask(Call("GET", path("/v1/invoices/{}", invoice_id)), Invoice)

    def list(
        self,
        *,
        user_id: str | None = None,
        subscription_id: str | None = None,
        status: InvoiceStatus | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Page[Invoice]:
        """One page, newest first."""
        query = {
            "user_id": user_id,
            "subscription_id": subscription_id,
            "status": status,
            "limit": limit,
            "offset": offset,
        }
        return self._session.ask(Call("GET", "/v1/invoices", query), Page[Invoice])

    def iterate(
        self,
        *,
        user_id: str | None = None,
        subscription_id: str | None = None,
        status: InvoiceStatus | None = None,
    ) -> Iterator[Invoice]:
        query = {"user_id": user_id, "subscription_id": subscription_id, "status": status}
        return by_offset(self._session, Call("GET", "/v1/invoices", query), Page[Invoice])

    def pdf(self, invoice_id: str, *, language: Language = "en") -> bytes:
        """The invoice as a document, for the subscriber."""
        call = Call("GET", path("/v1/invoices/{}/pdf", invoice_id), {"language": language})
        return (self._session.fetch(call)).content

    def credit_note_pdf(self, invoice_id: str, credit_note_id: str, *, language: Language = "en") -> bytes:
        where = path("/v1/invoices/{}/credit-notes/{}/pdf", invoice_id, credit_note_id)
        return (self._session.fetch(Call("GET", where, {"language": language}))).content
