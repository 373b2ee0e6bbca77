"""The rows of the books: the columns that rules and guards look at, and nothing more."""

from dataclasses import dataclass, field
from typing import Final

from domain.money import Money
from domain.payment import PaymentStatus as S
from domain.payment import RefundStatus
from domain.refund import RefundState
from tests.simulation.sayings import Said

_NOTHING: Final = Money(amount_minor=0, currency="EUR")


@dataclass(slots=True)
class Payment:
    id: str
    order_id: str
    ordered: Money
    account: str
    alternatives: tuple[str, ...]
    created_at: float
    expires_at: float
    status: S = S.CREATED
    reference: str | None = None
    captured: Money | None = None
    amount_refunded: int = 0
    refund_reserved: int = 0
    refund_status: RefundStatus = RefundStatus.NONE
    late: bool = False
    accepted_by: str | None = None
    failure_code: str | None = None
    history: dict[str, str] = field(default_factory=dict)
    """Its lines by cause: one line per cause, as a unique constraint has it."""
    lives: list[tuple[S, str | None]] = field(default_factory=list)
    """Where it has been, and by which cause: for the invariants, not for the rules."""


@dataclass(slots=True)
class Called:
    """The columns that count calls."""

    attempts: int = 0
    unsure: int = 0
    first_called_at: float | None = None
    busy_until: float | None = None


@dataclass(slots=True)
class Checkout(Called):
    account: str = ""
    state: str = "CALLING"
    reference: str | None = None


@dataclass(slots=True)
class Refund(Called):
    id: str = ""
    payment_id: str = ""
    account: str = ""
    reference: str = ""
    amount: Money = _NOTHING
    state: RefundState = RefundState.PENDING
    origin: str = ""


@dataclass(slots=True)
class Letter:
    id: str
    account: str
    said: Said
    received_at: float
    due_at: float
    state: str = "RECEIVED"
    note: str | None = None
    payment_id: str | None = None
    attempts: int = 0
    poisonous: int = 0
    """How often it fails to take effect, whatever is tried: a fault, not a column."""
    watched: bool = False


@dataclass(slots=True)
class Call:
    row: Called
    number: int
    first: bool
    key_lives: bool
