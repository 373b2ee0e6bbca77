"""How long a caller may take to say what it wants and to hear the answer, and how many may take their time.

uvicorn waits for ever for a head or a body that has begun. Here a connection that owes us bytes has a
deadline, and when too many owe, the one that has owed longest is dropped: an ordinary request owes for
milliseconds, so those who go are those who send a byte a second.
"""

import asyncio
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0
BODY_SECONDS: Final = 20.0
"""For the whole body, from its head on. Then ``api.edge`` answers 408."""
# The connection outlives that answer by this, also where it came before the body.
_GRACE_SECONDS: Final = 5.0
# For taking 64 KiB of an answer.
_ANSWER_SECONDS: Final = 30.0
MOST_OWING: Final = 400
"""Connections of one process: with all others it stays below 1024 open files, a common limit."""


class Patience(H11Protocol):
    """One connection, and what it owes us: a head, a body, the room for an answer."""

    head_seconds: ClassVar = HEAD_SECONDS
    body_seconds: ClassVar = BODY_SECONDS + _GRACE_SECONDS
    answer_seconds: ClassVar = _ANSWER_SECONDS
    most_owing: ClassVar = MOST_OWING
    owing: ClassVar[dict["Patience", None]] = {}
    """Those of this process that owe bytes, longest first."""

    def __init__(self, *facts: Any, **more: Any) -> None:
        super().__init__(*facts, **more)
        self._owes: object = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # An idle connection owes nothing until its next request begins; uvicorn closes it after a while.
        if self.conn.their_state is not h11.IDLE:
            self._expect()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._hears()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._settle()
        self._hears()

    def _expect(self) -> None:
        """Start the clock for what is owed now, unless it is what was owed before."""
        state = self.conn.their_state
        seconds = {h11.IDLE: self.head_seconds, h11.SEND_BODY: self.body_seconds}.get(state)
        owes = None if seconds is None else (state, self.cycle)
        if owes == self._owes:
            return
        self._settle()
        if seconds is None or self.transport.is_closing():
            return
        self._owes, self.owing[self] = owes, None
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
        if len(self.owing) > self.most_owing:
            longest = next(iter(self.owing))
            longest._settle()  # noqa: SLF001 - one of us
            longest.transport.abort()

    def _settle(self) -> None:
        """Nothing is owed any more."""
        self._owes = None
        self.owing.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()

    def _hears(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
