"""The reader's Python: one namespace for a page, top-level ``await`` as in a notebook."""

import ast
import asyncio
import inspect
import io
import json
import linecache
import os
import sys
import traceback
from types import ModuleType
from typing import Any


def main() -> None:
    # What somebody prints past us must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    page = ModuleType("page")
    sys.modules["page"] = page
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            asked = json.loads(line)
            os.environ.update(asked["env"])
            sys.stdout = printed = io.StringIO()
            failure = _run(asked["code"], asked["place"], page, runner)
            answers.write(json.dumps({"reader": {"printed": printed.getvalue(), "failure": failure}}) + "\n")
            answers.flush()


def _run(code: str, place: str, page: ModuleType, runner: asyncio.Runner) -> str | None:
    linecache.cache[place] = (len(code), None, code.splitlines(keepends=True), place)
    try:
        compiled = compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting: Any = eval(compiled, page.__dict__)  # noqa: S307 - our own page
        if inspect.iscoroutine(waiting):
            runner.run(waiting)
    except BaseException:  # noqa: BLE001 - SystemExit is a failure of the page, too
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    main()
