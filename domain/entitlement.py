"""What a user may do because something was paid for."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from domain.values import Value


class Grant(Value):
    """What an order promises to its user, once paid. Without a duration it does not end."""

    feature: Annotated[str, Field(min_length=1, max_length=128)]
    quantity: Annotated[int, Field(ge=1)] = 1
    duration_seconds: Annotated[int, Field(ge=1)] | None = None


class Entitlement(Value):
    """A granted right as it stands at the moment it was read.

    ``active`` is computed, never stored: paid, not fully refunded, no open or lost dispute, and the
    period runs. That of a subscription is active while its status gives access, under the same conditions
    on the payment of its period.
    """

    id: str
    user_id: str
    feature: str
    quantity: int
    limit: int | None = None
    """How much of it in the period; None is as much as one likes."""
    used: int = 0
    source_type: Literal["payment", "subscription"]
    source_id: str
    payment_id: str | None
    """The payment that it stands and falls with; none for a trial and a free plan."""
    valid_from: datetime
    valid_to: datetime | None
    active: bool
