"""Who acts from outside: the tenant and its operator, the payer, and whoever sends events they should not."""

from typing import Final

from domain.evidence import Word
from domain.money import Money
from domain.payment import PaymentStatus as S
from domain.tenant import LatePolicy
from domain.verdicts import Choice
from tests.simulation.clock import Attempt
from tests.simulation.company import Company
from tests.simulation.house import House
from tests.simulation.rows import Payment
from tests.simulation.sayings import money
from tests.simulation.truth import Session

_FOREVER: Final = float("inf")


class People:
    """Their wishes are drawn when there is something to wish for."""

    def __init__(self, house: House, life: float, ordered: Money) -> None:
        self.house, self.life, self.ordered = house, life, ordered
        self.clock, self.dice = house.clock, house.clock.dice
        self._placed = 0
        self._wished: set[str] = set()
        # What is paid instead of what was ordered, and how often.
        self._other_money = (0.0, 0.0, 0.0, 0.4)[int(self.dice.random() * 4)]
        self._mischief = self.dice.random() < 0.1
        self.house.books.operator_rules = self.dice.random() < 0.85

    def begin(self) -> None:
        dice, house = self.dice, self.house
        house.laws.policy = (LatePolicy.REFUND, LatePolicy.ACCEPT, LatePolicy.HOLD)[int(dice.random() * 3)]
        self.clock.tell("policy", house.laws.policy)
        for company in house.companies.values():
            company.on_session = self._session
            company.on_close = self._at_the_close
        house.laws.on_move = self._moved
        self._order()

    # The tenant -------------------------------------------------------------------------------

    def _order(self) -> None:
        dice, clock = self.dice, self.clock
        self._placed += 1
        drawn = dice.random()
        account, alternatives = "alpha", ("beta",) if drawn < 0.4 else ()
        if drawn > 0.8:
            account = "beta"
        payment = Payment(
            f"pay_{self._placed}",
            "order",
            self.ordered,
            account,
            alternatives,
            clock.now,
            clock.now + self.life,
        )
        if not self.house.place(payment):
            clock.met["order not free"] += 1
            return
        if dice.random() < 0.25:
            clock.after(self._some_time(payment), lambda: self.house.cancel(payment))
        if clock.stormy_until and dice.random() < 0.15:
            clock.after(
                self._some_time(payment) if dice.random() < 0.5 else 25 * dice.random(),
                lambda: self.house.lose_run(payment),
            )
        if self._mischief:
            clock.after(self._some_time(payment), lambda: self._forge(payment))
        if dice.random() < 0.05:
            # Somebody rules on what is not under review.
            clock.after(self._some_time(payment), lambda: self._rule(payment, Choice.ACCEPT))

    def _some_time(self, payment: Payment) -> float:
        """Any time of a payment's life; its last moments more often than others."""
        drawn = self.dice.random()
        left = payment.expires_at - self.clock.now
        if drawn < 0.3:
            return max(0.0, left - 2 + 40 * self.dice.random())
        if drawn < 0.5:
            return 5 * self.dice.random()
        return float(left * 1.5 * self.dice.random())

    def _moved(self, payment: Payment, to: S) -> None:
        """Something has changed, and somebody may want something of it."""
        dice, clock = self.dice, self.clock
        if to is S.UNKNOWN and dice.random() < 0.5:
            clock.after(
                (3, 12, 60)[int(dice.random() * 3)] * dice.random(), lambda: self.house.nudge(payment)
            )
        elif to is S.REVIEW and self.house.books.operator_rules:
            self._review(payment)
        elif to is S.SUCCEEDED and dice.random() < 0.3:
            for number in range(1 + int(dice.random() * 3)):
                self._want_back(payment, f"wish_{number}")
        elif to in {S.FAILED, S.EXPIRED, S.CANCELLED} and self._placed < 2 and dice.random() < 0.4:
            clock.met["order placed again"] += 1
            clock.after(600 * dice.random(), self._order)

    def _review(self, payment: Payment) -> None:
        for _ in range(1 + (self.dice.random() < 0.2)):
            choice = Choice.ACCEPT if self.dice.random() < 0.5 else Choice.REFUND
            soon = (60, 3600)[int(self.dice.random() * 2)]
            self.clock.after(soon * self.dice.random(), lambda choice=choice: self._rule(payment, choice))  # type: ignore[misc]

    def _rule(self, payment: Payment, choice: Choice) -> None:
        if payment.captured is None:
            # Nobody decides about a sum that nobody knows.
            self.clock.met["review of no known sum"] += payment.status is S.REVIEW
        elif payment.status in {S.REVIEW, S.SUCCEEDED, S.FAILED}:
            self.house.rule(payment, choice)

    def _want_back(self, payment: Payment, name: str) -> None:
        assert payment.captured is not None
        share = (1.0, 0.5, 0.7)[int(self.dice.random() * 3)]
        amount = money(int(payment.captured.amount_minor * share), payment.captured.currency)
        step = self.house.giving_back.give_back(payment.id, name, amount)
        self.clock.after(60 * self.dice.random(), lambda: Attempt(self.clock, "wish", _FOREVER).begin(step))

    # The payer --------------------------------------------------------------------------------

    def _session(self, session: Session) -> None:
        self.house.laws.made(session)
        dice, clock, company = self.dice, self.clock, session.company
        payment = self.house.books.payments[session.payment_id]
        when = self._some_time(payment)
        drawn = dice.random()
        if drawn < 0.55:
            clock.after(when, lambda: self._pay(session))
        elif drawn < 0.65:
            clock.after(when * 0.5, lambda: company.decline(session))
            clock.after(when, lambda: self._pay(session))
        elif drawn < 0.75:
            clock.after(when, lambda: self._pay_slowly(session))
        elif drawn < 0.80:
            clock.after(when, lambda: company.end(session, Word.FAILED))
        elif drawn < 0.85:
            clock.after(when, lambda: company.end(session, Word.CANCELLED))
        if not company.manners.mumbles and dice.random() < 0.05:
            clock.after(when * 2, lambda: self._contradict(session))
        if company.manners.amnesia and dice.random() < 0.5:
            clock.after(when, lambda: self._forget(session))

    def _forget(self, session: Session) -> None:
        session.forgotten = True
        self.clock.met["checkout forgotten for good"] += 1

    def _pay(self, session: Session) -> None:
        if session.company.pay(session, self._money_for(session)):
            self.clock.met["paid"] += 1

    def _money_for(self, session: Session) -> Money:
        if self.dice.random() >= self._other_money:
            return session.ordered
        self.clock.met["other money paid"] += 1
        amount = session.ordered.amount_minor
        return money(amount - 1) if self.dice.random() < 0.5 else money(amount, "USD")

    def _pay_slowly(self, session: Session) -> None:
        company, dice = session.company, self.dice
        if company.process(session):
            self.clock.met["processing"] += 1
            delay = 3600 * dice.random()
            if dice.random() < 0.7:
                self.clock.after(delay, lambda: self._pay(session))
            else:
                self.clock.after(delay, lambda: company.end(session, Word.FAILED))

    def _at_the_close(self, session: Session) -> None:
        """Some pay at the very moment."""
        drawn = self.dice.random()
        if drawn < 0.1:
            self.clock.met["paid at the close"] += 1
            self._pay(session)
        elif drawn < 0.3 and session.company.manners.close_lies and not session.company.manners.mumbles:
            self.clock.after(60 * self.dice.random(), lambda: self._slip_through(session))
        elif drawn < 0.6 and session.company.manners.close_lies:
            # For the payer the page is still there.
            self.clock.after(600 * self.dice.random(), lambda: self._pay(session))

    def _slip_through(self, session: Session) -> None:
        if session.word is Word.EXPIRED:
            self.clock.met["money slipped through"] += 1
            session.company.slip_through(session, self._money_for(session))

    def _contradict(self, session: Session) -> None:
        """An event that is authentic, and wrong."""
        self.clock.met["contradicted"] += 1
        session.denied = True
        company = session.company
        company.whisper(company.utter(Word.FAILED, session.payment_id, session.name, None))

    # Mischief ---------------------------------------------------------------------------------

    def _forge(self, payment: Payment) -> None:
        """Authentic events that have no business here."""
        other = self.house.companies["gamma"]
        mine: Company = self.house.companies[payment.account]
        drawn = self.dice.random()
        self.clock.met["forged"] += 1
        if drawn < 0.3:
            other.whisper(other.utter(Word.PAID, payment.id, f"{other.name}:cs_99", self.ordered))
        elif drawn < 0.6:
            mine.whisper(mine.utter(Word.PAID, "pay_nobodys", f"{mine.name}:cs_98", self.ordered))
        elif payment.reference is not None:
            mine.whisper(mine.utter(Word.PAID, payment.id, f"{mine.name}:cs_97", self.ordered))
        else:
            mine.whisper(mine.utter(Word.UNCLEAR, payment.id, payment.reference, None))
