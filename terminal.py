"""How commands speak: to whom, in which form, and with which exit code they end."""

import asyncio
import json
import os
import sys
from datetime import datetime
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on stdout")]
# Long names and what repeats: a terminal is 80 wide.
_ONLY_IN_JSON: Final = frozenset(
    {
        *("evidence_sha256", "transaction_id", "delivery_id", "requester_credential_id", "first_called_at"),
        *("approval_id", "refund_id", "updated_at", "endpoint", "url", "provider_reference", "failure"),
    }
)

NOT_RUNNING = (
    "No running platform found. Start one with `paysaga dev`, or say where it is with PAYSAGA_READY_FILE,"
    " PAYSAGA_DATA_DIR, or PAYSAGA_DATABASE_URL and its like."
)


def ask(question: Any) -> Any:
    async def found() -> Any:
        import inspection

        async with inspection.platform() as here:
            if here is None:
                refuse(NOT_RUNNING)
            return await question(here)

    return asyncio.run(found())


def tell(deed: Any) -> Any:
    """As ``ask``, for what needs Temporal, too."""

    async def done(here: Any) -> Any:
        from temporalio.client import Client

        from workflows.payloads import data_converter

        if here.temporal is None:
            refuse(NOT_RUNNING)
        if here.payload_keys is None:
            # What would be written without them, everybody with access to Temporal could read.
            refuse("Set PAYSAGA_PAYLOAD_KEYS: what Temporal keeps is sealed with them.")
        address, namespace = here.temporal
        converter = data_converter(here.payload_keys)
        temporal = await Client.connect(address, namespace=namespace, data_converter=converter)
        return await deed(here, temporal)

    return ask(done)


def show_table(title: str, rows: list[dict[str, Any]]) -> None:
    """Rows of the same members, as a table."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    shown = [column for column in rows[0] if column not in _ONLY_IN_JSON]
    for column in shown:
        table.add_column(column.replace("_", " "), style="dim" if column == "at" else "", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_plain(row[column])) for column in shown))
    console.print(table, "")


def _plain(value: object) -> str:
    """A cell of a table: moments to the millisecond, nothing as nothing."""
    if isinstance(value, datetime):
        return value.strftime("%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    return "" if value is None else str(value)


def print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2, default=str))


def refuse(why: str) -> NoReturn:
    typer.secho(why, err=True, fg="red")
    raise typer.Exit(2)


def leave(code: int) -> None:
    """End now. The Temporal SDK's threads sometimes abort an interpreter that takes its leave politely."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def time_scale() -> float:
    """What business delays are divided by, here."""
    return float(os.environ.get("PAYSAGA_TIME_SCALE") or 1)
