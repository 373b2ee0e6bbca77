"""What the platform tells a tenant: events, the endpoints they are sent to, and each try to send one."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from paysaga_client.models.base import Answer, Word

EndpointStatus = Annotated[Literal["enabled", "disabled"], Word]
DisabledReason = Annotated[Literal["gone", "failing", "tenant"], Word]
DeliveryStatus = Annotated[Literal["pending", "delivered", "exhausted", "dropped"], Word]


class EventData(Answer):
    """What an event is about. Which members there are depends on its type; the others are None.

    Everything else it says is in ``model_extra``, under the names of the wire.
    """

    payment_id: str | None = None
    order_id: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None
    entitlement_id: str | None = None
    subscription_id: str | None = None
    invoice_id: str | None = None
    endpoint_id: str | None = None
    user_id: str | None = None
    feature: str | None = None
    amount: int | None = None
    currency: str | None = None
    status: str | None = None
    access: str | None = None
    reason: str | None = None
    failure_code: str | None = None
    metadata: dict[str, str] | None = None


class Event(Answer):
    """One thing that happened. It may come twice and out of order: ``event_id`` and ``sequence`` tell."""

    event_id: str
    event_type: str
    type: str
    timestamp: AwareDatetime
    tenant_id: str
    sandbox: bool
    sequence: int
    data: EventData


class WebhookEndpoint(Answer):
    id: str
    url: str
    events: tuple[str, ...] | None
    """None: all of them."""
    description: str | None
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    failing_since: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    previous_secret_expires_at: AwareDatetime | None


class WebhookEndpointWithSecret(WebhookEndpoint):
    secret: str = Field(repr=False)
    """Shown once."""


class RotatedSecret(Answer):
    secret: str = Field(repr=False)


class SentRequest(Answer):
    url: str
    headers: dict[str, str]
    body: str | None = None


class ReceivedResponse(Answer):
    headers: dict[str, str]
    body: str
    """Its first 2 KiB."""


class Attempt(Answer):
    number: int
    at: AwareDatetime
    duration_ms: int
    status: int | None
    error: str | None
    request: SentRequest
    response: ReceivedResponse | None


class Delivery(Answer):
    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    sequence: int
    status: DeliveryStatus
    attempts: tuple[Attempt, ...]
    next_attempt_at: AwareDatetime | None
    created_at: AwareDatetime
    delivered_at: AwareDatetime | None


class Recovery(Answer):
    recovered: int
    complete: bool
    """False: there is more than one request may do; ask again."""
