"""Where a tenant listens, and to what: its webhook endpoints, without their secrets."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Final

from domain.values import Value

MOST_ENDPOINTS: Final = 16
"""Of one tenant, those that it deleted not counted: each event may become as many deliveries."""
TEST: Final = "endpoint.test"
"""Asked for by hand, and sent to the one endpoint that it tests."""


class EndpointStatus(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    """It is sent nothing; what there is to tell waits for it."""
    DELETED = "deleted"
    """Its tenant sees it no more. The row stays, because what was sent there names it."""


class DisabledReason(StrEnum):
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """It met nothing but failures for days."""
    TENANT = "tenant"
    """Its tenant wanted it so."""


class Endpoint(Value):
    id: str
    tenant_id: str
    sandbox: bool
    url: str
    events: tuple[str, ...] | None = None
    """The types it wants to hear of; None: all of them."""
    description: str | None = None
    status: EndpointStatus = EndpointStatus.ENABLED
    disabled_reason: DisabledReason | None = None
    failing_since: datetime | None = None
    """Since when it has met nothing but failures."""
    slow_until: datetime | None = None
    """It has taken long to answer: until then few of a worker's hands are for it."""
    previous_until: datetime | None = None
    """Until when its secret of before signs beside the present one."""
    created_at: datetime
    updated_at: datetime

    @property
    def enabled(self) -> bool:
        return self.status is EndpointStatus.ENABLED


def hears(wanted: Collection[str] | None, type_: str) -> bool:
    """Whether an endpoint that wants these types is told of such an event without having asked for it."""
    return type_ != TEST and (wanted is None or type_ in wanted)
