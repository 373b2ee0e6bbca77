"""What Stripe's API is asked with. Parameters that change nothing here are known and passed over."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.errors import Refused
from sandbox.faces.forms import Form, Metadata
from sandbox.faces.stripe_objects import EVIDENCE
from sandbox.wire import WebAddress

_LARGEST_AMOUNT = 10**12
PAYMENT, REFUND = "paysaga_payment", "paysaga_refund"
CUSTOMER, SETUP = "paysaga_customer", "paysaga_setup"
"""The names under which our references travel in metadata."""

Amount = Annotated[int, Field(ge=1, le=_LARGEST_AMOUNT)]


class Expanding(Form):
    """A call that may ask for whole objects in the place of ids."""

    expand: list[str] = Field(default_factory=list)


class ProductData(Form):
    """What is sold."""

    IDLE: ClassVar[frozenset[str]] = frozenset(
        {"description", "images", "metadata", "tax_code", "tax_details", "unit_label"}
    )

    name: Annotated[str, Field(min_length=1, max_length=250)]


class PriceData(Form):
    """What one piece costs."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"tax_behavior"})

    currency: Annotated[str, Field(pattern="^[A-Za-z]{3}$")]
    unit_amount: Annotated[int, Field(ge=0, le=_LARGEST_AMOUNT)]
    product_data: ProductData


class LineItem(Form):
    """Some pieces of one thing. Prices made beforehand are unknown here."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"adjustable_quantity", "metadata", "tax_rates"})

    price_data: PriceData
    quantity: Annotated[int, Field(ge=1)]


class IntentData(Form):
    """What the payment intent is to carry."""

    IDLE: ClassVar[frozenset[str]] = frozenset(
        {
            *("capture_method", "receipt_email", "shipping"),
            *("statement_descriptor", "statement_descriptor_suffix", "transfer_group"),
        }
    )

    description: str | None = None
    metadata: Metadata = Field(default_factory=dict)
    setup_future_usage: Literal["off_session", "on_session"] | None = None


class NewSession(Expanding):
    """The parameters of ``POST /v1/checkout/sessions``."""

    IDLE: ClassVar[frozenset[str]] = frozenset(
        {
            *(
                "adaptive_pricing",
                "after_expiration",
                "allow_promotion_codes",
                "allowed_payment_method_types",
            ),
            *("automatic_tax", "billing_address_collection", "branding_settings", "consent_collection"),
            *("currency", "custom_fields", "custom_text", "customer_creation", "customer_update"),
            *("excluded_payment_method_types", "integration_identifier", "invoice_creation", "locale"),
            *(
                "name_collection",
                "origin_context",
                "payment_method_collection",
                "payment_method_configuration",
            ),
            *("payment_method_data", "payment_method_options", "payment_method_types", "permissions"),
            *("phone_number_collection", "saved_payment_method_options", "submit_type", "tax_id_collection"),
            "wallet_options",
        }
    )

    mode: Literal["payment"]
    ui_mode: Literal["hosted", "hosted_page"] = "hosted_page"
    line_items: Annotated[list[LineItem], Field(min_length=1, max_length=100)]
    success_url: WebAddress
    cancel_url: WebAddress | None = None
    client_reference_id: Annotated[str, Field(max_length=200)] | None = None
    customer: str | None = None
    customer_email: Annotated[str, Field(max_length=512)] | None = None
    expires_at: int | None = None
    metadata: Metadata = Field(default_factory=dict)
    payment_intent_data: IntentData = IntentData()

    @model_validator(mode="after")
    def _names_the_payer_once(self) -> "NewSession":
        if self.customer is not None and self.customer_email is not None:
            raise ValueError("customer and customer_email are not named together")
        return self

    @property
    def currency(self) -> str:
        """The one currency of all items."""
        currencies = {item.price_data.currency.upper() for item in self.line_items}
        if len(currencies) > 1:
            raise Refused(400, "invalid_request", "all line items share one currency", "line_items")
        return currencies.pop()

    @property
    def amount(self) -> int:
        """What all items cost, as Stripe counts."""
        return sum(item.price_data.unit_amount * item.quantity for item in self.line_items)

    @property
    def description(self) -> str:
        """What the payer is shown."""
        return self.line_items[0].price_data.product_data.name

    @property
    def reference(self) -> str | None:
        """The caller's payment id, wherever it travels."""
        carried = (self.metadata.get(PAYMENT), self.payment_intent_data.metadata.get(PAYMENT))
        return self.client_reference_id or carried[0] or carried[1]

    def kept(self) -> dict[str, Any]:
        """What has to be shown again."""
        return {
            "client_reference_id": self.client_reference_id,
            "customer": self.customer,
            "success_url": self.success_url,
            "ui_mode": self.ui_mode,
            "intent_metadata": self.payment_intent_data.metadata,
            "intent_description": self.payment_intent_data.description,
        }


class SetupData(Form):
    """What the setup intent is to carry; no setup intent is shown here."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"description", "metadata", "on_behalf_of"})


class NewSetup(Expanding):
    """The parameters of ``POST /v1/checkout/sessions`` of mode ``setup``."""

    IDLE: ClassVar[frozenset[str]] = NewSession.IDLE | {"metadata"}

    mode: Literal["setup"]
    ui_mode: Literal["hosted", "hosted_page"] = "hosted_page"
    customer: str
    success_url: WebAddress
    cancel_url: WebAddress | None = None
    client_reference_id: Annotated[str, Field(max_length=200)] | None = None
    expires_at: int | None = None
    setup_intent_data: SetupData = SetupData()


class NewCustomer(Expanding):
    """The parameters of ``POST /v1/customers``."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"address", "description", "phone", "preferred_locales"})

    email: Annotated[str, Field(max_length=512)] | None = None
    name: Annotated[str, Field(max_length=256)] | None = None
    metadata: Metadata = Field(default_factory=dict)


class Search(Form):
    """The query string of ``GET /v1/customers/search``."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"limit", "page"})

    query: Annotated[str, Field(min_length=1, max_length=1_000)]


class NewIntent(Expanding):
    """The parameters of ``POST /v1/payment_intents``: nobody is there, so it is confirmed at once."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"automatic_payment_methods", "payment_method_types"})

    amount: Amount
    currency: Annotated[str, Field(pattern="^[A-Za-z]{3}$")]
    customer: str
    payment_method: str
    confirm: bool
    off_session: bool
    description: Annotated[str, Field(max_length=1_000)] | None = None
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_without_the_payer(self) -> "NewIntent":
        if not (self.confirm and self.off_session):
            raise ValueError("the sandbox makes payment intents that are confirmed off session")
        return self

    @property
    def reference(self) -> str | None:
        """The caller's payment id."""
        return self.metadata.get(PAYMENT)


class Cancellation(Expanding):
    """The parameters of ``POST /v1/payment_intents/{id}/cancel``."""

    cancellation_reason: Literal["duplicate", "fraudulent", "requested_by_customer", "abandoned"] | None = (
        None
    )


class NewPortal(Expanding):
    """The parameters of ``POST /v1/billing_portal/sessions``."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"configuration", "locale"})

    customer: str
    return_url: WebAddress


class NewRefund(Expanding):
    """The parameters of ``POST /v1/refunds``."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"instructions_email"})

    payment_intent: str | None = None
    charge: str | None = None
    amount: Amount | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_one(self) -> "NewRefund":
        if (self.payment_intent is None) == (self.charge is None):
            raise ValueError("one of payment_intent and charge is named")
        return self

    @property
    def reference(self) -> str | None:
        """The caller's own name for the refund."""
        return self.metadata.get(REFUND)


class Changes(Expanding):
    """The parameters of ``POST /v1/disputes/{id}``."""

    evidence: dict[str, Annotated[str, Field(max_length=20_000)]] = Field(default_factory=dict)
    submit: bool = True
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_evidence(self) -> "Changes":
        unknown = sorted(set(self.evidence) - EVIDENCE)
        if unknown:
            raise Refused(
                400, "parameter_unknown", f"Received unknown parameter: evidence[{unknown[0]}]", "evidence"
            )
        return self


class Range(BaseModel):
    """A stretch of time, in seconds since 1970."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gt: int | None = None
    gte: int | None = None
    lt: int | None = None
    lte: int | None = None

    def holds(self, instant: int) -> bool:
        """Say whether an instant lies within."""
        return (
            (self.gt is None or instant > self.gt)
            and (self.gte is None or instant >= self.gte)
            and (self.lt is None or instant < self.lt)
            and (self.lte is None or instant <= self.lte)
        )


class Lookup(Expanding):
    """The query string of a list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    starting_after: str | None = None
    ending_before: str | None = None
    created: Range | int | None = None
    status: Literal["open", "complete", "expired"] | None = None
    payment_intent: str | None = None
    charge: str | None = None

    def fits(self, instant: int) -> bool:
        """Say whether something made at an instant belongs into the list."""
        if self.created is None:
            return True
        return self.created.holds(instant) if isinstance(self.created, Range) else instant == self.created
