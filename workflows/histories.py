"""What Temporal kept of a workflow, made readable: opened, without personal data, told step by step."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory

from domain.money import Money
from domain.values import Value
from workflows.payloads import SealedPayloads

# What differs from run to run, names machines, and is of no use to a replay.
_NOISE: Final = frozenset(
    {
        *("stackTrace", "taskId", "identity", "requestId", "workerVersion", "meteringMetadata"),
        *("header", "historySizeBytes", "userMetadata"),
    }
)
# What may stay when a history is given away: our ids, moments, digests, codes in capitals, plain words.
_HARMLESS: Final = re.compile(
    r"(?:payment:|late:)?[a-z]{2,6}_[0-9a-z]{26}(?::[a-z]{3}_[0-9a-z]{26})?"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?|PT?[0-9DHMS.]+"
    r"|[0-9a-f]{32,128}|[A-Z_]{2,40}"
)
# Members whose values are words of ours, never a person's or a company's.
_OUR_WORDS: Final = frozenset(
    {
        *("kind", "word", "channel", "status", "intent", "provider", "currency", "failure_code", "note"),
        *("origin", "state", "choice", "interval", "type"),
    }
)

Json = dict[str, Any]


class Step(Value):
    """One thing that happened, in the order of the history."""

    number: int
    """The id of its event."""
    at: datetime
    came: bool
    """Whether it came to the workflow; else the workflow decided it."""
    what: str
    task: int
    """In which of the workflow's tasks it was heard or decided."""


def events(history: WorkflowHistory) -> list[Json]:
    """The events as JSON."""
    found: list[Json] = history.to_json_dict()["events"]
    return found


def restored(workflow_id: str, found: Sequence[Json]) -> WorkflowHistory:
    """A history as replays take it."""
    return WorkflowHistory.from_json(workflow_id, {"events": [*found]})


def written(workflow_id: str, found: Sequence[Json]) -> str:
    """As it is kept in a file: one event a line."""
    lines = ",\n".join(json.dumps(event) for event in found)
    return f'{{"workflowId": {json.dumps(workflow_id)}, "events": [\n{lines}\n]}}\n'


def read(text: str) -> tuple[str, list[Json]]:
    """What ``written`` wrote: the workflow's id and its events. Raises ``ValueError``."""
    try:
        found = json.loads(text)
        return str(found["workflowId"]), [*found["events"]]
    except (KeyError, TypeError) as error:
        raise ValueError("this is no history of a workflow") from error


def opened(found: Sequence[Json], codec: SealedPayloads) -> list[Json]:
    """The same, with sealed payloads opened. Raises ``PermissionError`` where a key is missing."""

    def unsealed(payload: Json) -> Json:
        metadata = {name: base64.b64decode(value) for name, value in payload.get("metadata", {}).items()}
        sealed = Payload(metadata=metadata, data=base64.b64decode(payload.get("data", "")))
        (plain,) = codec.show([sealed])
        return _payload(dict(plain.metadata), plain.data)

    return [_mapped(event, unsealed) for event in found]


def redacted(found: Sequence[Json]) -> list[Json]:
    """The same without what may be personal or secret, and still good for a replay.

    Ids of ours, amounts, moments and words of ours stay. Any other text becomes a stand-in, the same for the
    same text within this history. Sealed payloads must have been opened before.
    """
    salt = sha256(json.dumps(found[:1]).encode()).hexdigest()

    def stand_in(text: str) -> str:
        return "redacted_" + sha256(f"{salt}{text}".encode()).hexdigest()[:12]

    def cleaned(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {member: cleaned(inner, member) for member, inner in value.items()}
        if isinstance(value, list):
            return [cleaned(inner, name) for inner in value]
        if not isinstance(value, str) or name in _OUR_WORDS or _HARMLESS.fullmatch(value):
            return value
        return stand_in(value)

    def payload(kept: Json) -> Json:
        value = _value(kept)
        metadata = {name: base64.b64decode(value) for name, value in kept.get("metadata", {}).items()}
        return _payload(metadata, b"" if value is None and not kept.get("data") else _json(cleaned(value)))

    return [_quiet(_mapped(event, payload)) for event in found]


def steps(found: Sequence[Json]) -> list[Step]:
    """What came to the workflow and what it decided, without the bookkeeping between."""
    told: list[Step] = []
    names: dict[Any, str] = {}
    tries: dict[Any, int] = {}
    task = 1
    for event in found:
        kind = kind_of(event)
        facts = facts_of(event)
        if kind == "workflow_task_completed":
            task += 1
        elif kind == "activity_task_scheduled":
            names[event["eventId"]] = facts["activityType"]["name"]
        elif kind == "activity_task_started":
            tries[facts["scheduledEventId"]] = int(facts.get("attempt", 1))
        elif kind == "timer_started":
            names[event["eventId"]] = _summary(event) or "a timer"
        said = _TOLD.get(kind)
        if said is None:
            continue
        scheduled = facts.get("scheduledEventId", facts.get("startedEventId", ""))
        context = {**facts, "_name": names.get(scheduled, ""), "_tries": tries.get(scheduled, 1)}
        came, text = said(context, event)
        told.append(
            Step(
                number=int(event["eventId"]),
                at=datetime.fromisoformat(event["eventTime"]),
                came=came,
                what=text,
                # What a task decided is written down after it is completed.
                task=task if came else task - 1,
            )
        )
    return told


def decisions(found: Sequence[Json]) -> Iterator[int]:
    """After how many events each of the workflow's tasks had written down all that it decided."""
    inside = False
    for index, event in enumerate(found):
        kind = kind_of(event)
        if inside and not _is_decided(kind, event):
            yield index
            inside = False
        if kind == "workflow_task_completed":
            inside = True
    if inside:
        yield len(found)


def kind_of(event: Json) -> str:
    """``activity_task_completed`` and its like."""
    name: str = event["eventType"]
    return name.removeprefix("EVENT_TYPE_").lower()


def facts_of(event: Json) -> Json:
    """What the event says beside its kind and time."""
    told: Json = next((value for name, value in event.items() if name.endswith("EventAttributes")), {})
    return told


def value_of(payloads: Json | None) -> Any:
    """What the first of these payloads says, if it can be read."""
    kept = (payloads or {}).get("payloads") or [None]
    return None if kept[0] is None else _value(kept[0])


def _is_decided(kind: str, event: Json) -> bool:
    facts = facts_of(event)
    return "workflowTaskCompletedEventId" in facts or kind.startswith("workflow_execution_update_")


# --- How events are told --------------------------------------------------------------------------


def _started(facts: Json, _: Json) -> tuple[bool, str]:
    told = value_of(facts.get("input"))
    money = told.get("money") if isinstance(told, dict) else None
    name = facts["workflowType"]["name"]
    return True, f"{name} of {Money(**money)} begins" if money else f"{name} begins"


def _scheduled(facts: Json, event: Json) -> tuple[bool, str]:
    summary = _summary(event)
    return False, f"{facts['activityType']['name']}" + (f" ({summary})" if summary else "")


def _completed(facts: Json, _: Json) -> tuple[bool, str]:
    result = value_of(facts.get("result"))
    status = result.get("status") if isinstance(result, dict) else result
    tries = f", at the {_ordinal(facts['_tries'])} try" if facts["_tries"] > 1 else ""
    return True, f"{facts['_name']} is done{f': {status}' if status else ''}{tries}"


def _failed(facts: Json, _: Json) -> tuple[bool, str]:
    return True, f"{facts['_name']} came to nothing: {facts.get('failure', {}).get('message', 'no reason')}"


def _signalled(facts: Json, _: Json) -> tuple[bool, str]:
    said = value_of(facts.get("input"))
    if isinstance(said, dict) and "word" in said:
        return True, f"{said.get('channel', 'somebody')} says {said['word']} [{said.get('cause_id', '')}]"
    return True, f"signal {facts['signalName']}"


def _upserted(facts: Json, _: Json) -> tuple[bool, str]:
    fields = facts.get("searchAttributes", {}).get("indexedFields", {})
    return False, "is now " + ", ".join(str(_value(payload)) for payload in fields.values())


_TOLD: Final[Mapping[str, Callable[[Json, Json], tuple[bool, str]]]] = {
    "workflow_execution_started": _started,
    "workflow_execution_update_accepted": lambda facts, _: (
        True,
        f"somebody asks to {facts['acceptedRequest']['input']['name']}",
    ),
    "workflow_execution_signaled": _signalled,
    "activity_task_scheduled": _scheduled,
    "activity_task_completed": _completed,
    "activity_task_failed": _failed,
    "activity_task_timed_out": lambda facts, _: (True, f"{facts['_name']} took too long"),
    "activity_task_cancel_requested": lambda facts, _: (False, f"stop {facts['_name']}"),
    "activity_task_canceled": lambda facts, _: (True, f"{facts['_name']} has stopped"),
    "timer_started": lambda _, event: (False, f"waits: {_summary(event) or 'a timer'}"),
    "timer_fired": lambda facts, _: (True, f"time is up: {facts['_name']}"),
    "upsert_workflow_search_attributes": _upserted,
    "workflow_execution_completed": lambda facts, _: (False, f"ends: {value_of(facts.get('result'))}"),
    "workflow_execution_failed": lambda facts, _: (
        False,
        f"fails: {facts.get('failure', {}).get('message', '')}",
    ),
    "workflow_execution_continued_as_new": lambda _facts, _event: (False, "goes on in a new run"),
    "workflow_task_failed": lambda facts, _: (
        True,
        f"a task failed: {facts.get('failure', {}).get('message', '')}",
    ),
}


def _ordinal(number: int) -> str:
    return (
        f"{number}{'th' if 10 <= number % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
    )


def _summary(event: Json) -> str:
    kept = event.get("userMetadata", {}).get("summary")
    said = None if kept is None else _value(kept)
    return said if isinstance(said, str) else ""


# --- Payloads, as JSON writes them ----------------------------------------------------------------


def _mapped(part: Any, change: Callable[[Json], Json]) -> Any:
    """The same tree, each payload in it changed."""
    if isinstance(part, list):
        return [_mapped(inner, change) for inner in part]
    if not isinstance(part, dict):
        return part
    if "metadata" in part and set(part) <= {"metadata", "data"}:
        return change(part)
    return {name: _mapped(inner, change) for name, inner in part.items()}


def _quiet(part: Any) -> Any:
    """Without noise, and without messages of failures: those may quote anything."""
    if isinstance(part, list):
        return [_quiet(inner) for inner in part]
    if not isinstance(part, dict):
        return re.sub("^[^@]+@.+$", "sticky", part) if isinstance(part, str) else part
    kept = {name: _quiet(inner) for name, inner in deepcopy(part).items() if name not in _NOISE}
    return kept | {"message": "redacted"} if "message" in kept and "metadata" not in kept else kept


def _payload(metadata: dict[str, bytes], data: bytes) -> Json:
    written_metadata = {name: base64.b64encode(value).decode() for name, value in metadata.items()}
    return {"metadata": written_metadata, "data": base64.b64encode(data).decode()}


def _value(payload: Json) -> Any:
    try:
        return json.loads(base64.b64decode(payload.get("data", "")))
    except ValueError:
        return None


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
