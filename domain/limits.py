"""How often somebody may ask, and what is counted."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from domain.values import Value

# A window that lets in more than this many at once is counted in tickets.
_COUNTED_ONE_BY_ONE: Final = 20
_LONGEST: Final = timedelta(seconds=1)


class Scope(StrEnum):
    """What is counted, each apart from the others."""

    TENANT = "tenant"
    """Requests with a tenant's token."""
    LOGIN = "login"
    """Logins of an app, whether they open or not."""
    FAILED_LOGIN = "failed_login"
    """Logins from an address that do not open, whatever their app."""
    PUBLIC = "public"
    """Requests from an address that need no token of a tenant."""
    FORGERY = "forgery"
    """Provider webhooks from an address that do not verify."""
    CLAIM = "claim"
    """Refusals on a tenant's record of people who only claim to be of it."""


class Rate(Value):
    """At most ``most`` in any ``seconds``, over all processes.

    Small rates are counted one by one, and exactly. Of large ones a process takes a ticket for several
    requests, and uses it within half the window, at most a second. So it is certain that no more than
    ``most`` are let in within any half window, and over time no more than the rate says.
    """

    most: Annotated[int, Field(ge=1, le=100_000_000)]
    seconds: Annotated[int, Field(ge=1, le=3600)]

    @property
    def ticket(self) -> int:
        """How many requests one ticket lets in."""
        return max(1, self.most // _COUNTED_ONE_BY_ONE)

    @property
    def tickets(self) -> int:
        """How many tickets there are in a window."""
        return self.most // self.ticket

    @property
    def ticket_life(self) -> timedelta:
        return min(_LONGEST, timedelta(seconds=self.seconds) / 2)
