"""A reader of one page: types its code in, in order, and looks at what happens.

There is one shell, one Python and one Node for a page, as a reader has them open beside it.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from select import select
from typing import Any, Self

from tests.docs.pages import ROOT, Block, Fill
from tests.docs.shapes import differences, last_json, matches, message, shown

PATIENCE_SECONDS = 90
"""So long a block may take, on a machine with much to do."""
_HERE = Path(__file__).parent
_ID = re.compile(r"(?<![A-Za-z0-9_])([a-z]{2,6})_([0-9A-Za-z+/=]{12,})(?![A-Za-z0-9_])")
_CURL = """#!/bin/sh
# As curl, with its answers' statuses written down.
head=$(mktemp "$READER/head.XXXXXX")
"{curl}" --noproxy '*' -D "$head" "$@"
code=$?
grep '^HTTP/' "$head" | tail -n 1 | cut -d ' ' -f 2 >> "$READER/statuses"
exit $code
"""


class Disappointed(AssertionError):
    """The page promises something else than what happened."""


@dataclass(frozen=True)
class Ran:
    """What came of a piece of code."""

    printed: str
    failure: str | None = None
    statuses: tuple[int, ...] = ()


class Reader:
    """``places`` says where the page's addresses are today: ``{"127.0.0.1:8000": "127.0.0.1:18240"}``."""

    def __init__(self, folder: Path, places: Mapping[str, str], env: Mapping[str, str]) -> None:
        self._places = places
        self._known: dict[str, str] = {}
        self._fills: dict[str, str] = {}
        self._section = -1
        self._printed: str | None = None
        self._open = contextlib.ExitStack()
        self._shell = _Shell(self._open, folder, env)
        self._tongues: dict[str, _Tongue] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def read(self, items: Sequence[Block | Fill]) -> None:
        """Follow a page to its end. Raises ``Disappointed`` at the place where it does not hold."""
        for item in items:
            if isinstance(item, Fill):
                self._learn(item)
                continue
            if item.section != self._section:
                self._section, self._printed = item.section, None
            if item.runs:
                self._run(item)
            elif item.language == "json" and item.skipped is None:
                self._compare(item)
            elif item.language == "http":
                message(item.code)

    # --- Code ---

    def _run(self, block: Block) -> None:
        printed = ""
        if block.language != "console":
            for part in _parts(block):
                printed += self._enter(block, block.language, self._today(part, block)).printed
        else:
            for command, output in _typed(block.code):
                ran = self._enter(block, "sh", f"{{ {self._today(command, block)}\n}} 2>&1")
                printed += ran.printed
                if not matches(self._moved(output), ran.printed):
                    raise Disappointed(f"{block.place}: {command}\nshows:\n{ran.printed}\nand not:\n{output}")
        if not block.hidden:
            self._printed = printed
            self._shell.keep(printed)

    def _enter(self, block: Block, language: str, code: str) -> Ran:
        expected = block.notes.get("expect", "")
        if language != "sh":
            ran = self._tongue(language).enter(code, block.place, self._shell.exported)
        elif "background" in block.notes:
            ran = self._shell.leave_running(code, int(self._moved(f" {block.notes['background']} ")))
        elif expected.startswith("exit "):
            ran = self._shell.enter_below(code, int(expected.removeprefix("exit ")))
        else:
            ran = self._shell.enter(code)
        _judge(block, ran, expected)
        self._known |= {match[1]: match[0] for match in _ID.finditer(ran.printed)}
        return ran

    def _tongue(self, language: str) -> "_Tongue":
        if language not in self._tongues:
            command = [sys.executable, str(_HERE / "python_reader.py")]
            if language == "javascript":
                command = [node() or "node", str(_HERE / "node_reader.mjs")]
            self._tongues[language] = _Tongue(self._open, command, self._shell.folder, self._shell.exported)
        return self._tongues[language]

    # --- What dots and addresses stand for ---

    def _learn(self, fill: Fill) -> None:
        meaning = self._shell.enter(f'printf %s "{fill.meaning}"')
        if meaning.failure is not None or not meaning.printed:
            raise Disappointed(f"{fill.place}: {fill.meaning} is nothing: {meaning.failure}")
        self._fills[fill.words] = meaning.printed

    def _today(self, code: str, block: Block) -> str:
        """The code as a reader would type it: ids in place of dots, and addresses of this machine."""
        if not block.hidden:
            for words in sorted(self._fills, key=len, reverse=True):
                code = code.replace(words, self._fills[words])
            code = re.sub(r"\b([a-z]{2,6})_…", lambda dots: self._meant(dots[1], block), code)
            left = next((line for line in code.splitlines() if "…" in line), None)
            if left is not None:
                raise Disappointed(f"{block.place}: nobody knows what … stands for in {left!r}; note a fill")
        return self._moved(code)

    def _moved(self, code: str) -> str:
        for there, here in self._places.items():
            (host, port), (today_host, today_port) = there.split(":"), here.split(":")
            code = code.replace(there, here).replace(f'"{host}", {port}', f'"{today_host}", {today_port}')
            code = code.replace(f"listen({port}", f"listen({today_port}").replace(
                f" {port} ", f" {today_port} "
            )
        return code

    def _meant(self, prefix: str, block: Block) -> str:
        if prefix not in self._known:
            raise Disappointed(f"{block.place}: nothing before it has an id {prefix}_…; note a fill")
        return self._known[prefix]

    # --- Answers ---

    def _compare(self, block: Block) -> None:
        page = shown(block.code)
        if self._printed is None or "data" in block.notes:
            return
        try:
            real = last_json(self._printed)
        except ValueError as error:
            raise Disappointed(f"{block.place}: {error}; is it no answer? Then note data") from error
        found = list(differences(page, real))
        if found:
            raise Disappointed(
                f"{block.place}: {'; '.join(found)}. It is {json.dumps(real, ensure_ascii=False)}"
            )


def _parts(block: Block) -> list[str]:
    """What is entered at once: the commands one by one, if what one prints may be in the next."""
    if block.language != "sh" or "…" not in block.code or block.notes:
        return [block.code]
    parts, waiting = [], ""
    for line in block.code.splitlines(keepends=True):
        waiting += line
        looked = subprocess.run(["bash", "-n"], input=waiting, capture_output=True, text=True, check=False)
        if looked.returncode == 0 and not looked.stderr and not line.endswith("\\\n"):
            parts.append(waiting)
            waiting = ""
    return [*parts, waiting] if waiting.strip() else parts


def _judge(block: Block, ran: Ran, expected: str) -> None:
    problem = None
    if re.fullmatch(r"\d{3}", expected):
        *before, last = ran.statuses or (0,)
        if last != int(expected) or any(status >= 400 for status in before) or ran.failure:
            problem = f"{expected} was expected"
    elif expected and not expected.startswith("exit "):
        if ran.failure is None or expected not in ran.failure:
            problem = f"{expected} was expected"
    elif ran.failure is not None or (not expected and any(status >= 400 for status in ran.statuses)):
        problem = "it fails"
    if problem is not None:
        told = f"answers {ran.statuses}, printed:\n{ran.printed}\n{ran.failure or ''}"
        raise Disappointed(f"{block.place}: {problem}\n{block.code}\n{told}")


def _typed(code: str) -> Iterator[tuple[str, str]]:
    """The commands of a terminal's picture, each with what it shows."""
    before, *entered = re.split(r"^\$ ", code, flags=re.MULTILINE)
    if before.strip() or not entered:
        raise Disappointed(f"a console's lines begin with $:\n{code}")
    for each in entered:
        lines = each.splitlines(keepends=True)
        more = next(i for i, line in enumerate(lines) if not line.endswith("\\\n")) + 1
        yield "".join(lines[:more]), "".join(lines[more:])


def node() -> str | None:
    """Node, if there is one that is new enough."""
    found = shutil.which("node")
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    return found if int((re.findall(r"\d+", version) or ["0"])[0]) >= 20 else None


class _Shell:
    """A bash that stays open. It ends with the first command that fails."""

    def __init__(self, held: contextlib.ExitStack, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.exported: dict[str, str] = {}
        self._notes = folder / ".reader"
        self._number = 0
        commands = self._notes / "bin"
        commands.mkdir(parents=True)
        (commands / "curl").write_text(_CURL.replace("{curl}", shutil.which("curl") or "curl"))
        (commands / "curl").chmod(0o755)
        for link, target in {".venv": ROOT / ".venv"}.items():
            (folder / link).symlink_to(target)
        path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        ours = {
            "PATH": path,
            "READER": str(self._notes),
            "HOME": str(folder),
            "no_proxy": "*",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")]),
        }
        answers, replies = os.pipe()
        self._answers = held.enter_context(os.fdopen(answers, "rb", buffering=0))
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=folder, env=os.environ | ours | dict(env), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[replies], start_new_session=True,
        )  # fmt: skip
        os.close(replies)
        held.callback(_end, self._process)
        self._reply = replies
        started = self.enter(f"set -eu -o pipefail\n{(_HERE / 'prelude.sh').read_text()}")
        if started.failure is not None:
            raise Disappointed(f"the shell does not start: {started.failure}")

    def enter(self, code: str) -> Ran:
        """Run a piece of code; what it sets stays set."""
        return self._enter(code, "{}")

    def enter_below(self, code: str, exit_code: int) -> Ran:
        """Run a piece of code that should end its shell, in a shell below."""
        return self._enter(code, f"set +e; ( set -eu; {{}} ); __code=$?; set -e; [ $__code = {exit_code} ]")

    def leave_running(self, code: str, port: int) -> Ran:
        """Start something that stays, and wait until it listens."""
        ran = self._enter(code, "( set -eu; {} ) &")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return ran
            time.sleep(0.1)
        errors = (self._notes / f"{self._number}.err").read_text()
        return Ran(ran.printed, f"nobody listens at {port}\n{errors}")

    def keep(self, printed: str) -> None:
        """For ``answer``: what the page's last command printed."""
        with contextlib.suppress(ValueError):
            (self._notes / "answer.json").write_text(json.dumps(last_json(printed)))

    def _enter(self, code: str, way: str) -> Ran:
        self._number += 1
        here = {name: self._notes / f"{self._number}.{name}" for name in ("sh", "out", "err", "env")}
        here["sh"].write_text(code)
        (self._notes / "statuses").write_text("")
        line = way.format(f". '{here['sh']}'")
        # Braces, not parentheses: what the code sets stays set.
        wire = self._reply
        self._say(
            f"{{ {line}\n}} > '{here['out']}' 2> '{here['err']}' < /dev/null {wire}>&-\n"
            f"env -0 > '{here['env']}'; printf '.' >&{wire}\n"
        )
        lived = self._wait()
        printed, errors = here["out"].read_text(), here["err"].read_text()
        statuses = tuple(int(each) for each in (self._notes / "statuses").read_text().split())
        if not lived:
            return Ran(printed, f"it ended with an error\n{errors}", statuses)
        pairs = (pair.partition("=") for pair in here["env"].read_text().split("\0") if pair)
        self.exported = {key: value for key, _, value in pairs}
        return Ran(printed, None, statuses)

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(text)
            self._process.stdin.flush()

    def _wait(self) -> bool:
        if not select([self._answers], [], [], PATIENCE_SECONDS)[0]:
            raise Disappointed(f"a command takes more than {PATIENCE_SECONDS} s")
        return self._answers.read(1) == b"."


class _Tongue:
    """A Python or a Node that stays open: it takes a line of JSON for each piece of code, and answers one."""

    def __init__(
        self, held: contextlib.ExitStack, command: list[str], folder: Path, env: Mapping[str, str]
    ) -> None:
        self._process = subprocess.Popen(
            command, cwd=folder, env=dict(env), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        held.callback(_end, self._process)

    def enter(self, code: str, place: str, env: Mapping[str, str]) -> Ran:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"code": code, "place": place, "env": dict(env)}) + "\n")
        self._process.stdin.flush()
        beside: list[str] = []
        while select([self._process.stdout], [], [], PATIENCE_SECONDS)[0]:
            line = self._process.stdout.readline()
            if not line:
                return Ran("".join(beside), "it is gone")
            if line.startswith('{"reader":'):
                answer: dict[str, Any] = json.loads(line)["reader"]
                return Ran(answer["printed"], answer["failure"] and "".join(beside) + answer["failure"])
            beside.append(line)
        raise Disappointed(f"{place} takes more than {PATIENCE_SECONDS} s")


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(BrokenPipeError):
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
    process.wait()
