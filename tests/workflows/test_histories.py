"""What is read out of kept histories: steps, stand-ins for what is nobody's business, and other endings."""

import base64
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.evidence import Word
from tests.workflows.test_replay import KEPT, replay
from workflows import histories
from workflows.payloads import SealedPayloads, data_converter
from workflows.rehearsal import CannotRehearse, Line, compared, rehearse, script_of

SERVER = Path(sys.executable).parent / "temporal-test-server"
PERSONAL = "anna.kovacs@example.com"
MEMBERS = ("raw_state", "failure_message", "reference", "checkout_url")
MINUTE = timedelta(minutes=1)


def kept(name: str) -> tuple[str, list[Any]]:
    return histories.read((KEPT / f"{name}.json").read_text())


def texts(part: Any) -> Iterator[str]:
    """Everything that is written anywhere in it, within payloads, too."""
    if isinstance(part, dict):
        if isinstance(part.get("data"), str):
            yield base64.b64decode(part["data"]).decode()
        for name, inner in part.items():
            yield from texts(inner) if name != "data" else ()
    elif isinstance(part, list):
        for inner in part:
            yield from texts(inner)
    elif isinstance(part, str):
        yield part


def with_personal_data(events: list[Any]) -> list[Any]:
    """As if a company had put a person's address wherever it may write."""
    changed = json.loads(json.dumps(events))
    for event in changed:
        signal = event.get("workflowExecutionSignaledEventAttributes")
        if signal:
            payload = signal["input"]["payloads"][0]
            said = json.loads(base64.b64decode(payload["data"])) | dict.fromkeys(MEMBERS, PERSONAL)
            payload["data"] = base64.b64encode(json.dumps(said).encode()).decode()
    return list(changed)


# --- Steps ----------------------------------------------------------------------------------------


def test_a_history_is_told_as_what_came_and_what_was_decided() -> None:
    _, events = kept("success")
    told = [(step.came, step.what.split(" [")[0]) for step in histories.steps(events)]
    assert told[0] == (True, "Payment of 19900.00 HUF begins")
    assert (True, "webhook says paid") in told
    assert told[-1] == (False, "ends: SUCCEEDED")
    heard, settled = (
        told.index((True, "webhook says paid")),
        told.index((False, "settle (webhook says paid)")),
    )
    assert heard < settled


@pytest.mark.parametrize("name", sorted(path.stem for path in KEPT.glob("*.json")))
def test_every_kept_history_can_be_told(name: str) -> None:
    _, events = kept(name)
    told = histories.steps(events)
    assert told[0].came
    assert [step.number for step in told] == sorted(step.number for step in told)
    assert [*histories.decisions(events)][-1] <= len(events)


# --- Giving one away ------------------------------------------------------------------------------


async def test_a_history_without_personal_data_leads_to_the_same_decisions() -> None:
    workflow_id, events = kept("decline_then_success")
    given_away = histories.redacted(with_personal_data(events))
    assert not [text for text in texts(given_away) if PERSONAL in text or "127.0.0.1" in text]
    name, found = histories.read(histories.written(workflow_id, given_away))
    await replay(histories.restored(name, found))


def test_what_an_operator_needs_stays() -> None:
    _, events = kept("success")
    said = " ".join(texts(histories.redacted(events)))
    for fact in ("SUCCEEDED", "19900", "HUF", "sandbox", "paid", "payment:ten_"):
        assert fact in said


def test_the_same_text_gets_the_same_stand_in_and_only_here() -> None:
    _, events = kept("decline_then_success")
    twice = histories.redacted(events), histories.redacted(events)
    assert twice[0] == twice[1]
    stand_ins = {text for text in texts(histories.redacted(kept("success")[1])) if "redacted_" in text}
    assert not stand_ins & {text for text in texts(twice[0]) if text.startswith("redacted_")}


async def test_a_sealed_history_is_opened_first() -> None:
    key = b"k" * 32
    codec = SealedPayloads([key])
    plain = await data_converter().encode(["a word"])
    (sealed,) = await codec.encode(plain)
    event = {
        "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",
        "workflowExecutionSignaledEventAttributes": {
            "signalName": "nudge",
            "input": {
                "payloads": [
                    {
                        "metadata": {k: base64.b64encode(v).decode() for k, v in sealed.metadata.items()},
                        "data": base64.b64encode(sealed.data).decode(),
                    }
                ]
            },
        },
    }
    (opened,) = histories.opened([event], codec)
    assert histories.value_of(histories.facts_of(opened)["input"]) == "a word"
    with pytest.raises(PermissionError, match="is sealed with key"):
        histories.opened([event], SealedPayloads([]))


# --- What if --------------------------------------------------------------------------------------


async def lived(name: str, later: timedelta | None) -> tuple[list[Line], list[Line]]:
    """A kept payment as it was, and with its first paying webhook moved."""
    script = script_of(kept(name)[1])
    cause = next(cue.said.cause_id for cue in script.cues if cue.said and cue.said.word is Word.PAID)
    return await rehearse(script, SERVER), await rehearse(script.moved(cause, later), SERVER)


async def test_had_the_webhook_come_after_the_deadline_closing_would_have_found_the_money() -> None:
    was, would_be = await lived("success", 20 * MINUTE)
    assert [line.what for line in was] == [
        "19900.00 HUF at sandbox: PROVIDER_PENDING",
        "a webhook says paid: SUCCEEDED",
    ]
    assert [line.what for line in would_be] == [
        "19900.00 HUF at sandbox: PROVIDER_PENDING",
        "the checkout is to be closed, to be EXPIRED",
        "closing, the company says paid: SUCCEEDED",
        "a webhook says paid: noted as echo",
    ]
    assert would_be[-1].after >= 20 * MINUTE


async def test_had_it_never_come_the_payment_would_have_ended_the_same() -> None:
    _, would_be = await lived("success", None)
    assert would_be[-1].what == "closing, the company says paid: SUCCEEDED"


async def test_a_payment_that_nobody_paid_expires_in_a_rehearsal_too() -> None:
    lines = await rehearse(script_of(kept("expiry")[1]), SERVER)
    assert lines[-1].what == "closing, the company says expired: EXPIRED"


@pytest.mark.parametrize("name", ["late_report", "refund_approved", "deliveries"])
def test_only_payments_are_rehearsed(name: str) -> None:
    with pytest.raises(CannotRehearse, match="Only payments"):
        script_of(kept(name)[1])


def test_only_an_event_that_came_can_come_later() -> None:
    with pytest.raises(CannotRehearse, match="evt_nobody_sent"):
        script_of(kept("success")[1]).moved("evt_nobody_sent", MINUTE)


def test_two_stories_differ_where_they_say_other_things_or_at_another_time() -> None:
    was = [Line(after=MINUTE * at, what=what) for at, what in ((0, "a"), (1, "b"), (2, "c"))]
    other = [Line(after=MINUTE * at, what=what) for at, what in ((0, "a"), (5, "b"), (5, "d"))]
    assert [(sign, line.what) for sign, line in compared(was, other)] == [
        (" ", "a"),
        ("-", "b"),
        ("+", "b"),
        ("-", "c"),
        ("+", "d"),
    ]
    assert {sign for sign, _ in compared(was, was)} == {" "}
