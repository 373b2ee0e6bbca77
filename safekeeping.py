"""The commands for the keys that stored secrets are sealed with."""

import asyncio
from typing import Any

import typer
from rich.markup import escape

from terminal import AsJson, console, leave, print_json, refuse

app = typer.Typer(no_args_is_help=True, help="The keys that stored secrets are sealed with.")


@app.command("status")
def show_status(*, as_json: AsJson = False) -> None:
    """Try the key that wraps now, and count the tenants under each; exit code 1 if it cannot be used."""
    import strongroom

    current, trouble, counted = _within(strongroom.examined)
    stale = sum(number for label, number in counted.items() if label != current)
    if as_json:
        print_json({"current": current, "trouble": trouble, "tenants": counted, "toRewrap": stale})
        leave(0 if trouble is None else 1)
    for label in sorted({*counted, *([current] if current else [])}):
        sign = "[green]✓[/]" if label == current else "[yellow]–[/]"
        console.print(f"{sign} {escape(label):<40} {counted[label]} tenants")
    if trouble is not None:
        console.print(f"[red]✗[/] The key that wraps now cannot be used: {escape(trouble)}")
        leave(1)
    if stale:
        console.print(f"{stale} are not under the key that wraps now: [bold]paysaga vault rewrap[/]")
    leave(0)


@app.command("rewrap")
def rewrap_keys() -> None:
    """Put all tenants' data keys under the key that wraps now. Safe to repeat.

    Exit code 1 when some are left, for want of the key that wrapped them.
    """
    import strongroom

    outcome = _within(lambda room: strongroom.rewrap(room, console))
    console.print(f"{outcome.done} tenants' keys were put under the key that wraps now.")
    for tenant in outcome.left:
        console.print(f"  [red]✗[/] {tenant}: its key does not unwrap with what is configured here")
    leave(1 if outcome.left else 0)


@app.command("rotate")
def rotate_key(tenant: str) -> None:
    """Give a tenant a new data key and seal all its secrets anew, at once. The secrets stay the same."""
    import strongroom

    number = _within(lambda room: strongroom.rotate(room, tenant))
    console.print(f"{number} secrets of {tenant} are sealed under a new data key.")
    leave(0)


def _within(deed: Any) -> Any:
    """As ``terminal.ask``, for what needs the vault."""
    from domain.errors import NotFound, TemporarilyUnavailable

    async def done() -> Any:
        import strongroom

        async with strongroom.open_room() as room:
            return await deed(room)

    try:
        return asyncio.run(done())
    except NotFound:
        refuse("There is no such tenant.")
    except PermissionError as never:
        why = str(never)
    except TemporarilyUnavailable as away:
        why = f"{away.detail} The line above says why. Run it again: what was done stays done."
    typer.secho(why, err=True, fg="red")
    raise typer.Exit(1)
