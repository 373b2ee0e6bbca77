"""``workflows.payment`` and ``workflows.late``, line by line: which step runs, and what is heard when."""

from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

from domain.evidence import Channel, Word
from domain.payment import OPEN
from domain.payment import PaymentStatus as S
from domain.tenant import LatePolicy
from domain.verdicts import ECHO, Choice
from tests.simulation.clock import Activity, Process, Step
from tests.simulation.rows import Letter, Payment
from tests.simulation.saga import Inquiry, Progress
from tests.simulation.sayings import Said, words
from workflows import policies

if TYPE_CHECKING:
    from tests.simulation.house import House

_PATIENCE: Final = policies.PATIENCE.total_seconds()
_AT_ONCE: Final = policies.AT_ONCE.total_seconds()
_FOREVER: Final = float("inf")


class PaymentRun:
    """``workflows.payment.PaymentWorkflow``, line by line."""

    def __init__(self, house: "House", payment: Payment) -> None:
        self.house, self.payment_id = house, payment.id
        self.expires_at = payment.expires_at
        self.ordered = payment.ordered
        self.progress = Progress(S.CREATED, None)
        self.reports: deque[tuple[Said, Letter]] = deque()
        self.heard: set[str] = set()
        """Request ids: Temporal delivers each once a run."""
        self.cancelling = self.closing = self.nudged = self.given_up = False
        self.question: Activity | None = None
        self.asked_since: float | None = None
        self.activities: list[Activity] = []
        self.process = Process(house.clock, self._run())
        self.process.poke()

    def lose(self) -> None:
        """Temporal forgets it. Attempts that are under way do not notice."""
        self.process.alive = False
        for activity in self.activities:
            activity.cancel()

    def _run(self) -> Generator[float | None, None, None]:
        yield from self._open()
        while self.progress.status in OPEN:
            self.progress = yield from self._next_step()
        while self.reports:
            said, letter = self.reports.popleft()
            if not self._knows(said):
                self.progress = yield from self._settle(said, letter)
        for activity in self.activities:
            activity.cancel()

    def _do(
        self, name: str, make: Callable[[Activity], Step], policy: Any, within: float = _FOREVER
    ) -> Activity:
        activity = Activity(self.house.clock, name, make, policy, self.process.poke, within=within)
        self.activities.append(activity)
        return activity

    def _result(self, activity: Activity) -> Generator[float | None, None, bool]:
        """Whether it came to something."""
        while not activity.over:
            yield None
        return not activity.failed

    def _open(self) -> Generator[float | None, None, None]:
        saga, payment_id = self.house.saga, self.payment_id
        left = self.expires_at - self.house.clock.now
        opening = self._do(
            "open", lambda _: saga.open_checkout(payment_id), policies.PROVIDER, max(left, _PATIENCE)
        )
        if (yield from self._result(opening)):
            self.progress = opening.result
        else:
            self.progress = yield from self._settle(self._silence(Channel.CREATE), None)
        self.closing = self.progress.status is S.UNKNOWN

    def _next_step(self) -> Generator[float | None, None, Progress]:
        self.question = self.question or self._ask()
        deadline = None if self.closing else max(self.expires_at, self.house.clock.now + _AT_ONCE)
        while not self._something_happened():
            if deadline is not None and self.house.clock.now >= deadline:
                return (yield from self._close())
            yield deadline
        if self.reports:
            said, letter = self.reports.popleft()
            return (yield from self._settle(said, letter))
        if self.question is not None and self.question.over:
            answer, self.question = self.question.result, None
            self.given_up = answer.status in OPEN
            return Progress(*answer)
        if self.closing:
            self._stop_asking()
            self.given_up = False
            return self.progress
        return (yield from self._close())

    def _something_happened(self) -> bool:
        answered = self.question is not None and self.question.over
        wishes = self.nudged if self.closing else self.cancelling
        return bool(self.reports) or answered or wishes

    def _ask(self) -> Activity | None:
        if self.given_up:
            return None
        at_once, self.nudged = self.nudged and self.closing, False
        if self.asked_since is None:
            self.asked_since = self.house.clock.now
        inquiry = self._inquiry()
        inquiry.since, inquiry.at_once = self.asked_since, at_once
        saga = self.house.saga
        return self._do("ask", lambda activity: saga.ask(inquiry, activity), policies.PATIENT)

    def _close(self) -> Generator[float | None, None, Progress]:
        self.closing, self.nudged = True, False
        if self.cancelling:
            self._stop_asking()
        inquiry, saga = self._inquiry(), self.house.saga
        closing = self._do("close", lambda _: saga.close_checkout(inquiry), policies.PROVIDER, _PATIENCE)
        if (yield from self._result(closing)):
            progress: Progress = closing.result
        else:
            self.house.clock.met["silence at the close"] += 1
            progress = yield from self._settle(self._silence(Channel.CLOSE), None)
        if progress.status in OPEN:
            self._stop_asking()
            self.asked_since = None
        return progress

    def _stop_asking(self) -> None:
        if self.question is not None:
            self.question.cancel()
            self.question = None

    def _settle(self, said: Said, letter: Letter | None) -> Generator[float | None, None, Progress]:
        saga, intent = self.house.saga, self._intent()
        settling = self._do(
            "settle", lambda _: saga.settle(self.payment_id, said, intent, letter), policies.STORE
        )
        if (yield from self._result(settling)):
            return Progress(*settling.result)
        return self.progress

    def _intent(self) -> S:
        return S.CANCELLED if self.cancelling else S.EXPIRED

    def _knows(self, said: Said) -> bool:
        status, reference = self.progress
        captured = self.ordered if status is S.SUCCEEDED else None
        design = self.house.design
        standing = design.standing(self.ordered, status, reference, captured, LatePolicy.REFUND, free=True)
        return design.decide(standing, said.words, self._intent()).note == ECHO

    def _inquiry(self) -> Inquiry:
        return Inquiry(self.payment_id, self.progress.reference, self.closing, self._intent())

    def _silence(self, channel: Channel) -> Said:
        self.house.clock.met["silence"] += 1
        cause = f"{channel}:silence:{self.house.clock.now}"
        return Said(words(Word.UNCLEAR, channel, None, None, None), cause)


Heard = tuple[Said, Letter] | tuple[Choice, str]
"""What a payment that has ended is told, and whence it came."""


class LateRun:
    """``workflows.late.LateWorkflow``."""

    def __init__(self, house: "House", payment_id: str) -> None:
        self.house, self.payment_id = house, payment_id
        self.heard: deque[Heard] = deque()
        self.activity: Activity | None = None
        self.process = Process(house.clock, self._run())
        self.process.poke()

    def lose(self) -> None:
        self.process.alive = False
        if self.activity is not None:
            self.activity.cancel()

    def _run(self) -> Generator[float | None, None, None]:
        while self.heard:
            what, whence = self.heard.popleft()
            self.activity = Activity(
                self.house.clock,
                "rule" if isinstance(what, Choice) else "settle",
                lambda _, what=what, whence=whence: self._step(what, whence),  # type: ignore[misc]
                policies.STORE,
                self.process.poke,
            )
            while not self.activity.over:
                yield None

    def _step(self, what: Said | Choice, whence: Any) -> Step:
        if isinstance(what, Choice):
            return self.house.saga.rule(self.payment_id, what, whence)
        return self.house.saga.settle(self.payment_id, what, S.EXPIRED, whence)
