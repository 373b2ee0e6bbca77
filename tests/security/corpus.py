"""Bodies that are no JSON, or JSON that two readers understand differently: none of them may be taken.

Each is made of a body that the door would take, so that nothing else than the trick can be what is refused.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from api.strict import MAX_DEPTH
from tests.house import Json
from tests.security.media import CONTENT_TYPES, other_languages, packed
from tests.stories.visitor import CANARY

JSON_TYPE: Final = "application/json"


@dataclass(frozen=True)
class Hostile:
    """What is sent to a door, under a name that tells the trick."""

    name: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def hostile_bodies(good: Json) -> Iterator[Hostile]:
    """All tricks, made of this good body. No door may take any of them."""
    plain = json.dumps(good).encode()
    for name, body in {
        **_spelt_otherwise(good),
        **_with_something_beside(plain),
        **other_languages(),
        **_said_twice(good),
        **_nested(plain),
        **_strange_members(good, plain),
        **_alone(good),
        **_bad_values(good),
        **_cut_off(plain),
    }.items():
        yield Hostile(name, body)
    for content_type in CONTENT_TYPES:
        yield Hostile(f"as {content_type!r}", plain, {"Content-Type": content_type})
    for encoding, body in packed(plain).items():
        yield Hostile(f"packed as {encoding}", body, {"Content-Encoding": encoding})


# --- Written in another way -----------------------------------------------------------------------

_ENCODINGS: Final = (
    *("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp037"),
    "utf-7",
)
# Bytes inside of a string that no decoder of UTF-8 may take.
_NO_UTF8: Final = {
    "a lone continuation": b"\x80",
    "a cut character": b"\xc3",
    "an overlong slash": b"\xc0\xaf",
    "an overlong NUL": b"\xc0\x80",
    "an overlong slash in three": b"\xe0\x80\xaf",
    "half a surrogate pair in bytes": b"\xed\xa0\x80",
    "a pair of surrogates in bytes": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "FE and FF": b"\xfe\xff",
    "latin 1": b"\xe9t\xe9",
}


def _spelt_otherwise(good: Json) -> dict[str, bytes]:
    told = json.dumps(good | {CANARY: "+AGE-é"}, ensure_ascii=False)
    found = {
        # EBCDIC and UTF-7 know no é.
        f"in {encoding}": told.replace("é", "e").encode(encoding)
        for encoding in _ENCODINGS
    }
    for name, raw in _NO_UTF8.items():
        found[name] = _with_member(good, CANARY, b'"' + raw + b'"')
        found[f"{name} in a name"] = json.dumps(good).encode()[:-1] + b', "' + raw + b'": 1}'
    return found


# --- Something before, behind or between ----------------------------------------------------------

_BEHIND: Final = {
    "another document": b"{}",
    "another document after a space": b" {}",
    "another line": b"\n{}",
    "itself again": b"",
    "a comma": b",",
    "a bracket": b"]",
    "a brace": b"}",
    "a semicolon": b";",
    "NUL": b"\x00",
    "a byte order mark behind": b"\xef\xbb\xbf",
    "a comment of two slashes": b" // canary",
    "a comment of a hash": b" # canary",
    "a comment block": b" /* canary */",
    "a vertical tab": b"\x0b",
    "a form feed": b"\x0c",
    "a no-break space": "\u00a0".encode(),
    "a line separator": "\u2028".encode(),
    "an ideographic space": "\u3000".encode(),
    "a zero-width space": "\u200b".encode(),
    "end of file": b"\x1a",
    "a letter": b"x",
    "a digit": b"0",
}
_BEFORE: Final = {
    "a guard against JSON hijacking": b")]}',\n",
    "a loop before": b"for(;;);",
    "a record separator": b"\x1e",
    "a comment before": b"/* canary */",
    "an assignment": b"x = ",
    "a comma before": b",",
    "NUL before": b"\x00",
    "a vertical tab before": b"\x0b",
    "a no-break space before": "\u00a0".encode(),
    "a length before": b"00000012",
    "a byte order mark of UTF-16": b"\xff\xfe",
    "two byte order marks": b"\xef\xbb\xbf" * 2,
}


def _with_something_beside(plain: bytes) -> dict[str, bytes]:
    found = {f"{name} behind": plain + (behind or plain) for name, behind in _BEHIND.items()}
    found |= {name: before + plain for name, before in _BEFORE.items()}
    inside = plain[1:]
    return found | {
        "a comment inside": b"{/**/" + inside,
        "a comma at the beginning": b"{," + inside,
        "a comma at the end": plain[:-1] + b",}",
        "two commas": plain.replace(b", ", b",, ", 1)[:-1] + b",,}",
        "no comma": plain[:-1] + b' "canary" 1}',
        "no colon": plain[:-1] + b', "canary" 1}',
        "two colons": plain[:-1] + b', "canary":: 1}',
        "an equals sign": plain[:-1] + b', "canary" = 1}',
        "a name without quotes": plain[:-1] + b", canary: 1}",
        "a name in single quotes": plain[:-1] + b", 'canary': 1}",
        "a name that is a number": plain[:-1] + b", 1: 1}",
        "a name that is null": plain[:-1] + b", null: 1}",
        "a name without a value": plain[:-1] + b', "canary":}',
        "a name alone": plain[:-1] + b', "canary"}',
        "typographic quotes": plain.replace(b'"', "“".encode()),
        "single quotes": plain.replace(b'"', b"'"),
        "round brackets": b"(" + plain[1:-1] + b")",
        "a bracket for a brace": plain[:-1] + b"]",
        "a callback": b"canary(" + plain + b")",
        "in a string": json.dumps(plain.decode()).encode(),
        "in a list": b"[" + plain + b"]",
        "under another name": b'{"data": ' + plain + b"}",
    }


# --- Members --------------------------------------------------------------------------------------


def _said_twice(good: Json) -> dict[str, bytes]:
    """The same name two times: one reader takes the first, another the last."""
    plain, found = json.dumps(good).encode(), {}
    name, value = next(iter(good.items()))
    first, same = json.dumps(name).encode(), json.dumps(value).encode()
    hidden = b'"' + "".join(f"\\u{ord(letter):04x}" for letter in name).encode() + b'"'
    for trick, spelling in (("", first), (" in escapes", hidden)):
        found[f"the first member again{trick}"] = plain[:-1] + b", " + spelling + b": " + same + b"}"
        found[f"the first member before{trick}"] = b"{" + spelling + b": " + same + b", " + plain[1:]
        found[f"the first member as null{trick}"] = plain[:-1] + b", " + spelling + b": null}"
    found["every member again"] = plain[:-1] + b", " + plain[1:]
    found["a member a thousand times"] = plain[:-1] + (b", " + first + b": " + same) * 500 + b"}"
    found["an unknown member twice"] = plain[:-1] + b', "canary": 1, "canary": 1}'
    found["an empty name twice"] = plain[:-1] + b', "": 1, "": 1}'
    found["twice, two floors down"] = plain[:-1] + b', "canary": [{"b": {"c": 1, "c": 2}}]}'
    return found


def _nested(plain: bytes) -> dict[str, bytes]:
    found = {}
    for depth in (MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 64, 1000, 30_000):
        found[f"lists {depth} deep"] = plain[:-1] + b', "canary": ' + b"[" * depth + b"]" * depth + b"}"
        found[f"nothing but {depth} brackets"] = b"[" * depth
    for depth in (MAX_DEPTH, MAX_DEPTH + 1, 1000, 9000):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        found[f"objects {depth} deep"] = plain[:-1] + b', "canary": ' + deep + b"}"
    found["lists and objects in turn"] = plain[:-1] + b', "canary": ' + b'[{"a":' * 5000 + b"}" * 9 + b"}"
    return found


_NAMES: Final = (
    *[
        "__proto__",
        "constructor",
        "prototype",
        "__class__",
        "__init__",
        "__globals__",
        "__dict__",
        "model_config",
        "self",
        "cls",
        "$ref",
        "$where",
        "$ne",
        "$gt",
        "$schema",
        "@type",
        "@class",
        "@id",
        "_id",
        "id",
        "tenantId",
        "tenant_id",
        "isAdmin",
        "role",
        "status",
        "*",
        "..",
        "../../etc/passwd",
        "amount[]",
        "amount[$gt]",
        "a.b.c",
        "%s%n",
        "{0.__class__}",
        "AMOUNT",
        "ａmount",
        "аmount",
        "😀",
    ],
    *("", " ", "\u202eamount", "\u200bamount", "amount\ufeff", "amount ", "amount\n", "' OR 1=1 --"),
)
_ESCAPES: Final = (
    *(
        [
            r"\ud800",
            r"\udc00\ud800",
            r"\u0000",
            r"\x41",
            r"\u12",
            r"\u{41}",
            r"\U00000041",
            r"\101",
            r"\a",
            r"\'",
        ]
    ),
    *("\\", "\n", "\t", "\x1f", "\x00"),
)


def _strange_members(good: Json, plain: bytes) -> dict[str, bytes]:
    found = {
        f"a member named {name!r}": json.dumps(good | {name: {CANARY: 1}}).encode()
        for name in _NAMES
        if name not in good
    }
    snake = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): v for name, v in good.items()}
    found["a name of 40 KiB"] = plain[:-1] + b', "' + b"k" * 40_960 + b'": 1}'
    found["4000 members"] = plain[:-1] + b"".join(b', "k%d": 1' % number for number in range(4000)) + b"}"
    found["a text of 1 MiB"] = plain[:-1] + b', "canary": "' + b"x" * (1 << 20) + b'"}'
    found["a list of 10000"] = plain[:-1] + b', "canary": [' + b"1," * 9999 + b"1]}"
    found["all in capitals"] = json.dumps({name.upper(): value for name, value in good.items()}).encode()
    found["snake case beside"] = json.dumps(good | snake | {CANARY: 1}).encode()
    for escape in _ESCAPES:
        found[f"the escape {escape!r}"] = plain[:-1] + f', "canary": "{escape}"}}'.encode()
        found[f"the escape {escape!r} in a name"] = plain[:-1] + f', "{escape}": 1}}'.encode()
    return found


def _alone(good: Json) -> dict[str, bytes]:
    """Whole documents that are no object."""
    spellings = [
        *["null", "true", "false", "0", "-0", "1e3", '""', '"canary"', "[]", "[[]]", "[null]", "[{}]"],
        "9" * 5000,
    ]
    found = {f"{spelling[:8]} alone": spelling.encode() for spelling in spellings}
    found["a list of pairs"] = json.dumps([list(pair) for pair in good.items()]).encode()
    found["itself ten times"] = json.dumps([good] * 10).encode()
    return found


# Where a value should be. JSON has no such number, or no program the same idea of it.
_NO_VALUES: Final = (
    *[
        "NaN",
        "-NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "+Infinity",
        "inf",
        "1e999",
        "-1e999",
        "1E400",
        "1e+400",
        "01",
        "-01",
        "00",
        "+1",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "--1",
        "1_000",
        "1,000",
        "0x10",
        "0b1",
        "0o7",
        "1n",
        "1L",
        "1.0f",
        "१",
        "１",
        "True",
        "None",
        "undefined",
        "nil",
        "TRUE",
        "Date(0)",
        "/a/",
        "`a`",
        "'a'",
        "“a”",
        '"a',
        'a"',
        "[1,]",
        "[,1]",
        "[1",
        "{1}",
        "{1:1}",
        "(1)",
        "<1>",
        "$1",
        "${1}",
        "@1",
    ],
    *("- 1", "1 2", "[1 1]", '"a" "b"', '"a" + "b"', "new Date()"),
    *("9" * 5000, "-" + "9" * 5000, "1e5000", "0." + "1" * 5000 + "e999"),
)


def _bad_values(good: Json) -> dict[str, bytes]:
    first = next(iter(good))
    return {
        f"{value[:24]} for a value{f' of {len(value)}' if len(value) > 24 else ''}": _with_member(
            good, first, value.encode()
        )
        for value in _NO_VALUES
    }


def _with_member(good: Json, name: str, raw: bytes) -> bytes:
    """The body with this member spelt like that."""
    members = {each: json.dumps(value).encode() for each, value in good.items()} | {name: raw}
    return (
        b"{" + b", ".join(json.dumps(each).encode() + b": " + value for each, value in members.items()) + b"}"
    )


def _cut_off(plain: bytes) -> dict[str, bytes]:
    """Up to and including each mark of its structure; the whole is no part of it."""
    places = [place for place, byte in enumerate(plain[:-1], 1) if byte in b'{}[],:"']
    return {f"cut off after {place}": plain[:place] for place in places}
