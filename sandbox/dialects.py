"""In whose words the company speaks: its own, unless a face has taught it another company's.

The core tells what happened; a dialect turns that into webhooks, errors and distortions of its own.
"""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any, ClassVar, Literal

from starlette.responses import JSONResponse, Response

from sandbox import money
from sandbox.errors import Refused
from sandbox.store import Record
from sandbox.world import World

UNKNOWN_WORD = "sideways"
Shown = dict[str, Any]
"""An object as a dialect lays it out."""


class Event(Record):
    """Something an account is told, with the object as it was just then, in the account's dialect."""

    KIND: ClassVar[str] = "event"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"subject", "spoils"})

    type: str
    mode: Literal["test"] = "test"
    data: Shown
    subject: str | None = None
    """The record it is about."""
    spoils: tuple[str, ...] = ()
    """The faults that distort what is sent of it."""

    @property
    def parent(self) -> str | None:
        """Hang from the record it is about."""
        return self.subject


class Dialect:
    """The company's own words. A face overrides what the company it plays says differently."""

    NAME: ClassVar[str] = "sandbox"
    TITLE: ClassVar[str | None] = None
    """The company that is played; None: nobody but itself."""
    LIST: ClassVar[str] = "data"
    """Where a list keeps its items."""
    AMOUNTS: ClassVar[tuple[str, ...]] = ("amount", "amount_captured")
    CURRENCIES: ClassVar[tuple[str, ...]] = ("currency", "currency_captured")
    WORDS: ClassVar[tuple[str, ...]] = ("status", "payment_status")

    def tellings(self, world: World, kind: str, record: Record) -> list[tuple[str, Shown]]:  # noqa: ARG002
        """Say what happened to a record: the type and the object of each webhook, maybe of none."""
        return [(kind, record.wire())]

    def letter(self, event: Event, shown: Shown) -> str:
        """Write the body of a webhook."""
        fields = event.model_dump(mode="json", include={"id", "type", "created_at", "account", "mode"})
        return _compact({**fields, "data": shown})

    def letter_now(self, world: World, event: Event, written: str) -> str:  # noqa: ARG002
        """Give the body at the moment it is sent: as it was written, unless the company tells the latest."""
        return written

    def seal(self, secret: str, identity: str, timestamp: int, body: str) -> dict[str, str]:
        """Sign ``id.timestamp.body`` as Standard Webhooks does; the key is what follows ``whsec_``."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{identity}.{timestamp}.{body}".encode(), sha256).digest()
        return {
            "webhook-id": identity,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        }

    def refusal(self, refused: Refused) -> Response:
        """Write an error as the API does."""
        return JSONResponse(refused.body(), refused.status, retry_after(refused))

    def distort(self, shown: Shown, fault: str) -> Shown:
        """Return an object with its money or its status word replaced, as a fault asks."""
        changed = dict(shown)
        for name in self.AMOUNTS if fault == "wrongAmount" else ():
            if changed.get(name):
                wrong = money.wrong_amount(int(changed[name]))
                changed[name] = str(wrong) if isinstance(changed[name], str) else wrong
        for name in self.CURRENCIES if fault == "wrongCurrency" else ():
            if changed.get(name):
                wrong_word = money.wrong_currency(changed[name].upper())
                changed[name] = wrong_word.lower() if changed[name].islower() else wrong_word
        if fault == "unknownWord":
            changed |= {name: UNKNOWN_WORD for name in self.WORDS if name in changed}
        return changed


def retry_after(refused: Refused) -> dict[str, str] | None:
    """Ask for a pause where a later attempt may go better."""
    return {"Retry-After": "1"} if refused.status in {429, 503} else None


OWN = Dialect()
_SPOKEN: dict[str, Dialect] = {OWN.NAME: OWN}


def learn(dialect: Dialect) -> None:
    """Let records name this dialect from now on."""
    _SPOKEN[dialect.NAME] = dialect


def of(record: Record) -> Dialect:
    """Give the dialect of the face through which a record came to be."""
    return _SPOKEN[record.dialect]


def _compact(body: Shown) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
