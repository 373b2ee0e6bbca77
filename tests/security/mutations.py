"""Bodies that are JSON, with one value changed: for one that no schema allows, or for a hostile-looking text.

A text is only a text. Where a door takes it, it has to come back as it was sent.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.house import Json

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """A good body with another value at one place."""

    place: Place
    value: Any
    body: bytes

    @property
    def name(self) -> str:
        return f"{'/'.join(map(str, self.place))} = {json.dumps(self.value)[:40]}"


def forbidden(good: Json) -> Iterator[Mutation]:
    """What no schema of ours allows: values of another type, numbers out of every range, unknown members."""
    for place, value in _places(good):
        for wrong in _wrong_for(value):
            yield _changed(good, place, wrong)


def perhaps(good: Json) -> Iterator[Mutation]:
    """What may be taken, or not: texts that are only texts, null, and nothing at all."""
    for place, value in _places(good):
        yield _changed(good, place, None)
        if isinstance(value, str):
            for text in TEXTS:
                yield _changed(good, place, text)


def _places(value: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Everything in the body, and where it is; not the body itself."""
    if at:
        yield at, value
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, child in children:
        yield from _places(child, (*at, name))


def _changed(good: Json, place: Place, value: Any) -> Mutation:
    body: Any = copy.deepcopy(good)
    inner = body
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return Mutation(place, value, json.dumps(body).encode())


_WHOLE: Final[tuple[Any, ...]] = (
    True,
    False,
    "1",
    "",
    1.0,
    1.5,
    1e3,
    -1,
    -(2**31),
    2**63,
    2**64,
    2**70,
    [1],
    {},
    [],
    {"$gt": 0},
)
_LONG: Final = "x" * 60_000


def _wrong_for(value: Any) -> tuple[Any, ...]:
    match value:
        case bool():
            return (0, 1, "true", "false", "", [], {}, 1.0)
        case int():
            return _WHOLE
        case str():
            return (
                7,
                0,
                True,
                1.5,
                [],
                {},
                [value],
                {"$ne": ""},
                "",
                "\x00",
                "\x07",
                "\x1b[2J",
                "\x85",
                "\ud800",
                _LONG,
            )
        case list():
            return (
                {},
                "",
                1,
                True,
                {"0": value},
                [*value, 7],
                [[value]],
                [None] * 10_000,
                [{}] * 10_000,
                "x,y",
            )
        case dict():
            return (
                [],
                "",
                1,
                True,
                [value],
                value | {"canary": 1},
                value | {"__proto__": {"canary": 1}},
                "{}",
            )
    raise AssertionError(f"no body has {value!r}")


# Each of them is a text like any other.
TEXTS: Final = (
    "'; DROP TABLE payments; --",
    "' OR '1'='1",
    '" OR ""="',
    "1; SELECT pg_sleep(10)",
    "$1",
    "%s%s%s%n",
    "%(x)s",
    "{0.__class__.__init__.__globals__}",
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "${jndi:ldap://localhost/a}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "file:///etc/passwd",
    "| cat /etc/passwd",
    "$(id)",
    "`id`",
    '=HYPERLINK("http://localhost")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "line\nfeed",
    "a\r\nSet-Cookie: a=b",
    "\u202etxt.exe",
    "\u2066\u2067\u2068\u2069",
    "zero\u200bwidth\u200djoiner\u2060",
    "Z" + "\u0301\u0489" * 60,
    "\ufeffmark",
    "\ufdfd" * 20,
    "😀👩‍👩‍👧‍👦🏳️‍🌈",
    "ﷺ ｆｕｌｌ ｗｉｄｔｈ",
    "аdmin",
    "I\u0307i\u0131ß",
    "\u0000".replace("\u0000", "\\u0000"),
    "NULL",
    "undefined",
    "-1e999",
    "  spaces around  ",
    "\t",
    "\ue000\U000f0000\uffff",
    "null",
    "true",
)
