"""When a provider that owes us an answer is asked again."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

# While the payer pays and no webhook comes, ask this long after the checkout was opened; then hourly.
WAITING: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
# While nobody can say what happened, ask this long after it became unclear; then daily.
RESOLVING: Final = (
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
)
# For so long; then only when somebody wants to know.
ASKED_FOR: Final = timedelta(days=30)
# Nobody knows what happened, for so long: that is a person's to look into.
A_PERSON_AFTER: Final = timedelta(hours=24)
# A server may wake us a little before the mark it was given.
_EARLY: Final = timedelta(milliseconds=100)


def next_question(marks: Sequence[timedelta], afterwards: timedelta, asked_for: timedelta) -> int:
    """Whole seconds to the next question, for one who has been asking for so long.

    Marks count from the first question, not from the last answer, so slow answers do not shift them.
    """
    left = [mark - asked_for for mark in marks if mark > asked_for + _EARLY]
    pause = left[0] if left else afterwards
    return max(1, -(-pause // timedelta(seconds=1)))
