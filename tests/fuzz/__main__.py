"""``python -m tests.fuzz``: ten thousand requests made up from our own OpenAPI, at a running platform.

The same seed makes up the same requests, but for the names of things, which are new in each house.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.markup import escape

from dev import Platform
from local import CannotStart
from tests.fuzz import config, stage
from tests.house import UNHURRIED, House

# Beyond the ports of `make test` and `make chaos`.
_PORTS_FROM: Final = int(os.environ.get("PAYSAGA_TEST_PORT_BASE", "18000")) + 60
_ENOUGH: Final = 10_000
# A minute of business takes a second.
_TIME_SCALE: Final = 60
_HOOKS: Final = "tests.fuzz.hooks"

console = Console(highlight=False, soft_wrap=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--seed", type=int, default=1, help="others make up other requests")
    parser.add_argument(
        "--examples", type=int, default=110, help="for each route, beside those at the edges of its schema"
    )
    parser.add_argument("--keep", action="store_true", help="keep logs, data and reports even if all is well")
    parser.add_argument("--port-base", type=int, default=_PORTS_FROM)
    return parser.parse_args()


def main() -> int:
    asked = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="paysaga fuzz "))
    kept, code = asked.keep, 1
    try:
        code = asyncio.run(_carry_out(asked, folder))
        kept = kept or code != 0
        if code:
            _explain(asked, folder)
    except asyncio.CancelledError:
        console.print("[bold]Stopped.[/] Nothing is left behind.")
        return 130
    except CannotStart as trouble:
        console.print(escape(str(trouble)))
    finally:
        if not kept:
            shutil.rmtree(folder)
    return code


async def _carry_out(asked: argparse.Namespace, folder: Path) -> int:
    running = asyncio.create_task(_run(asked, folder))

    def stop(number: signal.Signals) -> None:
        console.print(f"\n{number.name}: stopping everything")
        running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return await running


async def _run(asked: argparse.Namespace, folder: Path) -> int:
    platform = Platform(
        folder / "house", asked.port_base, time_scale=_TIME_SCALE, settings=UNHURRIED, say=console.print
    )
    async with platform, _client(platform.ready["apiUrl"]) as http:
        house = House(platform.ready, http, folder / "house")
        set_up = await stage.set_up(house)
        console.print("  everything there is to ask about is there; schemathesis asks")
        began = time.monotonic()
        code = await _schemathesis(_command(asked, platform.ready["apiUrl"], config.write(set_up, folder)))
        seconds = time.monotonic() - began
    (found,) = folder.glob("reports/json-*.json")
    return _judge(json.loads(found.read_text()), code, seconds)


def _explain(asked: argparse.Namespace, folder: Path) -> None:
    console.print(
        f"The same once more:          make fuzz ARGS='--seed {asked.seed}'\n"
        f"Logs, data and reports:      {escape(str(folder))}\n"
        f"A house for the curl above:  .venv/bin/paysaga dev --data-dir '{escape(str(folder / 'house'))}'"
    )


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)


def _command(asked: argparse.Namespace, url: str, written: Path) -> list[str]:
    program = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(written)]
    limits = ["--seed", str(asked.seed), "--max-examples", str(asked.examples), "--workers", "2"]
    reports = ["--report", "json", "--report-dir", str(written.parent / "reports"), "--no-color"]
    memory = ["--generation-database", "none"]
    # The token it shows is good for this house only, and with it a finding can be repeated.
    phases = ["--phases", "coverage,fuzzing", "--continue-on-failure", "--output-sanitize", "false"]
    return [*program, "run", f"{url}/openapi.json", *limits, *reports, *memory, *phases]


async def _schemathesis(command: list[str]) -> int:
    """Let it run, its words on our terminal. It ends with us, however that is."""
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"SCHEMATHESIS_HOOKS": _HOOKS}, start_new_session=True
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _judge(report: dict[str, Any], code: int, seconds: float) -> int:
    """Whether all was asked and nothing was wrong. A run that asked too little proves nothing."""
    cases, wrong = report["test_cases"], report["test_cases"]["unique_failures"]
    operations = report["operations"]
    statement = (
        f"{cases['generated']} cases on {operations['tested']} of {operations['total']} routes "
        f"in {seconds:.0f} s, seed {report['seed']}: {wrong} findings, {len(report['errors'])} errors"
    )
    whole = report["complete"] and operations["tested"] == operations["total"]
    console.print(f"[bold]{statement}[/]")
    if not whole or cases["generated"] < _ENOUGH:
        console.print(f"That is not the whole: at least {_ENOUGH} cases on all routes are")
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
