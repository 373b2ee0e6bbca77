"""Derives the synchronous client from the asynchronous one, so that there is one source for both.

python client/derive.py           writes client/paysaga_client/_sync
python client/derive.py --check   fails if what is there is not what would be written
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent / "paysaga_client"
_WORDS: Final[Mapping[str, str]] = {
    r"\bimport asyncio\nimport": "import",
    r"\bimport time\n": "import time\n",
    r"\basync (def|with|for)\b": r"\1",
    r"\bawait ": "",
    r"\bAwaitable\[(\w+)\]": r"\1",
    r"\bAwaitable, ": "",
    r"\bAsync([A-Z]\w*)": r"\1",
    r"\b__a(enter|exit)__": r"__\1__",
    r"\baclose\b": "close",
    r"\b_async\b": "_sync",
    r"\basyncio\.Lock\b": "threading.Lock",
    r"\basyncio\.sleep\b": "time.sleep",
    r"  # noqa: ASYNC\d+ - .*": "",
}
_INTRODUCTION: Final = "# Derived from {} by client/derive.py: change that one.\n"


def derived(source: str, name: str) -> str:
    for word, other in _WORDS.items():
        source = re.sub(word, other, source)
    for module in ("threading", "time"):
        if f"{module}." in source and f"import {module}\n" not in source:
            source = source.replace("\nimport ", f"\nimport {module}\nimport ", 1)
    return _INTRODUCTION.format(name) + source


def files() -> dict[str, str]:
    """What the synchronous side consists of, written as the project's own formatter has it."""
    with tempfile.TemporaryDirectory() as folder:
        for path in (PACKAGE / "_async").glob("*.py"):
            (Path(folder) / path.name).write_text(derived(path.read_text(), f"_async/{path.name}"))
        for command in (["check", "--select", "I", "--fix"], ["format"]):
            subprocess.run(  # noqa: S603 - our own formatter
                [sys.executable, "-m", "ruff", *command, "--quiet", "--config", "pyproject.toml", folder],
                cwd=PACKAGE.parent.parent,
                check=True,
            )
        return {path.name: path.read_text() for path in sorted(Path(folder).glob("*.py"))}


def stale() -> list[str]:
    """Which files of the synchronous side are not what the asynchronous one makes of them."""
    wanted = files()
    present = {path.name: path.read_text() for path in (PACKAGE / "_sync").glob("*.py")}
    return sorted(name for name in present.keys() | wanted.keys() if present.get(name) != wanted.get(name))


def main() -> None:
    if "--check" in sys.argv:
        if found := stale():
            sys.exit(f"run `python client/derive.py`: {', '.join(found)}")
        return
    for name, text in files().items():
        (PACKAGE / "_sync" / name).write_text(text)


if __name__ == "__main__":
    main()
