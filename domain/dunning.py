"""When a renewal that was not paid is tried again, and when no more."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

RETRIED_ON: Final = tuple(timedelta(days=day) for day in (2, 7, 14, 21))
"""After the first try, on the day the period began (contract, section 4)."""

NO_METHOD: Final = "no_method"
"""Our own: nothing is saved that could be charged."""

# Reasons after which a bank does not want to be asked again: only another card helps.
HARD: Final = frozenset(
    {
        "authentication_required",
        "expired_card",
        "fraudulent",
        "incorrect_number",
        "invalid_account",
        "lost_card",
        NO_METHOD,
        "pickup_card",
        "restricted_card",
        "stolen_card",
    }
)


def next_try(
    first_at: datetime, tries: int, *, hard: bool, marks: Sequence[timedelta] = RETRIED_ON
) -> datetime | None:
    """When to try again after so many ``tries``, the first included; None when that was the last.

    The marks count from the first try, so one that was late does not push the others back.
    """
    if hard or tries < 1 or tries > len(marks):
        return None
    return first_at + marks[tries - 1]
