"""What a user may do because something was paid for."""

from datetime import datetime
from typing import Annotated

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
    period runs.
    """

    id: str
    user_id: str
    feature: str
    quantity: int
    source_type: str
    source_id: str
    valid_from: datetime
    valid_to: datetime | None
    active: bool
