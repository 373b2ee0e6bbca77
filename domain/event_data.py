"""What the ``data`` of an event holds, member by member. The catalogue in the documents is made of these.

Members are only ever added. What is not set is left out; what may be null says so.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from domain.billing import Access, SubscriptionStatus
from domain.dispute import DisputeState
from domain.endpoint import DisabledReason
from domain.event_types import EVENT_TYPES
from domain.invoice import InvoiceStatus
from domain.payment import PaymentStatus
from domain.reconciliation import Drift, Subject
from domain.refund import RefundState
from domain.subscription import InvoiceWord
from domain.values import Value

Amount = Annotated[int, Field(description="In the currency's smallest unit.")]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Data(Value):
    """camelCase on the wire, snake_case in Python."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    def told(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


class PaymentData(Data):
    payment_id: str
    user_id: str
    order_id: str | None
    amount: Annotated[Amount, Field(description="What was ordered, in the currency's smallest unit.")]
    currency: str
    status: Annotated[PaymentStatus, Field(description="The payment's status with this event.")]
    provider: str
    late: Annotated[bool, Field(description="Whether money arrived after the end.")]
    metadata: Annotated[dict[str, str], Field(description="Yours, as you sent it.")]
    amount_captured: Annotated[Amount, Field(description="What arrived; there once money has.")] = 0
    currency_captured: Annotated[str, Field(description="Its currency.")] = ""
    failure_code: Annotated[str, Field(description="There after a failure or a decline.")] = ""
    failure_message: Annotated[str | None, Field(description="The same for people; may change.")] = None


class RefundData(Data):
    refund_id: str
    payment_id: str
    amount: Annotated[Amount, Field(description="What goes back, in the currency's smallest unit.")]
    currency: str
    status: Annotated[RefundState, Field(description="The refund's status with this event.")]
    reason: Annotated[str | None, Field(description="Yours; null for one that is not yours.")]
    approval_id: Annotated[str, Field(description="There when a second person decides, or decided.")] = ""
    failure_code: Annotated[
        str, Field(description="There after a failure or a rejection for want of time.")
    ] = ""
    failure_message: Annotated[str | None, Field(description="The same for people; may change.")] = None


class DisputeData(Data):
    dispute_id: str
    payment_id: str
    amount: Annotated[Amount, Field(description="What is fought over, in the currency's smallest unit.")]
    currency: str
    status: Annotated[DisputeState, Field(description="The dispute's status with this event.")]
    reason: Annotated[str | None, Field(description="The bank's word for why.")]
    evidence_due_by: Annotated[Moment | None, Field(description="When the bank stops listening, if it said.")]


class EntitlementData(Data):
    entitlement_id: str
    payment_id: Annotated[
        str | None,
        Field(description="The payment it stands and falls with; null for a trial or a free plan."),
    ]
    subscription_id: Annotated[str, Field(description="There when a subscription gives it.")] = ""
    user_id: str
    feature: str
    quantity: int


class SubscriptionData(Data):
    subscription_id: str
    user_id: str
    status: SubscriptionStatus
    access: Annotated[Access, Field(description="What this status gives.")]
    plan_id: str
    price_id: str
    quantity: int
    current_period_start: Moment | None
    current_period_end: Moment | None
    trial_end: Moment | None
    cancel_at_period_end: bool
    pending_price_id: Annotated[str | None, Field(description="The price from the next period on.")]
    pending_quantity: int | None


class InvoiceData(Data):
    invoice_id: str
    number: Annotated[int | None, Field(description="Of yours, without gaps; null for a draft.")]
    subscription_id: str
    user_id: str
    status: InvoiceStatus
    currency: str
    total: Amount
    amount_due: Annotated[Amount, Field(description="What is left of it after credit.")]
    replaced_by: Annotated[str | None, Field(description="The invoice that took the place of a void one.")]
    payment_id: Annotated[str, Field(description="The payment that paid it, or failed to.")] = ""
    failure_code: Annotated[str | None, Field(description="Why that one failed.")] = None


class BillData(Data):
    invoice_id: Annotated[None, Field(description="The company wrote this bill: it is no invoice of ours.")]
    provider_reference: Annotated[str, Field(description="What the company calls it.")]
    subscription_id: str
    user_id: str
    status: InvoiceWord
    currency: str | None
    total: Amount | None


class MismatchData(Data):
    difference_id: str
    run_id: str
    class_: Annotated[Drift, Field(alias="class", description="In which way the books differ.")]
    subject: Subject
    provider: str
    payment_id: str | None
    our_id: str | None
    provider_reference: str | None
    here: Annotated[str, Field(description="What our books say.")]
    there: Annotated[str, Field(description="What theirs say.")]


class EndpointDisabledData(Data):
    endpoint_id: str
    url: str
    reason: Annotated[
        DisabledReason,
        Field(description="`gone`: it answered 410. `failing`: failures only, for 120 hours."),
    ]
    failing_since: Moment | None
    last_status: Annotated[int | None, Field(description="Its last answer; null if there was none.")]


class EndpointTestData(Data):
    endpoint_id: str
    message: str


_OF_NOUN: Final[Mapping[str, tuple[type[Data], ...]]] = {
    "payment": (PaymentData,),
    "refund": (RefundData,),
    "dispute": (DisputeData,),
    "entitlement": (EntitlementData,),
    "subscription": (SubscriptionData,),
    # The second where a company keeps the schedule, and writes the bills.
    "invoice": (InvoiceData, BillData),
    "reconciliation.mismatch": (MismatchData,),
    "endpoint.disabled": (EndpointDisabledData,),
    "endpoint.test": (EndpointTestData,),
}
EVENT_DATA: Final[Mapping[str, tuple[type[Data], ...]]] = {
    type_: _OF_NOUN.get(type_) or _OF_NOUN[type_.partition(".")[0]] for type_ in EVENT_TYPES
}
"""Which forms the ``data`` of an event of this type has."""


def is_described(type_: str, data: Mapping[str, Any]) -> bool:
    """Whether the catalogue knows such an event, member by member."""
    return any(_fits(form, data) for form in EVENT_DATA.get(type_, ()))


def _fits(form: type[Data], data: Mapping[str, Any]) -> bool:
    try:
        return form.model_validate(data).told() == data
    except ValidationError:
        return False
