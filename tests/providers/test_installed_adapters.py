"""A provider may come from a package of its own: installed beside us, it is one like the others."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

ADAPTER = """
from providers.sandbox import Sandbox


class Elsewhere(Sandbox):
    name = "{name}"
    api_base = "http://127.0.0.1:9"
"""

USE = """
import asyncio, sys
import httpx
import providers
from datetime import datetime, timezone
from domain.errors import ProviderUnavailable
from providers.base import PROVIDERS
from providers.line import Line

SECRETS = {"apiKey": "k", "webhookSecret": "whsec_" + "A" * 43 + "="}


async def main():
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        adapter = PROVIDERS["elsewhere"](http, None, SECRETS, Line())
        said = await adapter.read_checkout("cs_1", datetime.now(timezone.utc))
        print(sorted(PROVIDERS)[0], type(adapter).__module__, said.word)


def answer(request):
    assert str(request.url) == "http://127.0.0.1:9/v1/checkout_sessions/cs_1"
    body = b'{"id": "cs_1", "status": "open", "payment_status": "unpaid", "mode": "test"}'
    return httpx.Response(200, stream=httpx.ByteStream(body))


asyncio.run(main())
"""


def install(folder: Path, provider: str, module: str) -> None:
    """What an installer leaves behind: a module and its entry point."""
    (folder / f"{module}.py").write_text(ADAPTER.format(name=provider))
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[paysaga.providers]\n{provider} = {module}:Elsewhere\n")


def python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{folder}:{ROOT}"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_package_that_names_an_adapter_adds_a_provider(tmp_path: Path) -> None:
    install(tmp_path, "elsewhere", "paysaga_elsewhere")
    done = python(tmp_path, USE)
    assert done.returncode == 0, done.stderr
    assert "paysaga_elsewhere open" in done.stdout


def test_two_providers_of_one_name_are_refused_before_anything_starts(tmp_path: Path) -> None:
    install(tmp_path, "sandbox", "paysaga_another_sandbox")
    done = python(tmp_path, "import providers")
    assert done.returncode != 0
    assert "there are two providers of the name sandbox" in done.stderr
