"""Their books against ours: what is compared, in which ways it may differ, and what is done about that.

``domain.comparison`` tells one from the other. What mends a difference is a letter: the word that a webhook
would have brought, for whoever decides about the payment. What no letter mends is reported.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

from domain.evidence import Id, Shown, storable
from domain.said import Said
from domain.values import Value


class Drift(StrEnum):
    """In which ways books differ: a closed set."""

    MISSING_HERE = "missing_here"
    """They captured money of a payment that we hold no money of. A letter tells of it."""
    MISSING_THERE = "missing_there"
    """We hold money or a dispute that they know nothing of, asked for it by name. Reported."""
    AMOUNT = "amount"
    """Other money than ordered, or than we hold. While we hold none a letter tells of it, else reported."""
    STATE = "state"
    """A refund, a dispute or a capture is in another state. A letter, where their state follows on ours."""
    REFUND = "refund"
    """A refund that only one side knows. A letter books theirs, while it fits; one of ours is reported."""
    UNKNOWN_REFERENCE = "unknown_reference"
    """Something that names no payment, checkout or refund of this account, or cannot be read. Reported."""
    STALE_PENDING = "stale_pending"
    """Ours is open long after its time. Their last word is a letter; without one it is reported."""
    DOUBLE = "double"
    """More than one capture for one payment. Reported, and a person is called."""


class Subject(StrEnum):
    """What there is to compare."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"


GRACE: Final = timedelta(minutes=5)
"""Of what is younger a webhook may still be under way: it is not judged."""
LOOKED_BACK: Final[Mapping[Subject, timedelta]] = {
    Subject.PAYMENT: timedelta(days=3),
    Subject.REFUND: timedelta(days=35),
    Subject.DISPUTE: timedelta(days=120),
}
"""How far back each list is read: a bank may send a refund back, or decide a dispute, weeks later."""
OVERDUE_FOR: Final = timedelta(hours=1)
"""A payment that is open for so long after its time is stale."""
UNSAID_FOR: Final = timedelta(hours=24)
"""So is one of which nobody has said what became of it for so long, and a refund."""


class Action(StrEnum):
    """What was done about a difference."""

    REPAIRED = "REPAIRED"
    """A letter with their word is in the inbox."""
    REPORTED = "REPORTED"
    """Nothing mends it, or the letter was heard already and mended nothing: a person must look."""
    WAITING = "WAITING"
    """It hangs on money whose own letter comes first; the next run finds it, or finds it mended."""


class Window(Value):
    """What was made over there from ``since`` on and before ``until``."""

    since: datetime
    until: datetime


class Listed(Value):
    """One thing in a provider's books, as its list shows it."""

    subject: Subject
    reference: Id | None
    """The provider's name for it."""
    made_at: AwareDatetime | None = None
    said: Said | None = None
    """What a webhook would have told of it; None when it cannot be read."""


class Page(Value):
    """A stretch of a provider's list, oldest first, and where the next one begins."""

    items: tuple[Listed, ...]
    next_cursor: str | None = None


Told = Annotated[str, Shown(255), AfterValidator(storable)]


class Difference(Value):
    """One way in which the books differ about one thing. Ids of others than the tenant are not among ours."""

    drift: Drift
    subject: Subject
    payment_id: str | None = None
    """Ours, or None."""
    our_id: str | None = None
    their_id: str | None = None
    here: Told
    there: Told
    letter: Said | None = None
    waits: bool = False

    @property
    def name(self) -> str:
        """Tells it from the others of one run."""
        one_sided = self.drift in {Drift.DOUBLE, Drift.UNKNOWN_REFERENCE}
        what = self.their_id if one_sided or self.our_id is None else self.our_id
        return f"{self.drift}:{self.subject}:{what or self.there}"

    def fingerprint(self, account_id: str) -> str:
        """The same for as long as nothing changes on either side, run after run."""
        told = (account_id, self.name, self.our_id, self.their_id, self.here, self.there)
        return sha256("\x1f".join(map(str, told)).encode()).hexdigest()


class RunState(StrEnum):
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    """The provider could not be asked. The next run looks at the same days again."""


class Phase(StrEnum):
    """What a run does, one after the other: their lists first, then what of ours they did not show."""

    PAYMENTS = "payments"
    REFUNDS = "refunds"
    DISPUTES = "disputes"
    UNSEEN_PAYMENTS = "unseen_payments"
    STALE_PAYMENTS = "stale_payments"
    UNSEEN_REFUNDS = "unseen_refunds"
    UNSEEN_DISPUTES = "unseen_disputes"

    @property
    def next(self) -> "Phase | None":
        order = list(Phase)
        return next(iter(order[order.index(self) + 1 :]), None)


class Run(Value):
    """One comparison of an account's books with ours, as its row tells it."""

    id: str
    tenant_id: str
    account_id: str
    provider: str
    state: RunState
    since: datetime
    until: datetime
    phase: Phase | None
    """What it is at; None when it has been through everything."""
    cursor: str | None
    counts: dict[str, int]
    failure: str | None = None
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
