"""Whether what a page shows looks like what there is: the same members, the same lines, but for dots."""

import json
import re
from collections.abc import Iterator
from typing import Any

REST = "…"
"""A member or an element of this name stands for whatever else there may be."""

# A run has other ids, instants and random parts than the page.
_PASSING = re.compile(
    r"…|\b[a-z]{2,6}_[0-9a-z]{26}\b|\d{4}-\d\d-\d\dT[\d:.]+Z|\b[0-9a-f]{8,}\b|\b\d+(?:\.\d+)? m?s\b"
)


def shown(text: str) -> Any:
    """The JSON of a page, in which ``…`` may stand for the rest of an object or a list."""
    return json.loads(_spelled_out(text))


def _spelled_out(text: str) -> str:
    written: list[str] = []
    inside: list[str] = []
    for piece in re.findall(r'"(?:[^"\\]|\\.)*"|[^"]', text):
        if piece in "{[":
            inside.append(piece)
        elif piece in "}]" and inside:
            inside.pop()
        if piece == REST:
            before = "".join(written).rstrip()[-1:]
            comma = "" if before in {"{", "[", ","} else ","
            written.append(f'{comma}"{REST}"' + (":0" if inside[-1:] == ["{"] else ""))
        else:
            written.append(piece)
    # Dots need no comma behind them.
    return re.sub(r'("…"(?::0)?)(\s*)(?=["{\[\d])', r"\1,\2", "".join(written))


def differences(page: Any, real: Any, where: str = "") -> Iterator[str]:
    """How the shape on the page differs from the real one; ``null`` on either side fits everything."""
    if page is None or real is None:
        return
    if isinstance(page, dict) and isinstance(real, dict):
        missing = real.keys() - page.keys() if REST not in page else set()
        for key in sorted(missing):
            yield f"{where}/{key} is not on the page"
        for key in page.keys() - {REST}:
            if key in real:
                yield from differences(page[key], real[key], f"{where}/{key}")
            else:
                yield f"{where}/{key} is not there"
    elif isinstance(page, list) and isinstance(real, list):
        if page and page[0] != REST:
            if real:
                yield from differences(page[0], real[0], f"{where}/0")
            else:
                yield f"{where} is empty"
    elif isinstance(page, bool) is not isinstance(real, bool) or not isinstance(real, _kind(page)):
        yield f"{where} is of another type"


def _kind(value: Any) -> tuple[type, ...]:
    return (int, float) if isinstance(value, int | float) else (type(value),)


def last_json(printed: str) -> Any:
    """The last JSON document among what a command printed; raises ``ValueError`` when there is none."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while match := re.compile(r"^[ \t]*(?=[{\[])|(?<=[}\]])\s*(?=[{\[])", re.MULTILINE).search(printed, at):
        try:
            document, at = decoder.raw_decode(printed, match.end())
        except ValueError:
            at = match.end() + 1
        else:
            found.append(document)
    if not found:
        raise ValueError("nothing of what was printed is JSON")
    return found[-1]


def matches(page: str, printed: str) -> bool:
    """Whether a terminal shows what the page shows. A line of ``…`` is any number of lines."""
    pattern = "".join(_line(line) for line in page.rstrip("\n").splitlines())
    return re.fullmatch(pattern, printed.rstrip() + "\n") is not None


def _line(line: str) -> str:
    if line.strip() == REST:
        return r"(?:.*\n)*?"
    between = _PASSING.split(line.rstrip())
    return ".*?".join(re.escape(part) for part in between) + r"[ \t]*\n"


def message(text: str) -> tuple[str, dict[str, str], str]:
    """First line, headers and body of an HTTP message; raises ``ValueError`` when it is none."""
    head, _, body = text.strip().partition("\n\n")
    first, *lines = head.splitlines()
    if not re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE) /\S*( HTTP/1\.1)?|HTTP/1\.1 \d{3} .+", first):
        raise ValueError(f"{first!r} begins no request and no answer")
    headers = {}
    for line in lines:
        found = re.fullmatch(r"([A-Za-z-]+): (.+)", line)
        if found is None:
            raise ValueError(f"{line!r} is no header; an empty line comes before the body")
        headers[found[1].lower()] = found[2]
    if body.lstrip().startswith(("{", "[")):
        shown(body)
    return first, headers, body
