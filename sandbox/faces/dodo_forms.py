"""What Dodo Payments' API is asked with. Unknown fields are passed over, as it does."""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from sandbox.errors import Refused
from sandbox.faces.dodo_products import LEAST, Plan, plan
from sandbox.wire import LARGEST_BODY, Instant, WebAddress

_LARGEST_AMOUNT = 2**31 - 1
PAYMENT, REFUND = "paysaga_payment", "paysaga_refund"
SUBSCRIPTION, CUSTOMER = "paysaga_subscription", "paysaga_customer"
"""The names under which our references travel in metadata."""

Amount = Annotated[int, Field(ge=1, le=_LARGEST_AMOUNT)]
Metadata = Annotated[dict[str, str], Field(max_length=50, default_factory=dict)]


class Form(BaseModel):
    """A JSON body."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class CartItem(Form):
    """Some pieces of one product. Every product here lets the payer's amount be chosen by the merchant."""

    product_id: Annotated[str, Field(min_length=1, max_length=100)]
    quantity: Annotated[int, Field(ge=1, le=_LARGEST_AMOUNT)]
    amount: Amount | None = None

    @property
    def price(self) -> int:
        """What the pieces cost together."""
        if self.amount is None:
            raise Refused(422, "PAY_AS_YOU_WANT_AMOUNT_REQUIRED", "no product here has a price of its own")
        return self.amount * self.quantity


class Customer(Form):
    """Who pays: somebody known, or somebody new."""

    customer_id: str | None = None
    email: Annotated[str, Field(max_length=254)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None


class BillingAddress(Form):
    """Where the payer lives."""

    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    city: str | None = None
    state: str | None = None
    street: str | None = None
    zipcode: str | None = None


class SubscriptionData(Form):
    """How a subscription begins."""

    trial_period_days: Annotated[int, Field(ge=0, le=10_000)] | None = None


class NewSession(Form):
    """The body of ``POST /checkouts``."""

    product_cart: Annotated[list[CartItem], Field(max_length=20)]
    customer: Customer | None = None
    billing_address: BillingAddress | None = None
    billing_currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    metadata: Metadata
    return_url: WebAddress | None = None
    cancel_url: WebAddress | None = None
    confirm: bool = False
    payment_method_id: str | None = None
    subscription_data: SubscriptionData | None = None

    def check(self) -> None:
        """Refuse what is not played here, and an empty cart."""
        if self.confirm or self.payment_method_id or (self.subscription_data and not self.plan):
            raise Refused(422, "unprocessable_entity", "the sandbox plays hosted checkouts only")
        if not self.product_cart:
            raise Refused(422, "PRODUCT_CART_EMTPY", "product_cart is empty")  # spelt as Dodo spells it
        if self.amount > _LARGEST_AMOUNT:
            raise Refused(422, "unprocessable_entity", "the cart costs more than a payment can carry")
        if self.amount < LEAST.get(self.currency, 1):
            raise Refused(422, "unprocessable_entity", "the cart costs less than a payment has to")

    @property
    def plan(self) -> Plan | None:
        """What is subscribed to, if that is what the cart holds."""
        return plan(self.product_cart[0].product_id) if len(self.product_cart) == 1 else None

    @property
    def trial_days(self) -> int:
        """How long nothing is taken."""
        return (self.subscription_data and self.subscription_data.trial_period_days) or 0

    @property
    def currency(self) -> str:
        """What the cart is paid in."""
        return self.plan.currency if self.plan else self.billing_currency or "USD"

    @property
    def amount(self) -> int:
        """What the whole cart costs."""
        if self.plan:
            return self.plan.amount * self.product_cart[0].quantity
        return sum(item.price for item in self.product_cart)


class RefundItem(Form):
    """A part of a refund: one product of the cart, whole unless an amount is named."""

    item_id: str
    amount: Amount | None = None


class NewRefund(Form):
    """The body of ``POST /refunds``."""

    payment_id: str
    items: Annotated[list[RefundItem], Field(min_length=1)] | None = None
    currency: str | None = None
    reason: Annotated[str, Field(max_length=3000)] | None = None
    metadata: Metadata


class NewCustomer(Form):
    """The body of ``POST /customers``."""

    email: Annotated[str, Field(min_length=1, max_length=254)]
    name: Annotated[str, Field(max_length=200)]
    metadata: Metadata


class Patch(Form):
    """The body of ``PATCH /subscriptions/{id}``, as far as it is played."""

    cancel_at_next_billing_date: bool | None = None
    status: Literal["cancelled"] | None = None


class NewPlan(Form):
    """The body of ``POST /subscriptions/{id}/change-plan``."""

    product_id: str
    quantity: Annotated[int, Field(ge=1, le=_LARGEST_AMOUNT)]
    proration_billing_mode: Literal["prorated_immediately", "prorated_immediately_keep_cycle", "do_not_bill"]
    on_payment_failure: Literal["prevent_change"] = "prevent_change"


class Lookup(BaseModel):
    """The query string of a list; the first page is number 0."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    created_at_gte: Instant | None = None
    created_at_lte: Instant | None = None
    page_number: Annotated[int, Field(ge=0)] = 0
    page_size: Annotated[int, Field(ge=1, le=100)] = 10
    status: str | None = None
    dispute_status: str | None = None
    dispute_stage: str | None = None
    customer_id: str | None = None
    email: str | None = None


B = TypeVar("B", bound=BaseModel)


async def read(request: Request, model: type[B]) -> B:
    """Read a JSON body or refuse it, without echoing what was in it."""
    raw = await request.body()
    if len(raw) > LARGEST_BODY:
        raise Refused(413, "payload_too_large", "a body is at most 256 KiB")
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise _explained(error) from None


def read_query(request: Request) -> Lookup:
    """Read a query string or refuse it."""
    try:
        return Lookup.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise _explained(error) from None


def _explained(error: ValidationError) -> Refused:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return Refused(422, "unprocessable_entity", f"{place}: {first['msg']}" if place else first["msg"])
