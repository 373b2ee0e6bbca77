"""What must hold: after every step, and once everything has come to rest.

The companies' own books are the second witness: whatever ours say is compared with what really happened.
"""

from collections.abc import Callable
from typing import Final

from domain.evidence import Word
from domain.payment import ENDED, OPEN, RefundStatus
from domain.payment import PaymentStatus as S
from domain.refund import UNSETTLED, RefundState, RefundVerdict, RefundWord
from domain.tenant import LatePolicy
from domain.verdicts import FOR_A_PERSON, Verdict
from tests.simulation.books import Books
from tests.simulation.clock import Breach, Clock
from tests.simulation.company import Company
from tests.simulation.rows import Letter, Payment, Refund
from tests.simulation.truth import Session

_WITHOUT_MONEY: Final = frozenset({S.FAILED, S.EXPIRED, S.CANCELLED})
_ENDINGS: Final = frozenset({"payment.succeeded", "payment.failed", "payment.expired", "payment.cancelled"})
_LATE_MOVES: Final = frozenset(
    {(S.EXPIRED, S.SUCCEEDED), (S.EXPIRED, S.REVIEW), (S.CANCELLED, S.SUCCEEDED), (S.CANCELLED, S.REVIEW)}
)


class Invariants:
    def __init__(self, clock: Clock, books: Books, companies: dict[str, Company]) -> None:
        self._clock, self._books, self._companies = clock, books, companies
        self._seen: dict[str, int] = {}
        self.rulings: set[str] = set()
        """The causes that operators have given."""
        self.policy = LatePolicy.REFUND
        self.on_move: Callable[[Payment, S], None] = lambda _payment, _to: None

    # After every step -------------------------------------------------------------------------

    def carried_out(self, payment: Payment, before: S, verdict: Verdict, *, moved: bool) -> None:
        if not moved and (verdict.to is not None or verdict.late):
            raise Breach(f"a verdict the books refuse: {payment.id} is {payment.status}, {verdict!r}")
        if moved and verdict.late:
            wanted = self._wanted_of_late_money(payment, before)
            if (verdict.to, verdict.give_back) != wanted:
                raise Breach(f"race 5: {self.policy} of {payment.id}, {before}: {wanted}, not {verdict!r}")

    def _wanted_of_late_money(self, payment: Payment, before: S) -> tuple[S | None, bool]:
        """Where late money leads, and whether it goes back: the contract once more, in other words."""
        taken = payment.status in {S.SUCCEEDED, S.REVIEW}
        others = [other for other in self._books.payments.values() if other.id != payment.id]
        served = any(
            other.status in OPEN | {S.REVIEW}
            or (other.status is S.SUCCEEDED and other.refund_status is not RefundStatus.FULL)
            for other in others
        )
        if self.policy is LatePolicy.REFUND or before is S.FAILED or (served and not taken):
            return None, True
        if self.policy is LatePolicy.ACCEPT and payment.captured == payment.ordered:
            return S.SUCCEEDED, False
        return S.REVIEW, False

    def refund_carried_out(self, refund: Refund, verdict: RefundVerdict, *, moved: bool) -> None:
        if not moved:
            raise Breach(f"a verdict the books refuse: {refund.id} is {refund.state}, {verdict!r}")

    def after(self, payment: Payment) -> None:
        """Looked at whenever a transaction has touched a payment."""
        held = 0 if payment.captured is None else payment.captured.amount_minor
        if not 0 <= payment.amount_refunded <= payment.refund_reserved <= held:
            raise Breach(f"I2: {payment.id} holds {held}, reserved {payment.refund_reserved}")
        if (payment.id in self._books.granted) != (payment.status is S.SUCCEEDED):
            raise Breach(f"I4: {payment.id} is {payment.status}, its rights say otherwise")
        if payment.status in ENDED and any(
            row.state in {"CALLING", "OPEN"} for row in self._books.checkouts[payment.id].values()
        ):
            raise Breach(f"I2: {payment.id} has ended with a checkout that we hold payable")
        seen = self._seen.get(payment.id, 1)
        if seen < len(payment.lives):
            self._seen[payment.id] = len(payment.lives)
            for number in range(seen, len(payment.lives)):
                self._moved(payment, payment.lives[number - 1][0], *payment.lives[number])

    def _moved(self, payment: Payment, before: S, to: S, cause: str | None) -> None:
        if before in ENDED and not ((before, to) in _LATE_MOVES and payment.late):
            raise Breach(f"I1: {payment.id} went from {before} to {to}")
        uttered = any(cause in company.uttered for company in self._companies.values())
        if to in ENDED and not (
            uttered or cause in self.rulings or (str(cause).startswith("refused:") and to is S.FAILED)
        ):
            raise Breach(f"I1: {payment.id} became {to}, and nobody had said so: {cause}")
        if (
            before is S.PROVIDER_PENDING
            and to is S.UNKNOWN
            and str(cause).startswith(("refused:", "create:"))
        ):
            raise Breach(f"{payment.id} forgets its checkout, because another attempt got none")
        if before is S.REVIEW and cause not in self.rulings:
            raise Breach(f"I1: {payment.id} left REVIEW without an operator")
        if to is S.SUCCEEDED:
            self._really_paid(payment)
        if to in _WITHOUT_MONEY and before is not S.REVIEW:
            self._nothing_payable(payment, to)
        self.on_move(payment, to)

    def _really_paid(self, payment: Payment) -> None:
        if payment.captured != payment.ordered and payment.accepted_by is None:
            raise Breach(f"I3: {payment.id} succeeded with {payment.captured}")
        session = self._session(payment.reference)
        if session is None or session.captured != payment.captured:
            raise Breach(f"I3: {payment.id} succeeded, its company knows nothing of that money")

    def _nothing_payable(self, payment: Payment, to: S) -> None:
        for session in self.sessions_of(payment.id):
            if session.payable(self._clock.now) and not session.denied:
                raise Breach(f"I1: {payment.id} became {to} while {session.name} can be paid")

    def made(self, new: Session) -> None:
        """A company has made a checkout."""
        now = self._clock.now
        payable = [each for each in self.sessions_of(new.payment_id) if each.payable(now) and not each.denied]
        if len(payable) > 1:
            raise Breach(f"I2: {new.payment_id} can be paid at {', '.join(each.name for each in payable)}")
        if self._books.payments[new.payment_id].status in ENDED and not new.denied:
            raise Breach(f"I1: {new.name} was made after the end of {new.payment_id}")

    def sessions_of(self, payment_id: str) -> list[Session]:
        return [
            session
            for company in self._companies.values()
            for session in company.sessions
            if session.payment_id == payment_id
        ]

    def _session(self, reference: str | None) -> Session | None:
        for company in self._companies.values():
            for session in company.sessions:
                if session.name == reference:
                    return session
        return None

    # At rest ----------------------------------------------------------------------------------

    def at_rest(self) -> None:
        for payment in self._books.payments.values():
            self.after(payment)
            self._ended_once(payment)
            self._money(payment)
            self._late_money_went_back(payment)
        for refund in self._books.refunds.values():
            self._refund(refund)
        for letter in self._books.letters.values():
            self._letter(letter)
        self._ledger()

    def _ended_once(self, payment: Payment) -> None:
        sessions = self.sessions_of(payment.id)
        company = self._companies[payment.account]
        # Evidence withheld: it denies what it made, or it cannot be asked.
        withheld = any(session.forgotten for session in sessions) or not company.manners.searchable
        if payment.status in OPEN and not withheld:
            raise Breach(f"I1: {payment.id} rests in {payment.status}, though everybody would answer")
        if payment.status is S.REVIEW and self._books.operator_rules and payment.captured is not None:
            raise Breach(f"I1: {payment.id} rests in REVIEW, though somebody decided")
        ended = sum(type_ in _ENDINGS for type_ in payment.history.values())
        due = int(payment.status in ENDED)
        if payment.late and any(status is not S.REVIEW for status, _ in payment.lives[-1:]):
            due += any(
                (a[0], b[0]) in _LATE_MOVES for a, b in zip(payment.lives, payment.lives[1:], strict=False)
            )
        if payment.status is S.REVIEW and payment.late:
            due = 1
        if ended != due:
            raise Breach(f"I1: the history of {payment.id} tells of {ended} ends: {payment.history}")

    def _money(self, payment: Payment) -> None:
        """Whatever was really captured is ours, on its way back, or before a person."""
        if payment.status in OPEN:
            return
        paid = [session for session in self.sessions_of(payment.id) if session.captured is not None]
        if sum(not session.denied for session in paid) > 1:
            raise Breach(f"I2: {payment.id} was paid at {', '.join(session.name for session in paid)}")
        for session in paid:
            if session.name == payment.reference and payment.captured == session.captured:
                continue
            if session.name == payment.reference and payment.status is S.REVIEW and payment.captured is None:
                continue
            if not any(
                letter.state == "QUARANTINED" and letter.said.words.reference == session.name
                for letter in self._books.letters.values()
            ):
                raise Breach(f"I3: {session.name} captured {session.captured}, nobody knows of it")
        if payment.captured is not None:
            holder = self._session(payment.reference)
            if holder is None or holder.captured != payment.captured:
                raise Breach(f"I3: {payment.id} holds money that nobody captured")

    def _late_money_went_back(self, payment: Payment) -> None:
        if payment.captured is None or payment.status not in _WITHOUT_MONEY:
            return
        mine = [refund for refund in self._books.refunds.values() if refund.payment_id == payment.id]
        if len(mine) != 1 or mine[0].amount != payment.captured:
            raise Breach(f"race 5: {payment.id} is {payment.status}, its money does not go back once")

    def _refund(self, refund: Refund) -> None:
        company = self._companies[refund.account]
        if refund.state in UNSETTLED:
            if not company.manners.searchable:
                return
            raise Breach(f"{refund.id} rests in {refund.state}, though everybody would answer")
        if any(back.denied for back in company.refunds):
            return
        really = [back for back in company.refunds if back.name == refund.id]
        back = any(each.word is RefundWord.SUCCEEDED for each in really)
        if back != (refund.state is RefundState.SUCCEEDED):
            raise Breach(f"I6: {refund.id} is {refund.state}, the company says {really}")

    def _letter(self, letter: Letter) -> None:
        if letter.state in {"RECEIVED", "UNMATCHED"}:
            raise Breach(f"I9: {letter.id} rests in {letter.state}")
        if letter.state == "PROCESSED" and letter.said.words.word is Word.PAID:
            payment = self._books.payments[letter.payment_id or ""]
            if payment.captured != letter.said.words.captured:
                raise Breach(f"race 7: {letter.id} was swallowed with its money")
        if letter.state == "QUARANTINED" and letter.note not in FOR_A_PERSON | {"other_account"}:
            raise Breach(f"I9: {letter.id} lies in quarantine for {letter.note}")

    def _ledger(self) -> None:
        receivable: dict[str, int] = {}
        for (payment_id, _), lines in self._books.ledger.items():
            if sum(lines.values()):
                raise Breach(f"I6: {payment_id} has books that do not sum to zero: {lines}")
            receivable[payment_id] = receivable.get(payment_id, 0) + lines.get("provider_receivable", 0)
        waiting = {refund.payment_id for refund in self._books.refunds.values() if refund.state in UNSETTLED}
        for payment in self._books.payments.values():
            straggled = any(back.denied for back in self._companies[payment.account].refunds)
            if payment.id in waiting or straggled:
                continue
            session = self._session(payment.reference)
            owed = 0
            if session is not None and session.captured is not None and payment.captured is not None:
                owed = session.captured.amount_minor - sum(
                    back.amount.amount_minor
                    for back in session.company.refunds
                    if back.session == session.name and back.word is RefundWord.SUCCEEDED
                )
            if receivable.get(payment.id, 0) != owed:
                raise Breach(f"I6: {payment.id}: the company owes {owed}, the ledger says {receivable}")
