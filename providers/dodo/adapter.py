"""Dodo Payments, through its official SDK and our wire.

It knows no idempotency keys and closes no checkout. So our names go along as metadata, and before anything is
sent a second time what is there is looked through for them. It sells products: an order's amount is the price
of one that the merchant keeps for this, "pay what you want" and with tax included.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from pydantic import Field, ValidationError
from pydantic.alias_generators import to_camel

from domain.dispute import DisputeObservation
from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderConflict,
    ProviderError,
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
from domain.subscription import (
    Charge,
    Customer,
    PlanChange,
    Proration,
    SavedMethod,
    SubscriptionObservation,
    SubscriptionOrder,
    SubscriptionWord,
)
from providers import base
from providers.base import ApiKey, Capability, Checkout, Heard, Provider, WebhookSecret, evidence, web_page
from providers.dodo import billing, events, wire, words
from providers.dodo.money import UNITS, counted
from providers.dodo.search import Search, text
from providers.dodo.wire import PER_PAGE, answered, every, items
from providers.dodo.words import Hearing

if TYPE_CHECKING:
    from dodopayments import AsyncDodoPayments
    from dodopayments.types import Currency
    from dodopayments.types.checkout_session_create_params import CheckoutSessionCreateParams

_HOMES: Final = {
    "test_mode": "https://test.dodopayments.com",
    "live_mode": "https://live.dodopayments.com",
}
# What its codes tell and the status does not; with these three statuses they tell more.
_CODED: Final = frozenset({400, 409, 422})
_CODES: Final[Mapping[str, type[ProviderRejected]]] = {
    "CHECKOUT_SESSION_CONSUMED": ProviderConflict,
    "MERCHANT_NOT_LIVE": ProviderAuthFailed,
    "PAYMENT_ALREADY_REFUNDED": ProviderConflict,
    "PREVIOUS_PAYMENT_PENDING": ProviderConflict,
}
# Of a refund the list does not say whose it is: each is asked for, while the adapter is fresh.
_REFUNDS_PER_PAGE: Final = 10

_PRORATIONS: Final[Mapping[Proration, Literal["prorated_immediately", "do_not_bill"]]] = {
    Proration.AT_ONCE: "prorated_immediately",
    Proration.NONE: "do_not_bill",
}
_ENDED: Final = frozenset({SubscriptionWord.CANCELED, SubscriptionWord.INCOMPLETE_EXPIRED})


class Dodo(Provider):
    name = "dodo"
    capabilities = frozenset(
        {
            Capability.FIND_BY_REFERENCE,
            Capability.PARTIAL_REFUND,
            Capability.ASYNC_REFUND,
            Capability.LIST_BY_DATE,
            Capability.DISPUTES,
            Capability.SUBSCRIPTIONS,
            Capability.PORTAL,
            Capability.SAVED_METHODS,
            Capability.SIGNED_WEBHOOKS,
            Capability.WEBHOOK_TIMESTAMP,
        }
    )
    units = UNITS

    class Secrets(base.Secrets, alias_generator=to_camel):
        api_key: ApiKey
        webhook_secret: WebhookSecret
        previous_webhook_secret: WebhookSecret | None = None
        product_id: str = Field(min_length=1, max_length=255)
        """What ad-hoc amounts are sold as."""
        product_currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")
        """What that is priced in. Orders of other money are refused: Dodo would convert them, for a fee."""
        environment: Literal["test_mode", "live_mode"] = "live_mode"

        @property
        def play_money(self) -> bool:
            return self.environment == "test_mode"

    _secrets: Secrets

    @cached_property
    def _api(self) -> "AsyncDodoPayments":
        return wire.client(self._wire, self._base, self._secrets.api_key)

    @property
    def _search(self) -> Search:
        return Search(self._api)

    # --- One payment --------------------------------------------------------------------------------

    async def open_checkout(self, order: PaymentOrder, customer: str | None = None) -> Checkout:
        secrets, currency = self._secrets, order.money.currency
        if secrets.product_currency not in {None, currency}:
            raise ProviderRejected("dodo: the account's product is priced in another currency")
        amount = counted(order.money)
        wanted: CheckoutSessionCreateParams = {
            "product_cart": [{"product_id": secrets.product_id, "quantity": 1, "amount": amount}],
            "billing_currency": cast("Currency", currency),
            "metadata": words.metadata(order.metadata, **{words.PAYMENT: order.payment_id}),
            # Whatever would let the payer pay other money than was ordered.
            "feature_flags": {
                "allow_currency_selection": False,
                "allow_discount_code": False,
                "allow_tax_id": False,
            },
            "return_url": order.success_url,
            "cancel_url": order.cancel_url,
        }
        if customer is not None:
            # Known over there, address and all; kept for later is only what pays for a subscription.
            wanted["customer"] = {"customer_id": customer}
        elif order.customer_email is not None:
            wanted["customer"] = {"email": order.customer_email}
        return await self._opened(wanted)

    async def read_checkout(self, reference: str, now: datetime) -> Observation:
        return await self._look(reference, self._hearing("read", reference, now))

    async def close_checkout(self, reference: str, now: datetime) -> Observation:
        hearing = self._hearing("close", reference, now)._replace(channel=Channel.CLOSE)
        return words.closed(await self._look(reference, hearing))

    async def find_checkout(self, payment_id: str, now: datetime) -> Observation:
        # A checkout whose creation was lost cannot be found, nor paid either: nobody holds its address.
        hearing = self._hearing("find", payment_id, now)
        payment = await self._search.payment_of(payment_id, hearing)
        return self._absent(payment_id, now) if payment is None else words.payment_said(payment, hearing)

    async def refund(self, refund: Refund, now: datetime) -> RefundObservation:
        hearing = self._hearing("refund", refund.id, now)
        payment = await self._search.refunded(refund, hearing)
        if payment is None or words.payment_said(payment, hearing).word is not Word.PAID:
            raise ProviderRejected("dodo: this checkout captured nothing")
        said = await answered(
            self._api.refunds.with_raw_response.create(
                payment_id=payment["payment_id"],
                metadata={words.REFUND: refund.id, words.PAYMENT: refund.payment_id},
                reason=words.reason(refund),
                **words.partly(refund, payment, self._secrets.product_id),
            )
        )
        return words.refund_said(said, hearing)

    async def find_refund(self, refund: Refund, now: datetime) -> RefundObservation:
        hearing = self._hearing("find", refund.id, now)
        payment = await self._search.refunded(refund, hearing)
        made = [] if payment is None else payment.get("refunds")
        if not isinstance(made, list):
            raise OutcomeUnknown("dodo: the payment does not tell of its refunds")
        for entry in made:
            said = await self._search.whole_refund(entry)
            if not isinstance(said, dict) or "metadata" not in said:
                raise OutcomeUnknown("dodo: a refund does not tell whose it is")
            if words.named(said, words.REFUND) == refund.id:
                return words.refund_said(said, hearing)
        return self._no_refund(refund, now)

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Heard]:
        secrets = [self._secrets.webhook_secret, self._secrets.previous_webhook_secret]
        live = [secret.get_secret_value() for secret in secrets if secret is not None]
        event_id = verify(live, headers, body, now)
        hearing = Hearing(event_id, now, self._secrets.play_money, Channel.WEBHOOK)
        try:
            said = events.told(json.loads(body), hearing)
        except (ValueError, RecursionError, OutcomeUnknown) as error:
            raise UnreadableEvent("dodo: an authentic event cannot be read") from error
        return [] if said is None else [said.model_copy(update={"evidence_sha256": evidence(body)})]

    # --- Disputes and books -------------------------------------------------------------------------

    async def read_dispute(self, reference: str, now: datetime) -> DisputeObservation:
        said = await answered(self._api.disputes.with_raw_response.retrieve(reference))
        return words.dispute_said(said, self._hearing("read", reference, now))

    async def list_payments(self, window: Window, cursor: str | None, now: datetime) -> Page:
        number = int(cursor or 0)
        call = self._api.payments.with_raw_response.list(
            created_at_gte=window.since,
            created_at_lte=window.until,
            status="succeeded",
            page_number=number,
            page_size=PER_PAGE,
        )
        found = await items(call)
        ours = [each for each in found if not words.is_bill(each)]
        return self._page(Subject.PAYMENT, ours, window, now, _after(number, found, PER_PAGE))

    async def list_refunds(self, window: Window, cursor: str | None, now: datetime) -> Page:
        number = int(cursor or 0)
        call = self._api.refunds.with_raw_response.list(
            created_at_gte=window.since,
            created_at_lte=window.until,
            page_number=number,
            page_size=_REFUNDS_PER_PAGE,
        )
        found = await items(call)
        whole = [await self._search.whole_refund(entry) for entry in found]
        return self._page(Subject.REFUND, whole, window, now, _after(number, found, _REFUNDS_PER_PAGE))

    async def list_disputes(self, window: Window, cursor: str | None, now: datetime) -> Page:
        number = int(cursor or 0)
        call = self._api.disputes.with_raw_response.list(
            created_at_gte=window.since,
            created_at_lte=window.until,
            page_number=number,
            page_size=PER_PAGE,
        )
        found = await items(call)
        return self._page(Subject.DISPUTE, found, window, now, _after(number, found, PER_PAGE))

    # --- Customers and charges without them ---------------------------------------------------------

    async def ensure_customer(self, customer: Customer) -> str:
        email = customer.email
        if email is None:
            raise ProviderRejected("dodo: a customer needs an e-mail address")
        calls = self._api.customers.with_raw_response
        async for known in every(lambda page: calls.list(email=email, page_number=page, page_size=PER_PAGE)):
            if words.named(known, words.CUSTOMER) == customer.id:
                return text(known, "customer_id")
        wanted = {words.CUSTOMER: customer.id}
        said = await answered(calls.create(email=email, name=customer.name or email, metadata={**wanted}))
        return text(said, "customer_id")

    async def portal_url(self, customer: str, return_url: str) -> str:
        calls = self._api.customers.customer_portal.with_raw_response
        said = await answered(calls.create(customer, return_url=return_url))
        try:
            return web_page(said.get("link"))
        except ValueError as error:
            raise OutcomeUnknown("dodo: the answer names no page") from error

    async def saved_methods(self, customer: str) -> tuple[SavedMethod, ...]:
        found = await items(self._api.customers.with_raw_response.retrieve_payment_methods(customer))
        return tuple(words.saved_method(each) for each in found)

    async def charge_saved(self, charge: Charge, now: datetime) -> Observation:
        hearing = self._hearing("charge", charge.payment_id, now)
        payment = await self._search.payment_of(charge.payment_id, hearing)
        if payment is None:
            calls = self._api.subscriptions.with_raw_response
            begun = await answered(
                calls.charge(
                    charge.method,
                    product_price=counted(charge.money),
                    product_currency=cast("Currency", charge.money.currency),
                    product_description=charge.description,
                    # Its fee for converting comes out of the price; the payer pays what was ordered.
                    adaptive_currency_fees_inclusive=True,
                    metadata={words.PAYMENT: charge.payment_id},
                )
            )
            payment = await self._search.just_begun(text(begun, "payment_id"))
        return words.charged(payment, hearing)

    # --- Subscriptions ------------------------------------------------------------------------------

    async def subscribe(self, order: SubscriptionOrder) -> Checkout:
        wanted: CheckoutSessionCreateParams = {
            "product_cart": [{"product_id": order.price, "quantity": order.quantity}],
            "customer": {"customer_id": order.customer},
            "metadata": {words.SUBSCRIPTION: order.subscription_id},
            "return_url": order.success_url,
            "cancel_url": order.cancel_url,
        }
        if order.trial_days is not None:
            wanted["subscription_data"] = {"trial_period_days": order.trial_days}
        return await self._opened(wanted)

    async def read_subscription(self, reference: str, now: datetime) -> SubscriptionObservation:
        said = await answered(self._api.subscriptions.with_raw_response.retrieve(reference))
        return billing.subscription_said(said, self._hearing("read", reference, now))

    async def cancel_subscription(
        self, reference: str, now: datetime, *, at_period_end: bool
    ) -> SubscriptionObservation:
        calls = self._api.subscriptions.with_raw_response
        try:
            if at_period_end:
                said = await answered(calls.update(reference, cancel_at_next_billing_date=True))
            else:
                said = await answered(calls.update(reference, status="cancelled"))
        except ProviderRejected:
            # Perhaps it has ended already: then there is nothing to refuse.
            there = await self.read_subscription(reference, now)
            if there.word not in _ENDED:
                raise
            return there
        return billing.subscription_said(said, self._hearing("cancel", reference, now))

    async def keep_subscription(self, reference: str, now: datetime) -> SubscriptionObservation:
        calls = self._api.subscriptions.with_raw_response
        said = await answered(calls.update(reference, cancel_at_next_billing_date=False))
        return billing.subscription_said(said, self._hearing("keep", reference, now))

    async def change_subscription(
        self, reference: str, change: PlanChange, now: datetime
    ) -> SubscriptionObservation:
        there = await self.read_subscription(reference, now)
        if (there.price, there.quantity) == (change.price, change.quantity):
            return there
        await answered(
            self._api.subscriptions.with_raw_response.change_plan(
                reference,
                product_id=change.price,
                quantity=change.quantity,
                proration_billing_mode=_PRORATIONS[change.proration],
                # Nobody has a dearer plan who could not pay for it.
                on_payment_failure="prevent_change",
            )
        )
        try:
            return await self.read_subscription(reference, now)
        except (ProviderRejected, ProviderUnavailable) as error:
            raise OutcomeUnknown("dodo took the change, and does not say what became of it") from error

    # ------------------------------------------------------------------------------------------------

    def _home(self) -> str:
        return _HOMES[self._secrets.environment]

    def _refusal(self, status: int, said: Mapping[str, Any]) -> ProviderError | None:
        code = said.get("code")
        if status not in _CODED or not isinstance(code, str) or not re.fullmatch("[A-Z_]{1,64}", code):
            return None
        usual = ProviderConflict if status == 409 else ProviderRejected
        return _CODES.get(code, usual)(f"dodo answered {status}: {code}")

    def _hearing(self, how: str, about: str, now: datetime) -> Hearing:
        return Hearing(f"{how}:{now.isoformat()}:{about}", now, self._secrets.play_money)

    async def _opened(self, wanted: "CheckoutSessionCreateParams") -> Checkout:
        said = await answered(self._api.checkout_sessions.with_raw_response.create(**wanted))
        try:
            return Checkout(reference=said["session_id"], url=said["checkout_url"])
        except (KeyError, ValidationError) as error:
            raise OutcomeUnknown("dodo: the answer names no checkout") from error

    async def _look(self, reference: str, hearing: Hearing) -> Observation:
        try:
            session, payment = await self._search.behind(reference)
        except ProviderNotFound:
            return self._absent(reference, hearing.at, reference=reference, channel=hearing.channel)
        if payment is None:
            return words.unpaid(session, reference, hearing)
        return words.payment_said(payment, hearing, reference)

    def _page(
        self, subject: Subject, found: list[Any], window: Window, now: datetime, after: str | None
    ) -> Page:
        listed = [words.listed(subject, each, self._hearing("listed", subject, now)) for each in found]
        made = (each for each in listed if each.made_at is None or each.made_at < window.until)
        return Page(items=tuple(made), next_cursor=after)


def _after(number: int, found: list[Any], size: int) -> str | None:
    return None if len(found) < size else str(number + 1)
