"""What is so at a company, whatever it says: its checkouts, its refunds, and the manners it has."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.evidence import Word
from domain.money import Money
from domain.refund import RefundWord
from tests.simulation.sayings import Said

if TYPE_CHECKING:
    from tests.simulation.company import Company


@dataclass(slots=True)
class Session:
    """A checkout as it is at the company, whatever the company says of it."""

    name: str
    company: "Company"
    payment_id: str
    ordered: Money
    created_at: float
    expires_at: float
    word: Word = Word.OPEN
    captured: Money | None = None
    denied: bool = False
    """The company has said of it what was not, or no longer, true."""
    forgotten: bool = False
    """The company denies it for good."""

    def payable(self, now: float) -> bool:
        return self.word in {Word.OPEN, Word.PROCESSING} and now < self.expires_at


@dataclass(slots=True)
class GivenBack:
    """A refund as it is at the company."""

    name: str
    reference: str
    session: str
    amount: Money
    word: RefundWord
    denied: bool = False


@dataclass(slots=True)
class Event:
    said: Said
    account: str
    acknowledged: bool = False
    sent: int = 0


@dataclass(slots=True)
class Manners:
    """How one company behaves in one history. Chances are per call or event."""

    idempotent: bool = True
    """It knows a key again."""
    searchable: bool = True
    """It can be asked for what it has by our reference."""
    trouble_creating: float = 0.0
    trouble_asking: float = 0.0
    """Questions and closing: often only one half of a company is down."""
    trouble_refunding: float = 0.0
    refuses: float = 0.0
    """How much of the trouble is a definite "no"."""
    close_lies: float = 0.0
    """It acknowledges a close that it does not carry out."""
    forgets: float = 0.0
    """It does not know a checkout that it made."""
    mumbles: float = 0.0
    loses_events: float = 0.0
    repeats_events: float = 0.0
    delays_events: float = 1.0
    outlives: float = 0.0
    """How long a checkout can be paid after it should have expired."""
    refund_pending: float = 0.0
    refund_fails: float = 0.0
    amnesia: bool = False
    """It may forget a checkout for good."""
    straggles: bool = False
    """What it was asked, it may do after the line was closed: the one thing nobody can guard against."""
    hides_amounts: float = 0.0
    """An event says that it was paid, and not how much."""
