"""How well a provider account can be used: what the processes that call it have met with lately."""

from datetime import timedelta
from enum import StrEnum

from domain.values import Value


class Health(StrEnum):
    """From good to bad: whoever asks is told the worst that any process knows of."""

    OK = "ok"
    TROUBLED = "troubled"
    """Calls have failed a moment ago; it is called as ever."""
    CLOSED = "closed"
    """So many failed in a row that it is left alone, but for a try now and then."""
    REFUSED = "refused"
    """The company does not accept the credentials; it is left alone as well."""


class Condition(Value):
    """What one process says of an account, with whose credentials."""

    state: Health = Health.OK
    failures: int = 0
    """In a row, and none since."""
    lasting: timedelta = timedelta()
    """How long it has been in this state."""
    last_failure: str | None = None
    """In our words, never in the company's."""


WELL = Condition()
