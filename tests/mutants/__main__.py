"""``python -m tests.mutants [name …]``: take the guards away one by one, and see a test fail each time."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.mutants.catalogue import ALL, MUTANTS, WAITING
from tests.mutants.mutant import Mutant
from tests.mutants.verdict import Verdict, judge, passing, written_down

PROJECT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(
    *(".git", ".venv", ".bootstrap", ".paysaga", ".hypothesis", ".*_cache"),
    *("__pycache__", "*.egg-info", "dist"),
)
PORTS = 20
"""As many as a house needs; see ``tests.conftest``."""
PATIENCE_SECONDS = 300

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Laboratory:
    """Where copies of this tree are broken and tested, ``jobs`` at a time."""

    folder: Path
    jobs: int
    free_slots: "asyncio.Queue[int]"

    async def sound(self, tests: Sequence[str]) -> list[str]:
        """Which of the tests pass as long as nothing is broken."""
        shutil.copytree(PROJECT, self._sound, ignore=NOT_COPIED)
        # The runs of mutants have not begun: all slots are ours.
        await self._pytest(self._sound, tests, 0, "-n", f"{self.jobs}")
        found = passing(tests, self._seen(self._sound))
        if len(found) < len(tests):
            _show_end(self._sound)
        return found

    async def verdict(self, mutant: Mutant) -> Verdict:
        slot = await self.free_slots.get()
        began = time.monotonic()
        try:
            tree = self.folder / mutant.name
            # With the bytecode of what stays as it is: compiling takes a good part of a start.
            shutil.copytree(self._sound, tree)
            mutant.apply(tree)
            await self._pytest(tree, mutant.killers, slot)
        finally:
            self.free_slots.put_nowait(slot)
        verdict = judge(mutant, self._seen(tree), time.monotonic() - began)
        outcome = "[green]killed[/]" if verdict.killed else "[bold red]SURVIVED[/]"
        console.print(f"  {outcome}  {mutant.name:<36}[dim]{verdict.seconds:6.1f} s[/]")
        for why in verdict.survived:
            console.print(f"    [red]{escape(why)}[/]")
        if not verdict.killed:
            _show_end(tree)
        return verdict

    @property
    def _sound(self) -> Path:
        return self.folder / "unmutated"

    def _seen(self, tree: Path) -> list[dict[str, Any]]:
        return written_down(tree.with_suffix(".witness"))

    async def _pytest(self, tree: Path, tests: Sequence[str], slot: int, *more: str) -> None:
        base = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + PORTS * slot
        environment = os.environ | {
            "PAYSAGA_TEST_PORT_BASE": f"{base}",
            "PAYSAGA_WITNESS": str(tree.with_suffix(".witness")),
            "PYTHONPATH": str(tree),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        with tree.with_suffix(".log").open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                # A killer may be one of the slow.
                *(sys.executable, "-m", "pytest", "-q", "--tb=short", "-m", ""),
                *("-p", "tests.mutants.witness", "-p", "no:cacheprovider", *more, *tests),
                cwd=tree,
                env=environment,
                stdout=output,
                stderr=output,
            )
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await process.wait()
            except TimeoutError:
                console.print(f"  [red]{tree.name} took longer than {PATIENCE_SECONDS} s[/]")
            finally:
                if process.returncode is None:
                    # It stops its house, and leaves nothing behind.
                    process.send_signal(signal.SIGINT)
                    await process.wait()


def _show_end(tree: Path) -> None:
    for line in tree.with_suffix(".log").read_text(errors="replace").splitlines()[-20:]:
        console.print(f"    [dim]{escape(line)}[/]")


async def _run(mutants: Sequence[Mutant], jobs: int) -> int:
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.killers))
    with tempfile.TemporaryDirectory(prefix="paysaga mutants ") as folder:
        laboratory = Laboratory(Path(folder), jobs, asyncio.Queue())
        for slot in range(jobs):
            laboratory.free_slots.put_nowait(slot)
        began = time.monotonic()
        console.print(f"[bold]Unmutated[/]: {len(tests)} tests must pass")
        sound = await laboratory.sound(tests)
        console.print(f"  {len(sound)} pass                  [dim]{time.monotonic() - began:6.1f} s[/]")
        console.print(f"[bold]{len(mutants)} mutants[/]")
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(laboratory.verdict(mutant)) for mutant in mutants]
        _tell([task.result() for task in running], time.monotonic() - began)
    unsound = [test for test in tests if test not in sound]
    for test in unsound:
        console.print(f"[red]fails although nothing is broken: {escape(test)}[/]")
    return 1 if unsound or not all(task.result().killed for task in running) else 0


def _tell(verdicts: Sequence[Verdict], seconds: float) -> None:
    table = Table("mutant", "killed by", "seconds", title="What the suite notices", title_justify="left")
    for verdict in verdicts:
        killers = "\n".join(test.split("::")[-1] for test in verdict.mutant.killers)
        by = escape(killers) if verdict.killed else "[bold red]nobody[/]"
        table.add_row(verdict.mutant.name, by, f"{verdict.seconds:.1f}")
    for mutant in WAITING:
        table.add_row(f"[dim]{mutant.name}[/]", f"[dim]waiting: {mutant.waits_for}[/]", "")
    # Names of tests are long; where nobody looks, nothing is as wide as it wants to be.
    Console(width=max(console.width, 140)).print(table)
    killed = sum(verdict.killed for verdict in verdicts)
    console.print(f"{killed} of {len(verdicts)} killed, {len(WAITING)} waiting, {seconds:.0f} s")


def _list() -> None:
    for mutant in ALL:
        console.print(f"[bold]{mutant.name}[/]\n    {escape(mutant.breaks)}")
        if not isinstance(mutant, Mutant):
            console.print(f"    [yellow]waiting: {mutant.waits_for}[/]")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="only these; all, when none is named")
    parser.add_argument("--list", action="store_true", help="say what each of them breaks")
    parser.add_argument("--jobs", type=int, default=2, help="how many houses run at a time (2)")
    wanted = parser.parse_args()
    if wanted.list:
        _list()
        return 0
    known = {mutant.name: mutant for mutant in MUTANTS}
    if unknown := [name for name in wanted.names if name not in known]:
        parser.error(f"no such mutant: {', '.join(unknown)}; --list names them all")
    return asyncio.run(_run([known[name] for name in wanted.names] or list(MUTANTS), max(1, wanted.jobs)))


if __name__ == "__main__":
    sys.exit(main())
