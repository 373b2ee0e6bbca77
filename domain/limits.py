"""How often somebody may ask, and what is counted."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from domain.values import Value

# How many entries a window holds, up to twice as many.
_KEPT: Final = 200
# A process takes no more of a window at once than one of so many shares.
_SHARES: Final = 20
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

    A process that is asked often takes several tickets at once, and uses them within half the window, at most
    a second. So it is certain that no more than ``most`` are let in within any half window, and over time no
    more than the rate says. Of a small rate it takes one at a time, which is used at once: that is exact.
    """

    most: Annotated[int, Field(ge=1, le=100_000_000)]
    seconds: Annotated[int, Field(ge=1, le=3600)]

    @property
    def ticket(self) -> int:
        """How many requests one ticket lets in: one, unless a window were too long with so many."""
        return max(1, self.most // _KEPT)

    @property
    def tickets(self) -> int:
        """How many tickets there are in a window."""
        return self.most // self.ticket

    @property
    def at_once(self) -> int:
        """How many of them one process may take at once."""
        return max(1, self.tickets // _SHARES)

    @property
    def ticket_life(self) -> timedelta:
        return min(_LONGEST, timedelta(seconds=self.seconds) / 2)
