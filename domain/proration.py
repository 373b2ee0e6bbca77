"""What a change within a period comes to. Integers only, and one rule for rounding: nothing gets lost.

What is left of a price is what would be left of any other price of that amount, so whoever changes there and
back at one instant owes nothing. A preview and its invoice call the same function with the same instant.
"""

from datetime import datetime, timedelta

from domain.calendar import Period

_UNIT = timedelta(microseconds=1)


def left(amount_minor: int, period: Period, now: datetime) -> int:
    """What of an amount for a whole period falls to the rest of it: half a minor unit rounds up.

    ``now`` outside of the period counts as its nearer end.
    """
    whole = period.length // _UNIT
    rest = min(max((period.end - now) // _UNIT, 0), whole)
    return (2 * amount_minor * rest + whole) // (2 * whole)


def difference(before_minor: int, after_minor: int, period: Period, now: datetime) -> tuple[int, int]:
    """What is given back of the old price, and charged of the new one, for the rest of the period."""
    return left(before_minor, period, now), left(after_minor, period, now)


def settled(total_minor: int, credit_minor: int) -> tuple[int, int]:
    """What is to be paid, and the credit that remains: an invoice is never negative.

    ``total_minor`` is the sum of its lines, negative ones included; ``credit_minor`` is held from before.
    """
    owed = total_minor - credit_minor
    return max(owed, 0), max(-owed, 0)
