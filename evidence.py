"""The commands that examine evidence: audit trails where they lie, and proof bundles anywhere."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from terminal import AsJson, ask, console, leave, print_json, refuse

app = typer.Typer(no_args_is_help=True, help="What happened, and whether its record is untouched.")


@app.command("verify")
def verify_audit(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's trail [default: all]")] = None,
    keys: Annotated[Path | None, typer.Option(help="Public keys to trust, a JWKS")] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Checkpoints kept outside of the database")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Examine the audit trails, record by record; exit code 1 when one was tampered with."""
    import inspection
    from domain.errors import NotFound

    async def examined(here: inspection.Platform) -> tuple[inspection.Platform, list[Any]]:
        if keys is not None or checkpoints is not None:
            named = inspection.witnesses({}, keys, checkpoints)
            here = replace(
                here,
                audit=replace(
                    here.audit,
                    keys=named.keys if keys else here.audit.keys,
                    exported=named.exported if checkpoints else here.audit.exported,
                ),
            )
        return here, await inspection.trails(here, tenant)

    try:
        here, reports = ask(examined)
    except NotFound:
        refuse(f"There is no tenant {tenant}.")
    except (OSError, ValueError) as error:
        refuse(f"These keys or checkpoints cannot be read: {error}")
    verified = all(report.verified for report in reports)
    if as_json:
        trails = [report.model_dump(mode="json") | {"verified": report.verified} for report in reports]
        print_json({"verified": verified, "trails": trails})
    else:
        _show_trails(reports)
        console.print(f"[dim]{inspection.scope(here.audit)}[/]")
    leave(0 if verified else 1)


def _show_trails(reports: list[Any]) -> None:
    for report in reports:
        sign = "[green]✓[/]" if report.verified else "[red]✗[/]"
        counted = f"{report.sealed} sealed, {report.pending} pending, {report.checkpoints} checkpoints"
        console.print(f"{sign} {report.tenant_id}  [dim]{counted}[/]")
        for breach in report.findings:
            console.print(f"    {breach.kind} at {breach.number}: {escape(breach.detail)}")
        if report.more_findings:
            console.print(f"    and {report.more_findings} more")


@app.command("keys")
def show_audit_keys() -> None:
    """The public keys of checkpoints and proofs, as a JWKS: keep them where you will verify."""
    import inspection

    async def held(here: inspection.Platform) -> Any:
        return here.audit.keys

    keyring = ask(held)
    if keyring is None:
        refuse("Set PAYSAGA_AUDIT_KEYS, or ask where the platform runs.")
    print_json(keyring.jwks)
    leave(0)


def verify_proof(
    bundle: Annotated[Path, typer.Argument(help="What GET /v1/payments/{id}/proof answered")],
    key: Annotated[
        str | None,
        typer.Option(help="The public key you were given: a JWKS file, or the key itself in base64"),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Examine a proof bundle, here and now: nobody is asked, no platform is needed.

    Exit code 0: it is intact, and with --key it is signed by the key you trust. 1: it is not. Without --key
    the outcome is "open", and a warning says that anybody may have signed it.
    """
    from domain import proof
    from storage.notary import Keyring, unb64url

    try:
        document = json.loads(bundle.read_text(encoding="utf-8"), object_pairs_hook=_once)
        brought = [unb64url(each) for each in document["publicKeys"]]
        keyring = Keyring(brought if key is None else _keys(key))
        steps = proof.examine(document, keyring.trusts, known_key=key is not None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        typer.secho(f"This cannot be verified: {error}", err=True, fg="red")
        leave(1)
    outcome = proof.verdict(steps)
    if as_json:
        print_json({"outcome": outcome, "steps": [step.model_dump() for step in steps]})
    else:
        for step in steps:
            sign = {"ok": "[green]✓[/]", "broken": "[red]✗[/]", "open": "[yellow]–[/]"}[step.outcome]
            console.print(f"{sign} {escape(step.subject):<20} {escape(step.detail)}")
        console.print(f"[dim]{_LIMITS}[/]")
    if outcome == "open":
        typer.secho(_UNKNOWN_SIGNER, err=True, fg="yellow")
    leave(1 if outcome == "broken" else 0)


_UNKNOWN_SIGNER = "Intact, but anybody may have signed it: pass --key with the public key you were given."
_LIMITS = "Not looked at: whether the payment went on since, what the provider holds, the rest of the trail."


def _keys(given: str) -> list[bytes]:
    from storage.notary import read_keys

    return read_keys(Path(given).read_text(encoding="utf-8") if Path(given).is_file() else given)


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object that says a thing twice could be read in two ways."""
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member stands there twice")
    return found
