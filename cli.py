"""Root: ``paysaga …``, for operators and newcomers."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

import chronicle
import evidence
import safekeeping
from terminal import NOT_RUNNING as _NOT_RUNNING
from terminal import AsJson, console
from terminal import ask as _ask
from terminal import leave as _leave
from terminal import print_json as _print_json
from terminal import refuse as _refuse
from terminal import show_table as _show_table
from terminal import tell as _tell
from terminal import time_scale as _time_scale

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Payments as durable sagas.")
payments_app = typer.Typer(no_args_is_help=True, help="Look at payments.")
tenants_app = typer.Typer(no_args_is_help=True, help="Product teams that use the platform.")
inbox_app = typer.Typer(no_args_is_help=True, help="What payment companies told us.")
app.add_typer(evidence.app, name="audit")
payments_app.command("verify")(evidence.verify_proof)
payments_app.command("history")(chronicle.history)
payments_app.command("replay")(chronicle.replay)
app.add_typer(payments_app, name="payments")
app.add_typer(inbox_app, name="inbox")
app.add_typer(tenants_app, name="tenants")
app.add_typer(safekeeping.app, name="vault")


@app.command()
def dev(
    data_dir: Annotated[Path | None, typer.Option(help="Where all is kept [default: .paysaga]")] = None,
    port_base: Annotated[int, typer.Option(min=1024, max=65515, help="At most 20 ports from here")] = 8000,
    ready_file: Annotated[Path | None, typer.Option(help="Written when all is up")] = None,
    *,
    seal_payloads: Annotated[
        bool, typer.Option("--seal-payloads", help="From now on, Temporal keeps nothing it can read")
    ] = False,
) -> None:
    """Run the whole platform on this machine, until Ctrl-C."""
    import dev as platform

    _leave(platform.run(data_dir, port_base, ready_file, _time_scale(), seal_payloads=seal_payloads))


@app.command()
def demo(
    *,
    shop: Annotated[bool, typer.Option("--shop", help="Open the example shop instead, until Ctrl-C")] = False,
) -> None:
    """Carry one payment from login to delivered webhook; starts a platform if none is running."""
    _leave(0 if asyncio.run(_shop() if shop else _demo()) else 1)


async def _demo() -> bool:
    from dev import Platform
    from local.demo import demo as carry_one
    from local.running import find

    ready = await find()
    if ready is not None:
        return await carry_one(ready, console.print)
    console.print("No running platform found; starting one for this demo.\n")
    async with Platform(time_scale=_time_scale(), say=console.print) as platform:
        console.print()
        return await carry_one(platform.ready, console.print)


async def _shop() -> bool:
    from dev import PROJECT, Platform
    from local import CannotStart
    from local.demo import DidNotHappen
    from local.running import find
    from local.shop import AROUND, example_shop, until_signalled

    try:
        with until_signalled():
            async with AsyncExitStack() as open_things:
                ready = await find()
                if ready is None:
                    console.print("No running platform found; starting one for this shop.\n")
                    platform = Platform(time_scale=_time_scale(), say=console.print)
                    ready = (await open_things.enter_async_context(platform)).ready
                url = await open_things.enter_async_context(example_shop(ready, PROJECT, console.print))
                console.print(AROUND.format(url=url))
                await asyncio.Event().wait()
    except DidNotHappen:
        return False
    except CannotStart as failure:
        last = "\n  ".join(["", *getattr(failure, "last_lines", ())])
        console.print(f"\n[bold red]The shop cannot open:[/] {escape(f'{failure}{last}')}")
        return False
    console.print("\n[bold]The shop is closed,[/] and whatever was started for it has ended.")
    return True


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date, as its owner."""
    from settings import told
    from storage import schema

    url = told("migration_database_url")
    if url is None:
        _refuse("Set PAYSAGA_MIGRATION_DATABASE_URL to the address of the schema's owner.")
    schema.upgrade(url)


@app.command()
def verify(*, as_json: AsJson = False) -> None:
    """Check every invariant against database and provider; exit code 1 on a breach."""
    import inspection

    checks = _ask(inspection.verify)
    sound = all(check.outcome != "breach" for check in checks)
    if as_json:
        _print_json({"ok": sound, "checks": [check.model_dump(mode="json") for check in checks]})
    else:
        for check in checks:
            sign = {"ok": "[green]✓[/]", "breach": "[red]✗[/]", "skipped": "[yellow]–[/]"}[check.outcome]
            console.print(f"{sign} {escape(check.promise)}  [dim]{escape(check.detail)}[/]")
            for finding in check.findings:
                console.print(f"    {escape(finding.subject)}: {escape(finding.problem)}")
    _leave(0 if sound else 1)


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Look for what keeps the platform from running here, and say what to do."""
    from local import health

    complaints = asyncio.run(health.examine())
    if as_json:
        _print_json({"ok": all(c.well for c in complaints), "checks": [vars(c) for c in complaints]})
    else:
        for complaint in complaints:
            sign = "[green]✓[/]" if complaint.well else "[red]✗[/]"
            console.print(f"{sign} {escape(complaint.subject):<24} {escape(complaint.detail)}")
            if not complaint.well:
                console.print(f"    [bold]{escape(complaint.remedy)}[/]")
    _leave(0 if all(complaint.well for complaint in complaints) else 1)


@app.command()
def attention(*, as_json: AsJson = False) -> None:
    """What waits for a person: reviews, payments nobody can account for, events that fit nowhere."""
    import operation

    found = _ask(operation.matters)
    if as_json:
        _print_json([matter.model_dump(mode="json") for matter in found])
    elif found:
        _show_table("", [matter.model_dump() for matter in found])
    else:
        console.print("Nothing waits for a person.")
    _leave(0)


@app.command()
def providers(*, as_json: AsJson = False) -> None:
    """All tenants' accounts at payment companies, and how well each can be used."""
    import inspection

    rows = [
        {
            "tenant": each.account.tenant_id,
            "provider": each.account.provider,
            "account": each.account.id,
            "state": each.state.value,
            "since": each.since,
            "last_failure": each.last_failure,
        }
        for each in _ask(inspection.providers)
    ]
    if as_json:
        _print_json(rows)
    elif rows:
        _show_table("", rows)
    else:
        console.print("Nobody has an account anywhere.")
    _leave(0)


@app.command()
def rebuild(*, as_json: AsJson = False) -> None:
    """Start the workflow of every open row; for a Temporal that has lost its store. Safe to repeat."""
    import operation

    with console.status("Starting workflows") as progress:
        made = _tell(lambda here, temporal: operation.rebuild(here, temporal, progress.update))
    if as_json:
        _print_json(made.model_dump(mode="json"))
        _leave(1 if made.ended else 0)
    console.print(
        f"{made.payments} payments, {made.refunds} refunds, {made.reviews} reviews, {made.disputes} disputes,"
        f" {made.couriers} couriers and {made.subscriptions} subscriptions have theirs."
    )
    for subject in made.ended:
        console.print(f"  [yellow]![/] {subject}: its workflow has ended, though its row is open")
    _leave(1 if made.ended else 0)


@inbox_app.command("list")
def list_inbox(
    state: Annotated[list[str] | None, typer.Option(help="UNMATCHED, QUARANTINED, DEAD, …")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """Events that have taken no effect [default: those that will not by themselves]."""
    import operation

    states = [name.upper() for name in state or ["UNMATCHED", "QUARANTINED", "DEAD"]]
    found = _ask(lambda here: operation.letters(here, states, limit))
    if as_json:
        _print_json(found)
    elif found:
        _show_table("", found)
    else:
        console.print("Nothing lies there.")
    _leave(0)


@inbox_app.command("retry")
def retry_inbox(
    event: Annotated[list[str] | None, typer.Argument(help="Ids as `inbox list` shows them")] = None,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="All that are DEAD")] = False,
    as_json: AsJson = False,
) -> None:
    """Have events heard again, from the start."""
    import operation

    done = _ask(lambda here: operation.retry(here, event or [], all_dead=dead))
    missed = set(event or []) - set(done)
    if as_json:
        _print_json({"retried": done, "missed": sorted(missed)})
        _leave(2 if missed else 0)
    console.print(f"{len(done)} back in line.")
    if missed:
        _refuse(f"Unknown, or in effect already: {', '.join(sorted(missed))}")
    _leave(0)


@payments_app.command("accept")
def accept_payment(payment_id: str, *, as_json: AsJson = False) -> None:
    """Ask an approver to take the money of a payment under review, though it is not what was ordered."""
    _ask_review(payment_id, "accept", as_json=as_json)


@payments_app.command("refund")
def refund_payment(payment_id: str, *, as_json: AsJson = False) -> None:
    """Ask an approver to give the money of a payment under review back, all of it."""
    _ask_review(payment_id, "refund", as_json=as_json)


def _ask_review(payment_id: str, choice: str, *, as_json: bool) -> None:
    import operation
    from domain.approval import LIFE
    from domain.errors import IllegalTransition, NotFound
    from domain.verdicts import Choice

    wanted, patience = Choice(choice), max(LIFE / _time_scale(), timedelta(seconds=1))
    try:
        approval = _ask(lambda here: operation.ask_review(here, payment_id, wanted, patience))
    except NotFound:
        _refuse(f"There is no payment {payment_id}.")
    except IllegalTransition as refusal:
        typer.secho(refusal.detail, err=True, fg="red")
        _leave(1)
    if as_json:
        _print_json(approval.model_dump(mode="json"))
        _leave(0)
    console.print(f"[bold]{approval.id}[/] waits for an approver of {approval.tenant_id}, who decides with")
    console.print(f"  POST /v1/approvals/{approval.id}/approve  (or /reject)")
    console.print(f"until {approval.expires_at:%Y-%m-%d %H:%M} UTC. After that, ask again.")
    _leave(0)


@payments_app.command("show")
def show_payment(payment_id: str, *, as_json: AsJson = False) -> None:
    """All we know of a payment: its story, money, rights and webhooks."""
    import inspection

    dossier = _ask(lambda here: inspection.dossier(here, payment_id))
    if dossier is None:
        _refuse(f"There is no payment {payment_id}.")
    if as_json:
        _print_json(dossier)
    else:
        _show_dossier(dossier)
    _leave(0)


def _show_dossier(dossier: dict[str, Any]) -> None:
    payment = dossier["payment"]
    console.print(f"[bold]{payment['id']}[/]  [bold cyan]{payment['status']}[/]  {dossier['money']}")
    for name in ("tenant_id", "user_id", "order_id", "provider", "provider_reference", "failure_code"):
        if payment[name]:
            console.print(f"  {name.replace('_', ' '):<20}{escape(str(payment[name]))}")
    console.print(f"  {'temporal':<20}{dossier['workflow']}\n")
    for title, rows in dossier["tables"].items():
        if not rows:
            continue
        _show_table(title, rows)


@tenants_app.command("list")
def list_tenants(
    words: Annotated[str, typer.Argument(help="In a name, an app's name, an address; or an id")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """Who uses the platform, newest first."""
    from storage import tenants

    async def found(here: Any) -> Any:
        async with here.database.system() as tx:
            return await tenants.search(tx, words, None, limit)

    rows = [
        {
            "id": each.id,
            "app_name": each.app_name,
            "name": each.name,
            "mode": "sandbox" if each.sandbox else "live",
            "state": "suspended" if each.suspended else "active",
        }
        for each in _ask(found)
    ]
    if as_json:
        _print_json(rows)
    elif rows:
        _show_table("", rows)
    else:
        console.print("Nobody.")
    _leave(0)


@tenants_app.command("register")
def register_tenant(
    name: str,
    contact_email: str,
    *,
    webhook_url: Annotated[str | None, typer.Option(help="Where to send webhooks")] = None,
    sandbox: Annotated[bool, typer.Option(help="Play money; can never change")] = True,
) -> None:
    """Register a tenant; its secrets are shown once, here."""
    body = {"name": name, "contactEmail": contact_email, "sandbox": sandbox, "webhookUrl": webhook_url}
    _print_json(asyncio.run(_register(body)))


async def _register(body: dict[str, Any]) -> Any:
    import httpx

    from local.running import find

    ready = await find()
    if ready is None:
        _refuse(_NOT_RUNNING)
    async with httpx.AsyncClient(trust_env=False, timeout=15) as http:
        answer = await http.post(
            f"{ready['apiUrl']}/v1/tenants/register",
            json={name: value for name, value in body.items() if value is not None},
            headers={"X-Admin-Key": ready["adminKey"]},
        )
    if not answer.is_success:
        _refuse(answer.text)
    return answer.json()


def main() -> None:
    app()


if __name__ == "__main__":
    main()
