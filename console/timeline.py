"""All that happened to a payment, in order of time, each with its kind. Made of a dossier; reads nothing.

Texts are named here, and written by the template. What providers sent is shown by its hash only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from console.situations import Tone
from documents.words import Language, money

Line = Mapping[str, Any]


class Kind(StrEnum):
    """In the order in which things of one moment are told."""

    CALL = "call"
    EVIDENCE = "evidence"
    HISTORY = "history"
    REFUND = "refund"
    DISPUTE = "dispute"
    APPROVAL = "approval"
    LEDGER = "ledger"
    RIGHT = "right"
    WEBHOOK = "webhook"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    at: datetime
    kind: Kind
    text: str
    """The key of its sentence."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What the sentence has places for. ``what`` may be a word of ours that has a text of its own."""
    details: tuple[tuple[str, str], ...] = ()
    """Keys of their names, and values as they are."""
    tone: Tone = Tone.QUIET
    link: str | None = None
    """Where more is told of it: a page, or a part of this one."""
    delivery_id: str | None = None
    """What may be sent again."""


def told(chapters: Mapping[str, Sequence[Line]], language: Language) -> list[Happening]:
    """Everything, oldest first."""
    found = [
        *(
            happening
            for chapter, tell in _TELLERS.items()
            for line in chapters[chapter]
            for happening in tell(line)
        ),
        *_of_money(chapters, language),
        *_of_ledger(chapters["Ledger"], language),
        *_of_webhooks(chapters["Webhooks to the tenant"]),
    ]
    order = list(Kind)
    return sorted(found, key=lambda each: (each.at, order.index(each.kind)))


def _details(**named: Any) -> tuple[tuple[str, str], ...]:
    """Those that say something. Moments are left to their own lines."""
    return tuple((f"tl_{name}", str(value)) for name, value in named.items() if value not in {None, "", 0})


_ENDINGS: Final = {
    "payment.succeeded": Tone.GOOD,
    "payment.failed": Tone.BAD,
    "payment.unknown": Tone.WAIT,
    "payment.review": Tone.BAD,
    "payment.pending": Tone.WAIT,
    "refund.succeeded": Tone.GOOD,
    "refund.failed": Tone.BAD,
    "dispute.opened": Tone.BAD,
    "dispute.lost": Tone.BAD,
    "dispute.won": Tone.GOOD,
}


def _history(line: Line) -> Iterator[Happening]:
    yield Happening(
        at=line["at"],
        kind=Kind.HISTORY,
        text="tl_history_said" if line["raw_state"] else "tl_history",
        values={"what": line["type"], "said": line["raw_state"] or ""},
        details=_details(cause=line["cause"], evidence_hash=line["evidence_sha256"]),
        tone=_ENDINGS.get(line["type"], Tone.QUIET),
    )


_LETTERS: Final = {"PROCESSED": Tone.GOOD, "RECEIVED": Tone.WAIT, "UNMATCHED": Tone.WAIT}


def _evidence(line: Line) -> Iterator[Happening]:
    yield Happening(
        at=line["at"],
        kind=Kind.EVIDENCE,
        text="tl_evidence_said" if line["said"] else "tl_evidence",
        values={"provider": line["provider"], "said": line["said"] or ""},
        details=_details(
            state=line["state"],
            note=line["note"],
            event=line["event_id"],
            evidence_hash=line["evidence_sha256"],
            tries=line["attempts"],
        ),
        tone=_LETTERS.get(line["state"], Tone.BAD),
        link=f"/console/inbox/{line['id']}",
    )


def _call(line: Line) -> Iterator[Happening]:
    if line["at"] is not None:
        yield Happening(
            at=line["at"],
            kind=Kind.CALL,
            text="tl_call",
            values={"provider": line["provider"]},
            details=_details(
                state=line["state"],
                reference=line["reference"],
                tries=line["attempts"] if line["attempts"] > 1 else None,
            ),
        )


def _right(line: Line) -> Iterator[Happening]:
    values = {"feature": line["feature"], "quantity": str(line["quantity"])}
    until = line["valid_to"] and f"{line['valid_to']:%Y-%m-%d %H:%M} UTC"
    yield Happening(
        at=line["at"], kind=Kind.RIGHT, text="tl_right", values=values, details=_details(until=until)
    )
    if line["revoked_at"] is not None:
        yield Happening(
            at=line["revoked_at"], kind=Kind.RIGHT, text="tl_revoked", values=values, tone=Tone.BAD
        )


def _attempt(line: Line) -> Iterator[Happening]:
    arrived = line["status"] is not None and 200 <= line["status"] < 300
    yield Happening(
        at=line["at"],
        kind=Kind.WEBHOOK,
        text="tl_attempt",
        values={"type": line["type"], "number": str(line["number"])},
        details=_details(
            answer=line["status"], error=line["error"], to=line["url"], took=f"{line['duration_ms']} ms"
        ),
        tone=Tone.GOOD if arrived else Tone.BAD,
    )


def _audit(line: Line) -> Iterator[Happening]:
    yield Happening(
        at=line["at"],
        kind=Kind.AUDIT,
        text="tl_audit",
        values={"what": line["action"], "by": line["actor"]},
        details=_details(
            result=line["result"],
            failure=line["failure"],
            about=line["resource"],
            request=line["correlation_id"],
        ),
        tone=Tone.BAD if line["result"] == "refused" else Tone.QUIET,
    )


_TELLERS: Final = {
    "History": _history,
    "Provider events": _evidence,
    "Calls": _call,
    "Rights": _right,
    "Attempts": _attempt,
    "Audit": _audit,
}


def _of_money(chapters: Mapping[str, Sequence[Line]], language: Language) -> Iterator[Happening]:
    """Refunds, disputes and approvals: how each began, and how it stands or was decided."""
    for line in chapters["Refunds"]:
        amount = {"amount": money(line["amount_minor"], line["currency"], language, spoken=True)}
        yield Happening(
            at=line["at"],
            kind=Kind.REFUND,
            text="tl_refund",
            values=amount | {"by": line["requested_by"]},
            details=_details(reason=line["reason"], id=line["id"]),
            link=f"#{line['id']}",
        )
        if line["first_called_at"] is not None:
            reference = line["provider_reference"]
            yield Happening(
                at=line["first_called_at"],
                kind=Kind.CALL,
                text="tl_refund_call",
                values=amount | {"provider": line["provider"]},
                details=_details(
                    reference=reference, tries=line["attempts"] if line["attempts"] > 1 else None
                ),
                link=f"#{line['id']}",
            )
    for line in chapters["Disputes"]:
        yield Happening(
            at=line["at"],
            kind=Kind.DISPUTE,
            text="tl_dispute",
            values={"amount": money(line["amount_minor"], line["currency"], language, spoken=True)},
            details=_details(reason=line["reason"], reference=line["provider_reference"], id=line["id"]),
            tone=Tone.BAD,
            link=f"#{line['id']}",
        )
    for line in chapters["Approvals"]:
        yield from _approval(line, money(line["amount_minor"], line["currency"], language, spoken=True))


def _approval(line: Line, amount: str) -> Iterator[Happening]:
    asked = line["choice"] or line["kind"]
    yield Happening(
        at=line["at"],
        kind=Kind.APPROVAL,
        text=f"tl_asked_{'accept' if asked == 'accept' else 'refund'}",
        values={"amount": amount, "by": line["requested_by"]},
        details=_details(reason=line["reason"], id=line["id"]),
    )
    if line["decided_at"] is not None:
        yield Happening(
            at=line["decided_at"],
            kind=Kind.APPROVAL,
            text=f"tl_{line['state']}",
            values={"by": line["decided_by"] or ""},
            details=_details(id=line["id"]),
            tone=Tone.GOOD if line["state"] == "APPROVED" else Tone.BAD,
        )


def _of_ledger(lines: Sequence[Line], language: Language) -> Iterator[Happening]:
    """A booking each, with its lines, which sum to zero."""
    for _, booked in groupby(lines, key=lambda line: line["transaction_id"]):
        entries = list(booked)
        yield Happening(
            at=entries[0]["at"],
            kind=Kind.LEDGER,
            text="tl_booked",
            details=tuple(
                (f"account_{entry['account']}", money(entry["amount_minor"], entry["currency"], language))
                for entry in entries
            ),
        )


_DELIVERIES: Final = {
    "DELIVERED": Tone.GOOD,
    "PENDING": Tone.WAIT,
    "EXHAUSTED": Tone.BAD,
    "DROPPED": Tone.QUIET,
}


def _of_webhooks(lines: Sequence[Line]) -> Iterator[Happening]:
    """What the tenant was told, once for each endpoint that hears it."""
    for line in lines:
        heard = line["delivery_id"] is not None
        yield Happening(
            at=line["at"],
            kind=Kind.WEBHOOK,
            text="tl_told" if heard else "tl_told_nobody",
            values={"type": line["type"], "number": str(line["sequence"])},
            details=_details(state=line["state"], to=line["url"], event=line["event_id"]),
            tone=_DELIVERIES.get(line["state"], Tone.QUIET),
            delivery_id=line["delivery_id"] if line["endpoint"] == "enabled" else None,
        )
