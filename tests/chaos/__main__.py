"""``python -m tests.chaos``: break everything under load, then see whether every promise was kept.

The seed draws payers, kills and lost answers; real processes never interleave twice in the same way.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import psutil
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.chaos import plan, run
from tests.chaos.judgement import Harm, harmed
from tests.chaos.run import Outcome

_ROOT: Final = Path(__file__).parents[2]
_FULL: Final = (3_000, 60)
# Beyond the ports that `make test` uses with its two processes.
_PORTS_FROM: Final = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 40
_SHOWN: Final = 20

console = Console(highlight=False, soft_wrap=True)
# Wide, whatever the terminal is: what is printed here goes into documents.
paper = Console(highlight=False, width=130)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--payments", type=int, default=300)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument(
        "--seed", type=int, default=None, help="to repeat a run; another one each time without"
    )
    parser.add_argument("--full", action="store_true", help="{} payments, {} kills".format(*_FULL))
    parser.add_argument(
        "--keep", action="store_true", help="keep logs, data and evidence even if all is well"
    )
    parser.add_argument("--port-base", type=int, default=_PORTS_FROM)
    arguments = parser.parse_args()
    if arguments.full:
        arguments.payments, arguments.kills = _FULL
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(1_000_000)
    return arguments


def main() -> int:
    asked = _arguments()
    commit, others = _commit(), os.getloadavg()[0]
    drawn = plan.draw(asked.seed, asked.payments, asked.kills)
    # A space in the path: nobody may trip over it.
    folder = Path(tempfile.mkdtemp(prefix="paysaga chaos "))
    kept = asked.keep
    try:
        outcome = asyncio.run(_carry_out(drawn, folder, asked.port_base))
        _report(outcome, commit, others)
        kept = kept or not outcome.well
        if not outcome.well:
            _explain(outcome, folder)
    except asyncio.CancelledError:
        console.print("[bold]Stopped.[/] Nothing is left behind.")
        return 130
    except BaseException:
        kept = True
        console.print(f"Seed {asked.seed}; what there is lies in {escape(str(folder))}")
        raise
    finally:
        if not kept:
            shutil.rmtree(folder)
    return 0 if outcome.well else 1


async def _carry_out(drawn: plan.Plan, folder: Path, port_base: int) -> Outcome:
    running = asyncio.create_task(run.carry_out(drawn, folder, port_base, console.print))

    def stop(number: signal.Signals) -> None:
        console.print(f"\n{number.name}: stopping everything")
        running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return await running


def _report(outcome: Outcome, commit: str, others: float) -> None:
    console.print()
    promises = Table("Promise", "Held", "Checked on", box=box.MARKDOWN)
    for ruling in outcome.rulings:
        skipped = ruling.checked.startswith("not checked")
        held = "[yellow]–[/]" if skipped else "[red]no[/]" if ruling.findings else "[green]yes[/]"
        promises.add_row(ruling.promise, held, ruling.checked)
    paper.print(promises)
    facts = Table("Chaos run", "", box=box.MARKDOWN)
    for name, value in _facts(outcome):
        facts.add_row(name, value)
    facts.add_row("Commit", commit)
    memory = psutil.virtual_memory().total / 2**30
    facts.add_row("Machine", f"{os.cpu_count()} cores, {memory:.0f} GiB; load before: {others:.1f}")
    paper.print(facts)
    each = zip(outcome.killed, outcome.first_success, strict=True)
    told = (f"{kill.part} {'never' if took is None else f'{took:.1f}'}" for kill, took in each)
    console.print(f"Seconds to the first success after each kill: {', '.join(told)}")


def _facts(outcome: Outcome) -> list[tuple[str, str]]:
    parts = Counter(kill.part for kill in outcome.killed)
    seconds = [found for found in outcome.first_success if found is not None]
    spread = (
        f"{min(seconds):.1f} / {statistics.median(seconds):.1f} / {max(seconds):.1f} s"
        if seconds
        else "none succeeded"
    )
    return [
        ("Payments", f"{sum(outcome.statuses.values())}: {_counts(outcome.statuses)}"),
        ("kill -9", f"{len(outcome.killed)}: {_counts(parts)}"),
        ("Answers lost", f"{sum(outcome.cut.values())}: {_counts(Counter(outcome.cut))}"),
        ("Lost payments", str(len(harmed(outcome.rulings, Harm.LOST)))),
        ("Doubled payments", str(len(harmed(outcome.rulings, Harm.DOUBLED)))),
        ("Stuck payments", str(len(harmed(outcome.rulings, Harm.STUCK)))),
        ("Missed sales", f"{outcome.missed} (willing payers whom an outage kept from paying in time)"),
        ("First success after a kill", f"{spread} (least, median, most), by a payment created after it"),
        ("Seed", str(outcome.plan.seed)),
        ("Time", f"{outcome.seconds:.0f} s, all in; {outcome.slowed_for:.0f} s of it in slow motion"),
    ]


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))


def _commit() -> str:
    def git(*words: str) -> str:
        asked = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=False)
        return asked.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + changed


def _explain(outcome: Outcome, folder: Path) -> None:
    console.print("\n[bold red]Not every promise was kept.[/]")
    for ruling in outcome.rulings:
        if ruling.findings:
            console.print(f"\n[bold]{escape(ruling.promise)}[/]: {len(ruling.findings)} findings")
        for finding in ruling.findings[:_SHOWN]:
            console.print(f"  {escape(finding.subject)} {escape(finding.problem)}")
        if len(ruling.findings) > _SHOWN:
            console.print(f"  … and {len(ruling.findings) - _SHOWN} more")
    if outcome.waiting:
        console.print(f"\nStill on its way when time was up: {_counts(Counter(outcome.waiting))}")
    place, drawn = escape(str(folder)), outcome.plan
    again = f"--payments {len(drawn.orders)} --kills {len(drawn.kills)} --seed {drawn.seed}"
    console.print(
        f'\nThe same plan once more:  make chaos ARGS="{again}"\n'
        f"Logs, data and evidence:  {place}\n"
        f"To look around in it:     .venv/bin/paysaga dev --data-dir '{place}'\n"
        f"and in another terminal:  PAYSAGA_DATA_DIR='{place}' .venv/bin/paysaga payments show pay_…"
    )


if __name__ == "__main__":
    sys.exit(main())
