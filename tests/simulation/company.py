"""A payment company that keeps its books straight, and little else: it stalls, mumbles and forgets."""

from collections.abc import Callable
from typing import Final, TypeVar

from domain.errors import (
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.evidence import Channel, Word
from domain.money import Money
from domain.refund import RefundWord
from providers.wire import DEADLINE
from tests.simulation.clock import Breach, Clock, Step
from tests.simulation.sayings import RefundSaid, Said, refund_words, words
from tests.simulation.truth import Event, GivenBack, Manners, Session

_PATIENCE: Final = DEADLINE.total_seconds()
# How long a company remembers a key; we count on half of it.
_KEY_KEPT: Final = 24 * 3600.0
# When an event that nobody acknowledged is sent again.
_REDELIVERY: Final = (5.0, 60.0, 600.0, 3600.0, 4 * 3600.0, 12 * 3600.0)

T = TypeVar("T")


class Company:
    """One account at one company: its truth, and how it is asked."""

    def __init__(self, name: str, clock: Clock, manners: Manners) -> None:
        self.name, self.manners = name, manners
        self._clock, self._dice = clock, clock.dice
        self.sessions: list[Session] = []
        self.refunds: list[GivenBack] = []
        self.uttered: set[str] = set()
        """The causes of all that it has ever said."""
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda _: None
        self.on_session: Callable[[Session], None] = lambda _: None
        self.on_close: Callable[[Session], None] = lambda _: None
        self.fresh = 0.0
        """How old an adapter may be when a request of ours leaves."""
        self._number = 0
        self._straggling = False

    # What it does -----------------------------------------------------------------------------

    def create(self, payment_id: str, ordered: Money, expires_at: float) -> Session:
        now = self._clock.now
        if self.manners.idempotent:
            for known in self.sessions:
                if known.payment_id == payment_id and now - known.created_at < _KEY_KEPT:
                    self._clock.met["key met again"] += 1
                    return known
        self._number += 1
        made = Session(
            f"{self.name}:cs_{len(self.sessions) + 1}",
            self,
            payment_id,
            ordered,
            now,
            expires_at + self.manners.outlives,
        )
        self._clock.met["straggler"] += self._straggling
        self.sessions.append(made)
        if self._straggling:
            for twin in self.sessions:
                twin.denied = twin.denied or twin.payment_id == payment_id
        self._clock.tell("company makes a checkout", made.name, payment_id)
        self.on_session(made)
        self._clock.at(made.expires_at, lambda: self.expire(made))
        return made

    def read(self, reference: str) -> Said:
        session = self._session(reference)
        if session is None or session.forgotten or self._clock.chance(self.manners.forgets):
            return self._absent(session, reference, Channel.READ)
        return self._said(session, Channel.READ)

    def close(self, reference: str) -> Said:
        session = self._session(reference)
        if session is None or session.forgotten or self._clock.chance(self.manners.forgets):
            return self._absent(session, reference, Channel.CLOSE)
        self.on_close(session)
        if session.word is not Word.OPEN:
            channel = Channel.CLOSE if session.word is Word.EXPIRED else Channel.READ
            return self._said(session, channel)
        if self._clock.chance(self.manners.close_lies):
            self._clock.met["close acknowledged, not done"] += 1
            session.denied = True
            return self._utter(Word.EXPIRED, Channel.CLOSE, session, None)
        self._become(session, Word.EXPIRED)
        return self._said(session, Channel.CLOSE)

    def find(self, payment_id: str) -> Said:
        """The newest; nothing that means anything, at a company that cannot be asked."""
        if not self.manners.searchable:
            return self._mumble()
        known = [session for session in self.sessions if session.payment_id == payment_id]
        if not known:
            return self._absent(None, None, Channel.READ)
        return self._said(known[-1], Channel.READ)

    def refund(self, name: str, reference: str, amount: Money) -> RefundSaid:
        session = self._session(reference)
        if session is None or session.captured is None:
            raise ProviderRejected("this checkout captured nothing")
        known = [back for back in self.refunds if back.name == name]
        if known and self.manners.idempotent:
            return self._of_refund(known[-1])
        drawn = self._dice.random()
        word = RefundWord.SUCCEEDED
        if drawn < self.manners.refund_pending:
            word = RefundWord.PENDING
        back = GivenBack(
            name, f"{self.name}:re_{len(self.refunds) + 1}", reference, amount, word, self._straggling
        )
        self.refunds.append(back)
        self._clock.tell("company gives back", name, amount, word)
        self._check_refunds(session, back)
        if word is RefundWord.PENDING:
            fails = self._dice.random() < self.manners.refund_fails
            delay = 3600 * self._dice.random()
            last = RefundWord.FAILED if fails else RefundWord.SUCCEEDED
            self._clock.after(delay, lambda: self._refund_ends(back, last))
        return self._of_refund(back)

    def find_refund(self, name: str) -> RefundSaid:
        if not self.manners.searchable:
            return self._utter_refund(RefundWord.UNCLEAR, None, None)
        known = [back for back in self.refunds if back.name == name]
        if not known:
            return self._utter_refund(RefundWord.ABSENT, None, None)
        return self._of_refund(known[-1])

    # What payers and time do ------------------------------------------------------------------

    def pay(self, session: Session, captured: Money) -> bool:
        if session.word not in {Word.OPEN, Word.PROCESSING} or self._clock.now >= session.expires_at:
            return False
        session.captured = captured
        self._become(session, Word.PAID)
        return True

    def process(self, session: Session) -> bool:
        if not session.payable(self._clock.now):
            return False
        # Money on its way does not expire.
        session.expires_at = float("inf")
        self._become(session, Word.PROCESSING)
        return True

    def decline(self, session: Session) -> None:
        if session.word is Word.OPEN:
            self._emit(self._utter(Word.ATTEMPT_FAILED, Channel.WEBHOOK, session, None))

    def end(self, session: Session, word: Word) -> None:
        if session.word in {Word.OPEN, Word.PROCESSING}:
            self._become(session, word)

    def expire(self, session: Session) -> None:
        if session.word is Word.OPEN and self._clock.now >= session.expires_at:
            self._become(session, Word.EXPIRED)

    def slip_through(self, session: Session, captured: Money) -> None:
        """Money that was on its way when the checkout was called closed."""
        session.denied = True
        session.captured = captured
        self._become(session, Word.PAID)

    def whisper(self, said: Said) -> None:
        """An event that its own machinery would not send: forged, misdirected, out of the blue."""
        self._emit(said)

    def utter(
        self, word: Word, payment_id: str | None, reference: str | None, captured: Money | None
    ) -> Said:
        self._number += 1
        cause = f"{self.name}:{word}:{self._number}"
        self.uttered.add(cause)
        return Said(words(word, Channel.WEBHOOK, payment_id, reference, captured), cause)

    # How it is asked --------------------------------------------------------------------------

    def asked(self, made_at: float, effect: Callable[[], T], trouble: float, *, write: bool) -> Step:
        """One call, with the ends that a call may have."""
        clock, dice = self._clock, self._dice
        yield "before the call"
        if clock.now > made_at + self.fresh:
            clock.met["not called, overslept"] += 1
            raise ProviderUnavailable("whoever wanted to had slept too long")
        if not clock.chance(trouble):
            try:
                answer = effect()
            except ProviderError:
                yield "after the call"
                raise
            yield "after the call"
            return answer
        lost = OutcomeUnknown if write else ProviderUnavailable
        if dice.random() < self.manners.refuses:
            clock.tell("company refuses", self.name)
            clock.met["refused"] += 1
            refusal = (ProviderRejected, ProviderAuthFailed, ProviderUnavailable)[int(dice.random() * 3)]
            yield "after the call"
            raise refusal("no")
        drawn = dice.random()
        if drawn < 0.2:
            yield "after the call"
            raise ProviderUnavailable("cannot be reached")
        if drawn < 0.6:
            clock.tell("answer gets lost", self.name)
            clock.met["answer lost"] += 1
            if drawn < 0.5:
                self._quietly(effect, clock.now)
            yield "after the call"
            raise lost("did not answer")
        clock.tell("company hangs", self.name)
        clock.met["hung"] += 1
        if drawn < 0.85:
            reach = _PATIENCE * (6 if self.manners.straggles else 1)
            begun = clock.now
            clock.after(dice.random() * reach, lambda: self._quietly(effect, begun))
        yield _PATIENCE
        raise lost("did not answer in time")

    def _quietly(self, effect: Callable[[], object], begun: float) -> None:
        self._straggling = self._clock.now > begun + _PATIENCE
        try:
            effect()
        except ProviderError:
            self._clock.tell("nobody hears a no", self.name)
        self._straggling = False

    # Its words --------------------------------------------------------------------------------

    def _session(self, reference: str) -> Session | None:
        return next((session for session in self.sessions if session.name == reference), None)

    def _become(self, session: Session, word: Word) -> None:
        session.word = word
        self._clock.tell(f"checkout is {word}", session.name, session.captured or "")
        self._emit(self._said(session, Channel.WEBHOOK))

    def _said(self, session: Session, channel: Channel) -> Said:
        if self._clock.chance(self.manners.mumbles):
            return self._utter(Word.UNCLEAR, channel, session, None)
        captured = session.captured
        if (
            channel is Channel.WEBHOOK
            and captured is not None
            and self._clock.chance(self.manners.hides_amounts)
        ):
            self._clock.met["amount not told"] += 1
            captured = None
        return self._utter(session.word, channel, session, captured)

    def _utter(self, word: Word, channel: Channel, session: Session, captured: Money | None) -> Said:
        self._number += 1
        cause = f"{self.name}:{channel}:{self._number}"
        self.uttered.add(cause)
        return Said(words(word, channel, session.payment_id, session.name, captured), cause)

    def _absent(self, session: Session | None, reference: str | None, channel: Channel) -> Said:
        if session is not None:
            self._clock.met["checkout forgotten"] += 1
        self._number += 1
        cause = f"{self.name}:absent:{self._number}"
        self.uttered.add(cause)
        return Said(words(Word.ABSENT, channel, None, reference, None), cause)

    def _mumble(self) -> Said:
        self._number += 1
        cause = f"{self.name}:mumble:{self._number}"
        self.uttered.add(cause)
        return Said(words(Word.UNCLEAR, Channel.READ, None, None, None), cause)

    def _of_refund(self, back: GivenBack) -> RefundSaid:
        if self._clock.chance(self.manners.mumbles):
            return self._utter_refund(RefundWord.UNCLEAR, back.reference, None)
        return self._utter_refund(back.word, back.reference, back.amount)

    def _utter_refund(self, word: RefundWord, reference: str | None, amount: Money | None) -> RefundSaid:
        self._number += 1
        cause = f"{self.name}:refund:{self._number}"
        self.uttered.add(cause)
        return RefundSaid(refund_words(word, reference, amount), cause)

    def _refund_ends(self, back: GivenBack, word: RefundWord) -> None:
        back.word = word
        self._clock.tell(f"refund has {word}", back.name)

    def _check_refunds(self, session: Session, new: GivenBack) -> None:
        if any(back.denied for back in self.refunds):
            self._clock.met["straggling refund"] += 1
            return
        alive = [back for back in self.refunds if back.word is not RefundWord.FAILED]
        if sum(back.name == new.name for back in alive) > 1:
            raise Breach(f"I2: {new.name} was given back twice")
        assert session.captured is not None
        back = sum(back.amount.amount_minor for back in alive if back.session == session.name)
        if back > session.captured.amount_minor:
            raise Breach(f"I2: more goes back than {session.name} captured")

    # Its events -------------------------------------------------------------------------------

    def _emit(self, said: Said) -> None:
        event = Event(said, self.name)
        self.events.append(event)
        manners, dice = self.manners, self._dice
        self._clock.after(manners.delays_events * dice.random(), lambda: self._send(event))
        if self._clock.chance(manners.repeats_events):
            self._clock.met["event repeated"] += 1
            self._clock.after(manners.delays_events * dice.random() * 10, lambda: self.on_event(event))

    def _send(self, event: Event) -> None:
        if event.acknowledged:
            return
        pause = _REDELIVERY[min(event.sent, len(_REDELIVERY) - 1)]
        self._clock.after(pause, lambda: self._send(event))
        event.sent += 1
        if self._clock.chance(self.manners.loses_events):
            self._clock.met["event lost"] += 1
            return
        self.on_event(event)
