"""What PostgreSQL holds of it all: plain rows, each change guarded exactly as ``storage`` guards it.

Every method is a statement; a transaction is whatever a step does between two of its points. Where the
database would refuse, ``Breach`` is raised: a rule asked for what the books forbid.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from domain.errors import NotYet, RefundExceedsCaptured
from domain.money import Money
from domain.payment import ENDED, OPEN, RefundStatus
from domain.payment import PaymentStatus as S
from domain.refund import UNSETTLED, RefundState
from domain.verdicts import Verdict
from storage.calls import KEY_LIVES, LEASE
from storage.inbox import BACKOFF, MATCHING_LASTS
from tests.simulation.clock import Breach, Clock
from tests.simulation.rows import Call, Called, Checkout, Letter, Payment, Refund
from tests.simulation.sayings import Said

_LEASE: Final = LEASE.total_seconds()
_KEY_LIVES: Final = KEY_LIVES.total_seconds()
_MATCHING_LASTS: Final = MATCHING_LASTS.total_seconds()
_BACKOFF: Final = tuple(pause.total_seconds() for pause in BACKOFF)
_SOONEST, _LATEST = 2.0, 3600.0
_PAYABLE: Final = frozenset({"CALLING", "OPEN"})
EVENT_OF: Final = {status: f"payment.{status.lower()}" for status in S}


class Books:
    def __init__(
        self, clock: Clock, sources: Callable[..., list[S]], refund_sources: Callable[..., list[RefundState]]
    ) -> None:
        self._clock = clock
        self.payments: dict[str, Payment] = {}
        self.checkouts: defaultdict[str, dict[str, Checkout]] = defaultdict(dict)
        """By payment and account."""
        self.refunds: dict[str, Refund] = {}
        self.letters: dict[tuple[str, str], Letter] = {}
        self.granted: dict[str, float] = {}
        self.ledger: dict[tuple[str, str], Mapping[str, int]] = {}
        """The lines of each transaction, by payment and event."""
        self.operator_rules = True
        self._sources, self._refund_sources = sources, refund_sources

    # Payments ---------------------------------------------------------------------------------

    def place(self, payment: Payment) -> bool:
        if not self.order_is_free(payment):
            return False
        self.payments[payment.id] = payment
        payment.lives.append((S.CREATED, "order"))
        payment.history["order"] = "payment.created"
        return True

    def order_is_free(self, payment: Payment) -> bool:
        return not any(
            other.order_id == payment.order_id and other.id != payment.id and self._live(other)
            for other in self.payments.values()
        )

    @staticmethod
    def _live(payment: Payment) -> bool:
        if payment.status is S.SUCCEEDED:
            return payment.refund_status is not RefundStatus.FULL
        return payment.status in OPEN or payment.status is S.REVIEW

    def turn_to(self, payment: Payment, account: str, alternatives: tuple[str, ...]) -> None:
        if payment.status is S.CREATED:
            payment.account = account
            payment.alternatives = alternatives[alternatives.index(account) + 1 :]

    def opened(self, payment: Payment, reference: str) -> bool:
        if payment.status not in self._sources(S.PROVIDER_PENDING):
            return False
        payment.status, payment.reference = S.PROVIDER_PENDING, reference
        payment.lives.append((S.PROVIDER_PENDING, f"opened:{reference}"))
        for row in self.checkouts[payment.id].values():
            if row.state == "CALLING":
                row.state, row.reference, row.busy_until = "OPEN", reference, None
        return True

    def move(
        self,
        payment: Payment,
        verdict: Verdict,
        *,
        captured: Money | None = None,
        reference: str | None = None,
        accepted_by: str | None = None,
        cause: str | None = None,
    ) -> bool:
        if verdict.to is None and not verdict.late:
            return False
        if verdict.to is None:
            if payment.status not in ENDED or payment.captured is not None:
                return False
        elif payment.status not in self._sources(verdict.to, late=verdict.late):
            return False
        if verdict.to is not None:
            payment.status, payment.failure_code = verdict.to, verdict.failure_code
            payment.lives.append((verdict.to, cause))
        payment.late = payment.late or verdict.late
        payment.accepted_by = accepted_by or payment.accepted_by
        payment.captured = captured or payment.captured
        payment.reference = payment.reference or reference
        self._check(payment)
        if payment.status not in OPEN:
            for row in self.checkouts[payment.id].values():
                if row.state in _PAYABLE:
                    row.state, row.busy_until = "CLOSED", None
        return True

    def _check(self, payment: Payment) -> None:
        held = payment.captured
        in_full = held == payment.ordered
        taken = held is not None and held.amount_minor > 0 and payment.accepted_by is not None
        if payment.status is S.SUCCEEDED and not (in_full or taken):
            raise Breach(f"refused by paid_in_full: {payment.id} would succeed with {held}")
        if self._live(payment) and not self.order_is_free(payment):
            raise Breach(f"refused by one_live_payment_per_order: {payment.id}")

    @staticmethod
    def note(payment: Payment, cause: str, type_: str) -> None:
        payment.history.setdefault(cause, type_)

    # Calls ------------------------------------------------------------------------------------

    def calling_checkout(self, payment: Payment) -> Call:
        rows = self.checkouts[payment.id]
        row = rows.get(payment.account)
        if row is None:
            if any(other.state in _PAYABLE for other in rows.values()):
                raise Breach(f"refused by one_payable_checkout_per_payment: {payment.id}")
            row = rows[payment.account] = Checkout(account=payment.account)
        elif row.state != "CALLING":
            raise NotYet("Somebody else is asking.", retry_after=5)
        return self._leave(row)

    def calling_refund(self, refund: Refund) -> Call:
        if refund.state not in UNSETTLED:
            raise NotYet("Somebody else is asking.", retry_after=5)
        return self._leave(refund)

    def _leave(self, row: Called) -> Call:
        now = self._clock.now
        if self._busy(row):
            self._clock.met["had to wait for leave"] += 1
            raise NotYet("Somebody else is asking.", retry_after=5)
        row.attempts += 1
        row.unsure += 1
        row.busy_until = now + _LEASE
        if row.first_called_at is None:
            row.first_called_at = now
        return Call(row, row.attempts, row.unsure == 1, row.first_called_at > now - _KEY_LIVES)

    def _busy(self, row: Called) -> bool:
        return row.busy_until is not None and row.busy_until >= self._clock.now

    def being_made(self, payment_id: str) -> bool:
        return any(self._busy(row) for row in self.checkouts[payment_id].values())

    @staticmethod
    def held(call: Call) -> bool:
        return call.row.attempts == call.number

    @staticmethod
    def ended(call: Call, *, for_nothing: bool) -> bool:
        """False for one that overslept its leave."""
        row = call.row
        if row.attempts != call.number:
            return False
        row.busy_until = None
        if for_nothing:
            row.unsure = max(row.unsure - 1, 0)
        return True

    @staticmethod
    def absent(call: Call) -> bool:
        row = call.row
        assert isinstance(row, Checkout)
        if row.attempts != call.number or row.state != "CALLING":
            return False
        row.state, row.busy_until = "ABSENT", None
        return True

    # Refunds ----------------------------------------------------------------------------------

    def request(self, payment: Payment, name: str, amount: Money, origin: str) -> Refund:
        held = payment.captured
        if (
            held is None
            or held.currency != amount.currency
            or payment.refund_reserved + amount.amount_minor > held.amount_minor
        ):
            raise RefundExceedsCaptured(paymentId=payment.id)
        id_ = f"ref_{payment.id}_{name}"
        if id_ in self.refunds:
            raise Breach(f"refused by the refunds' key: {id_}")
        if payment.reference is None or amount.amount_minor <= 0:
            raise Breach(f"refused by the refunds' columns: {amount} of {payment.reference}")
        payment.refund_reserved += amount.amount_minor
        payment.refund_status = RefundStatus.PENDING
        refund = Refund(
            id=id_,
            payment_id=payment.id,
            account=payment.account,
            reference=payment.reference,
            amount=amount,
            origin=origin,
        )
        self.refunds[id_] = refund
        return refund

    def move_refund(self, refund: Refund, to: RefundState, cause: str) -> bool:
        if refund.state not in self._refund_sources(to):
            return False
        refund.state, refund.busy_until = to, None
        payment = self.payments[refund.payment_id]
        amount = refund.amount.amount_minor
        assert payment.captured is not None
        if to is RefundState.SUCCEEDED:
            payment.amount_refunded += amount
        if to is RefundState.FAILED:
            payment.refund_reserved -= amount
        payment.refund_status = self._refund_status(payment, payment.captured.amount_minor)
        if to is RefundState.SUCCEEDED:
            self.post_refund(payment, refund)
        self.note(payment, cause, f"refund.{to.lower()}")
        return True

    @staticmethod
    def _refund_status(payment: Payment, captured: int) -> RefundStatus:
        if payment.refund_reserved > payment.amount_refunded:
            return RefundStatus.PENDING
        if payment.amount_refunded == 0:
            return RefundStatus.NONE
        return RefundStatus.PARTIAL if payment.amount_refunded < captured else RefundStatus.FULL

    # Rights and ledger ------------------------------------------------------------------------

    def grant(self, payment: Payment) -> None:
        if payment.id in self.granted:
            raise Breach(f"refused by the entitlements' key: {payment.id}")
        self.granted[payment.id] = self._clock.now

    def entitled(self, payment: Payment) -> bool:
        return (
            payment.id in self.granted
            and payment.status is S.SUCCEEDED
            and payment.refund_status is not RefundStatus.FULL
        )

    def post_capture(self, payment: Payment, captured: Money) -> None:
        due = "tenant_revenue" if payment.status is S.SUCCEEDED else "suspense"
        amount = captured.amount_minor
        self._post(payment, "capture", {"provider_receivable": amount, due: -amount})

    def post_accepted(self, payment: Payment, captured: Money) -> None:
        amount = captured.amount_minor
        self._post(payment, "accepted", {"suspense": amount, "tenant_revenue": -amount})

    def post_refund(self, payment: Payment, refund: Refund) -> None:
        out_of = "refunds" if payment.status is S.SUCCEEDED else "suspense"
        amount = refund.amount.amount_minor
        self._post(payment, refund.id, {out_of: amount, "provider_receivable": -amount})

    def _post(self, payment: Payment, what: str, lines: Mapping[str, int]) -> None:
        if (payment.id, what) in self.ledger:
            raise Breach(f"refused by the ledger's key: {what} of {payment.id}")
        self.ledger[payment.id, what] = lines

    # Inbox ------------------------------------------------------------------------------------

    def receive(self, account: str, said: Said) -> Letter | None:
        """None when it has taken effect already: only that swallows a duplicate."""
        now = self._clock.now
        letter = self.letters.get((account, said.cause))
        if letter is None:
            letter = Letter(f"inb_{len(self.letters) + 1}", account, said, now, now + _SOONEST)
            self.letters[account, said.cause] = letter
        elif letter.state == "PROCESSED":
            self._clock.met["duplicate swallowed"] += 1
            return None
        else:
            self._clock.met["duplicate heard again"] += 1
            letter.due_at, letter.attempts = now + _SOONEST, 0
        letter.state, letter.note, letter.payment_id = self._place(said, account)
        return letter

    def _place(self, said: Said, account: str) -> tuple[str, str | None, str | None]:
        """State, note and payment."""
        known = self.payments.get(said.words.payment_id or "")
        if known is None:
            return "UNMATCHED", None, None
        if known.account != account and account not in self.checkouts[known.id]:
            return "QUARANTINED", "other_account", None
        if said.words.sandbox is False:
            return "QUARANTINED", "other_mode", None
        return "RECEIVED", None, known.id

    def match(self, letter: Letter) -> None:
        if letter.state not in {"RECEIVED", "UNMATCHED"}:
            return
        state, note, payment_id = self._place(letter.said, letter.account)
        if state != "UNMATCHED":
            letter.state, letter.note, letter.payment_id = state, note, payment_id
        elif self._clock.now - letter.received_at > _MATCHING_LASTS:
            letter.state, letter.note = "DEAD", "no_such_payment"
        else:
            letter.due_at = self._again(letter)

    def passed_on(self, letter: Letter) -> None:
        if letter.state in {"RECEIVED", "UNMATCHED"}:
            letter.due_at = self._again(letter)

    def _again(self, letter: Letter) -> float:
        now = self._clock.now
        return now + min(max(now - letter.received_at, _SOONEST), _LATEST)

    def stumbled(self, letter: Letter, why: str) -> bool:
        """True when this was the last time."""
        if letter.state not in {"RECEIVED", "UNMATCHED"}:
            return False
        if letter.attempts < len(_BACKOFF):
            letter.due_at = self._clock.now + _BACKOFF[letter.attempts]
        else:
            letter.state = "DEAD"
            self._clock.met["letter dead"] += 1
        letter.attempts += 1
        letter.note = why
        return letter.state == "DEAD"

    def retry(self, letter: Letter) -> None:
        if letter.state != "PROCESSED":
            letter.state, letter.note, letter.attempts = "UNMATCHED", None, 0
            letter.received_at = letter.due_at = self._clock.now

    @staticmethod
    def processed(letter: Letter, note: str) -> None:
        if letter.state != "PROCESSED":
            letter.state, letter.note = "PROCESSED", note

    @staticmethod
    def quarantine(letter: Letter, note: str) -> None:
        if letter.state != "PROCESSED":
            letter.state, letter.note = "QUARANTINED", note
