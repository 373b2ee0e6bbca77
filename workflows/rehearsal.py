"""What would have become of a payment, had something come at another time: lived through anew, in no time.

The workflow and the rules are today's own; database and payment company are played after the history. The
company holds the money from the moment it first said so, whenever we heard of it, and answers questions.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

from temporalio import activity
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.payment import Inquiry
from activities.schedule import RESOLVING, WAITING, next_question
from domain.evidence import Channel, Observation, Word
from domain.money import Money
from domain.payment import ENDED, PaymentRef, PaymentStatus, Progress
from domain.values import Value
from domain.verdicts import Report, Standing, Verdict, decide
from workflows import policies
from workflows.histories import Json, facts_of, kind_of, value_of
from workflows.payloads import data_converter
from workflows.payment import PaymentWorkflow

_KEYWORD: Final = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_ATTRIBUTES: Final = {
    **dict.fromkeys(("TenantId", "PaymentStatus", "Provider", "ProviderReference", "Currency"), _KEYWORD),
    "AmountMinor": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "DueAt": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
_SETTLING: Final = {
    Word.PAID: PaymentStatus.SUCCEEDED,
    Word.FAILED: PaymentStatus.FAILED,
    Word.EXPIRED: PaymentStatus.EXPIRED,
    Word.CANCELLED: PaymentStatus.CANCELLED,
}
_PATIENCE: Final = timedelta(minutes=1)
"""Of our own clock: a rehearsal that takes longer is stuck."""
_ABOUT: Final = timedelta(seconds=5)


class CannotRehearse(Exception):
    """The history does not hold what a rehearsal needs; the text says what."""


class Cue(Value):
    """Something that came from outside."""

    after: timedelta
    """Since the payment began."""
    name: str
    """Of the signal or update."""
    said: Observation | None = None


class Script(Value):
    """What a history says of the world around its workflow."""

    ref: PaymentRef
    began_at: datetime
    opened: Progress | None
    """The first answer of ``open_checkout``; None: there was none."""
    cues: tuple[Cue, ...]
    known: tuple[Observation, ...] = ()
    """What the company knew, each from its ``observed_at`` on."""

    def moved(self, cause_id: str, later: timedelta | None) -> "Script":
        """The same, but this event comes later, or never. Raises ``CannotRehearse`` for an unknown one."""
        if not any(cue.said is not None and cue.said.cause_id == cause_id for cue in self.cues):
            raise CannotRehearse(f"No event {cause_id} came to this workflow.")
        cues = []
        for cue in self.cues:
            if cue.said is None or cue.said.cause_id != cause_id:
                cues.append(cue)
            elif later is not None:
                cues.append(cue.model_copy(update={"after": max(cue.after + later, timedelta())}))
        return self.model_copy(update={"cues": tuple(sorted(cues, key=lambda cue: cue.after))})


class Line(Value):
    """One line of what happened in a rehearsal."""

    after: timedelta
    what: str


def compared(was: Sequence[Line], would_be: Sequence[Line]) -> list[tuple[str, Line]]:
    """Both, merged: what they share by " ", what only the first has by "-", only the second by "+".

    A line is shared that says the same at about the same time.
    """
    told: list[tuple[str, Line]] = []
    texts = [line.what for line in was], [line.what for line in would_be]
    for kind, start, end, start_then, end_then in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        before, then = was[start:end], would_be[start_then:end_then]
        if kind == "equal":
            for one, other in zip(before, then, strict=True):
                same = abs(one.after - other.after) < _ABOUT
                told += [(" ", one)] if same else [("-", one), ("+", other)]
        else:
            told += [("-", line) for line in before] + [("+", line) for line in then]
    return told


def script_of(found: Sequence[Json]) -> Script:
    """What this history of a payment, opened, says. Raises ``CannotRehearse``."""
    first = facts_of(found[0])
    if first.get("workflowType", {}).get("name") != "Payment":
        raise CannotRehearse("Only payments can be rehearsed.")
    began_at = datetime.fromisoformat(found[0]["eventTime"])
    ref = PaymentRef.model_validate(value_of(first["input"]))
    cues, known, opened, names = [], [], None, {}
    for event in found:
        at = datetime.fromisoformat(event["eventTime"])
        kind, facts = kind_of(event), facts_of(event)
        if kind == "activity_task_scheduled":
            names[event["eventId"]] = facts["activityType"]["name"]
        elif kind == "activity_task_completed":
            result = value_of(facts.get("result"))
            progress = Progress.model_validate(result) if isinstance(result, dict) else None
            if progress is not None and names.get(facts["scheduledEventId"]) == "open_checkout":
                opened = opened or progress
            elif progress is not None and progress.status in ENDED:
                known.append(_concluded(ref, progress, at))
        elif kind == "workflow_execution_signaled":
            said = value_of(facts.get("input"))
            word = Observation.model_validate(said) if facts["signalName"] == "provider_reported" else None
            cues.append(Cue(after=at - began_at, name=facts["signalName"], said=word))
            known += [word] if word is not None and word.word in _SETTLING else []
        elif kind == "workflow_execution_update_accepted":
            name = facts["acceptedRequest"]["input"]["name"]
            cues += [Cue(after=at - began_at, name=name)] if name == "cancel" else []
    by_time = sorted(known, key=lambda each: each.observed_at)
    return Script(ref=ref, began_at=began_at, opened=opened, cues=tuple(cues), known=tuple(by_time))


def _concluded(ref: PaymentRef, progress: Progress, at: datetime) -> Observation:
    """What the company must have said for a step to come to this."""
    words = {status: word for word, status in _SETTLING.items()}
    paid = progress.status is PaymentStatus.SUCCEEDED
    return Observation(
        word=words[progress.status],
        raw_state=f"concluded from {progress.status}",
        channel=Channel.READ,
        cause_id=f"concluded:{progress.status}",
        reference=progress.provider_reference,
        captured=ref.money if paid else None,
        failure_code=progress.failure_code,
        failure_message=progress.failure_message,
        observed_at=at,
    )


# --- The world, played ----------------------------------------------------------------------------


class _Stage:
    """Database and company, for one payment; its steps have the names of the real ones."""

    def __init__(self, script: Script, began_at: datetime, time_scale: float) -> None:
        self._script, self.began_at, self._scale = script, began_at, time_scale
        self.begun = asyncio.Event()
        self._progress = Progress(status=PaymentStatus.CREATED, updated_at=began_at)
        self._captured: Money | None = None
        self._late_at: datetime | None = None
        self.lines: list[Line] = []

    @activity.defn
    async def open_checkout(self, ref: PaymentRef) -> Progress:
        if not self.begun.is_set():
            # How long our own machine took to come here is no part of the story.
            self.began_at = activity.info().started_time
            self.begun.set()
        opened = self._script.opened
        if opened is None:
            raise ApplicationError("no checkout was ever opened", non_retryable=True)
        self._progress = opened.model_copy(update={"updated_at": self._now()})
        self._tell(f"{ref.money} at {self._progress.provider or ref.provider}: {opened.status}")
        return self._progress

    @activity.defn
    async def ask(self, inquiry: Inquiry) -> Progress:
        info = activity.info()
        asked_for = info.started_time - (inquiry.since or info.scheduled_time)
        marks, afterwards = (
            (RESOLVING, timedelta(days=1)) if inquiry.closing else (WAITING, timedelta(hours=1))
        )
        pause = next_question([mark / self._scale for mark in marks], afterwards / self._scale, asked_for)
        said = None if info.attempt == 1 and not inquiry.at_once else self._knowledge(Channel.READ)
        if said is None:
            raise ApplicationError(
                "It is too early to know.",
                next_retry_delay=timedelta(seconds=pause),
                category=ApplicationErrorCategory.BENIGN,
            )
        return self._settled(said, inquiry.intent)

    @activity.defn
    async def close_checkout(self, inquiry: Inquiry) -> Progress:
        closed = Observation(
            word=Word.EXPIRED,
            raw_state="closed",
            channel=Channel.CLOSE,
            cause_id="closed",
            observed_at=self._now(),
        )
        self._tell(f"the checkout is to be closed, to be {inquiry.intent}")
        return self._settled(self._knowledge(Channel.CLOSE) or closed, inquiry.intent)

    @activity.defn
    async def settle(self, report: Report) -> Progress:
        return self._settled(report.said, report.intent)

    def hear_late(self, said: Observation, after: timedelta) -> None:
        """What comes after the workflow's end, at its time."""
        self._late_at = self.began_at + after
        self._settled(said, PaymentStatus.EXPIRED)

    def _settled(self, said: Observation, intent: PaymentStatus) -> Progress:
        standing = Standing(
            ordered=self._script.ref.money,
            status=self._progress.status,
            reference=self._progress.provider_reference,
            captured=self._captured,
        )
        verdict = decide(standing, said, intent)
        if said.word is Word.PAID and (verdict.to is not None or verdict.late):
            self._captured = said.captured
        if verdict.to is not None:
            failure = {"failure_code": verdict.failure_code, "failure_message": verdict.failure_message}
            update = {"status": verdict.to, "updated_at": self._now(), **failure}
            self._progress = self._progress.model_copy(update=update)
        self._tell(f"{_HOW[said.channel]} {said.word}: {_outcome(verdict)}")
        return self._progress

    def _knowledge(self, channel: Channel) -> Observation | None:
        """What the company knows by now that settles something, as it says it when asked."""
        at = self._script.began_at + (self._now() - self.began_at)
        known = [each for each in self._script.known if each.observed_at <= at and each.word in _SETTLING]
        # Its own end of a checkout that we closed is no knowledge: in another story it was not closed then.
        known = [each for each in known if each.word is Word.PAID or each.channel is Channel.WEBHOOK]
        paid = [each for each in known if each.word is Word.PAID]
        found = next(iter(paid or known), None)
        return None if found is None else found.model_copy(update={"channel": channel, "inbox_id": None})

    def _now(self) -> datetime:
        return self._late_at or activity.info().started_time

    def _tell(self, what: str) -> None:
        self.lines.append(Line(after=self._now() - self.began_at, what=what))


_HOW: Final = {
    Channel.CREATE: "the company's answer is",
    Channel.WEBHOOK: "a webhook says",
    Channel.READ: "asked, the company says",
    Channel.CLOSE: "closing, the company says",
}


def _outcome(verdict: Verdict) -> str:
    more = ", and all of it goes back" if verdict.give_back else ""
    return (f"{verdict.to}" if verdict.to else f"noted as {verdict.note}") + more


# --- The rehearsal --------------------------------------------------------------------------------


async def rehearse(script: Script, server: Path, time_scale: float = 1) -> list[Line]:
    """Live through it, on a Temporal test server whose time flies. Raises ``CannotRehearse``.

    What comes after the end is judged as late, under the policy that gives late money back.
    """
    converter = data_converter()
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=converter,
        test_server_existing_path=str(server),
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    ) as time:
        await time.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=time.client.namespace, search_attributes=_ATTRIBUTES)
        )
        began_at = await time.get_current_time()
        stage = _Stage(script, began_at, time_scale)
        ref = script.ref.model_copy(
            update={"expires_at": began_at + (script.ref.expires_at - script.began_at)}
        )
        async with Worker(
            time.client,
            task_queue=policies.QUEUE,
            workflows=[PaymentWorkflow],
            activities=[stage.open_checkout, stage.ask, stage.close_checkout, stage.settle],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            handle = await time.client.start_workflow(
                PaymentWorkflow.run, ref, id=f"rehearsal:{ref.payment_id}", task_queue=policies.QUEUE
            )
            try:
                async with asyncio.timeout(_PATIENCE.total_seconds()):
                    await _played(script, time, handle, stage)
            except TimeoutError:
                raise CannotRehearse("The payment does not come to an end.") from None
        return stage.lines


async def _played(
    script: Script, time: WorkflowEnvironment, handle: WorkflowHandle[Any, Any], stage: _Stage
) -> None:
    """Give each cue at its time; what comes after the end goes the late way."""
    await stage.begun.wait()
    for cue in script.cues:
        left = stage.began_at + cue.after - await time.get_current_time()
        if left > timedelta():
            await time.sleep(left)
        if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
            if cue.said is not None:
                stage.hear_late(cue.said, cue.after)
        elif cue.said is not None:
            await handle.signal(PaymentWorkflow.provider_reported, cue.said)
        elif cue.name == "cancel":
            await handle.start_update(PaymentWorkflow.cancel, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        else:
            await handle.signal(cue.name)
    await handle.result()
