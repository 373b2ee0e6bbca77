"""The API reference: a page per noun, made of the schema that the API itself serves.

Of the ready-made renderers for Sphinx one knows OpenAPI 3.1 in part and shows no limits, and the others need
a script of a third party in the reader's browser.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

from api.app import build
from domain.errors import refusals

Schema = Mapping[str, Any]

_WHO: Final = {"HTTPBearer": "the tenant", "APIKeyHeader": "the platform's operator, by `X-Admin-Key`"}


def schema() -> Schema:
    """What ``/openapi.json`` answers; nothing has to run for it."""

    def nobody() -> NoReturn:
        raise AssertionError("no page is asked for here")

    return build(nobody, public_url="http://127.0.0.1:8000", development=True).openapi()


def pages(api: Schema) -> dict[str, str]:
    """Markdown by the name of its page, ``index`` among them."""
    nouns: dict[str, list[tuple[str, str, Schema]]] = {}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            nouns.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    made = {_slug(noun): _Page(api, noun, routes).text() for noun, routes in nouns.items()}
    return {"index": _index(nouns)} | made


def _index(nouns: Mapping[str, list[tuple[str, str, Schema]]]) -> str:
    lines = ["# API reference", "", _INTRODUCTION]
    for noun, routes in nouns.items():
        lines += [f"## {noun.capitalize()}", "", "| Call | |", "|---|---|"]
        lines += [
            f"| `{method} {path}` | [{_title(operation)}]({_slug(noun)}.md#{_slug(_title(operation))}) |"
            for method, path, operation in routes
        ]
        lines.append("")
    lines += ["## Refusals", "", "Any call may be refused, as a [problem document](../errors.md):", ""]
    lines += ["| Status | Codes |", "|---|---|"]
    codes: dict[int, dict[str, None]] = {}
    for kind in refusals():
        codes.setdefault(kind.status, {})[kind.code] = None
    for status, known in sorted(codes.items()):
        links = ", ".join(f"[`{code}`](../errors.md#{code})" for code in known)
        lines.append(f"| {status} | {links} |")
    toc = "\n".join(_slug(noun) for noun in nouns)
    return "\n".join([*lines, "", f"```{{toctree}}\n:hidden:\n\n{toc}\n```", ""])


_INTRODUCTION: Final = """\
Made of the schema that the API serves as `/openapi.json`. JSON is camelCase, times are RFC 3339 in UTC,
amounts are integers in the currency's smallest unit. Members that are not listed are refused. Who may call is
said with each call: a tenant's token (`Authorization: Bearer`) has the role of its credential.
"""


class _Page:
    """One noun: its calls, and the objects they answer with."""

    def __init__(self, api: Schema, noun: str, routes: list[tuple[str, str, Schema]]) -> None:
        self._objects = api["components"]["schemas"]
        self._noun = noun
        self._routes = routes
        self._wanted: dict[str, None] = {}

    def text(self) -> str:
        lines = [f"# {self._noun.capitalize()}", ""]
        for method, path, operation in self._routes:
            lines += self._call(method, path, operation)
        shown: set[str] = set()
        if self._wanted:
            lines += ["## Objects", ""]
        while left := [name for name in self._wanted if name not in shown]:
            shown.add(left[0])
            found = self._objects[left[0]]
            lines += [f"### {left[0]}", "", *_paragraphs(found.get("description", ""))]
            lines += [*self._table(found), ""]
        return "\n".join(lines)

    def _call(self, method: str, path: str, operation: Schema) -> Iterator[str]:
        yield from (f"## {_title(operation)}", "", f"`{method} {path}`", "")
        yield from _paragraphs(operation.get("description", ""))
        yield from (f"**Who**: {_callers(operation)}.", "")
        parameters = operation.get("parameters", [])
        if parameters:
            yield from ("| Parameter | In | | |", "|---|---|---|---|")
            for each in parameters:
                needed = "**needed**" if each.get("required") else ""
                yield f"| `{each['name']}` | {each['in']} | {self._kind(each['schema'])} | {needed} |"
            yield ""
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            optional = "" if operation["requestBody"].get("required") else ", may be left out"
            yield from (f"**Body** (`{kind}`{optional})", "", *self._table(content["schema"], needs=True), "")
            yield from _example(content)
        for status, answer in operation["responses"].items():
            if status < "400":
                yield from (f"**Answer** `{status}`: {self._answered(answer)}", "")
                for content in answer.get("content", {}).values():
                    yield from _example(content)

    def _answered(self, answer: Schema) -> str:
        kinds = [
            self._kind(content["schema"]) if content.get("schema") else f"`{media}`"
            for media, content in answer.get("content", {}).items()
        ]
        return ", or ".join(kinds) or "nothing"

    def _table(self, found: Schema, *, needs: bool = False) -> Iterator[str]:
        if "properties" not in found:
            yield f"{self._kind(found)}"
            return
        yield from ("| Member | | |", "|---|---|---|") if needs else ("| Member | |", "|---|---|")
        for name, member, needed in self._members(found):
            text = _cell(" ".join(part for part in (self._kind(member), _words(member)) if part))
            yield f"| `{name}` | {text} |" + ((" **needed** |" if needed else " |") if needs else "")

    def _members(self, found: Schema, prefix: str = "") -> Iterator[tuple[str, Schema, bool]]:
        """All members, those of objects within under their path."""
        for name, member in found["properties"].items():
            yield prefix + name, member, name in found.get("required", ())
            inner, path = _within(member)
            if "properties" in inner:
                yield from self._members(inner, f"{prefix}{name}{path}.")

    def _kind(self, found: Schema) -> str:
        """A schema in words: its type, and what it may be."""
        if "$ref" in found:
            return self._named(found["$ref"].rpartition("/")[2])
        if "anyOf" in found:
            kinds = list(dict.fromkeys(self._kind(each) for each in found["anyOf"]))
            return " or ".join(kinds) + _default(found)
        if found.get("type") == "array":
            return f"list of {self._kind(found['items'])}" + _bounds(found, "Items", "entry", "entries")
        within = found.get("additionalProperties")
        if found.get("type") == "object" and isinstance(within, Mapping):
            return f"object of {self._kind(within)}" + _bounds(found, "Properties", "member", "members")
        return _plain(found) + _default(found)

    def _named(self, name: str) -> str:
        found = self._objects[name]
        if "properties" not in found:
            return self._kind(found)
        self._wanted[name] = None
        return f"[{name}](#{name.lower()})"


_MOST_WORDS: Final = 40
# Longer ones tell which characters no text of ours may hold; the schema has them.
_LONGEST_PATTERN: Final = 30


def _plain(found: Schema) -> str:
    if "enum" in found:
        words = [f"`{each}`" for each in found["enum"]]
        # Nobody reads a list of all currencies; the schema itself has it.
        if len(words) > _MOST_WORDS:
            return f"{words[0]} … {words[-1]}, {len(words)} in all"
        return ", ".join(words)
    if "const" in found:
        return f"`{found['const']}`"
    if "type" not in found:
        return "any JSON"
    return str(found.get("format", found["type"])) + _limits(found)


def _within(member: Schema) -> tuple[Schema, str]:
    """What a member holds if that is an object without a name of its own, or a list of such."""
    for each in (member, *member.get("anyOf", ())):
        if each.get("type") == "array":
            return each["items"], "[]"
        if "properties" in each:
            return each, ""
    return {}, ""


def _limits(found: Schema) -> str:
    said = []
    low, high = found.get("minimum"), found.get("maximum")
    if low is not None or high is not None:
        said.append(f"{_number(low)} to {_number(high)}" if None not in (low, high) else _open(low, high))
    for bound, words in (("exclusiveMinimum", "more than"), ("exclusiveMaximum", "less than")):
        if bound in found:
            said.append(f"{words} {_number(found[bound])}")
    length = _bounds(found, "Length", "character", "characters")
    if 0 < len(found.get("pattern", "")) < _LONGEST_PATTERN:
        said.append(f"`{found['pattern']}`")
    return "".join(f", {each}" for each in said) + length


def _open(low: float | None, high: float | None) -> str:
    return f"at most {_number(high)}" if low is None else f"at least {_number(low)}"


def _bounds(found: Schema, of: str, one: str, several: str) -> str:
    low, high = found.get(f"min{of}"), found.get(f"max{of}")
    if high is None:
        return f", at least {low} {one if low == 1 else several}" if low else ""
    span = f"{low} to {_number(high)}" if low else f"at most {_number(high)}"
    return f", {span} {one if high == 1 else several}"


def _number(value: float | None) -> str:
    return f"{value:,}".replace(",", " ")


def _default(found: Schema) -> str:
    default = found.get("default")
    return "" if default is None else f"; `{json.dumps(default)}` unless said"


def _words(member: Schema) -> str:
    return f"— {member['description']}" if member.get("description") else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _paragraphs(text: str) -> Iterator[str]:
    """A docstring as Markdown."""
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            yield from (paragraph.strip().replace("``", "`"), "")


def _example(content: Schema) -> Iterator[str]:
    found = content.get("example", content.get("schema", {}).get("example"))
    if found is not None:
        yield from ("```json", json.dumps(found, indent=2, ensure_ascii=False), "```", "")


def _callers(operation: Schema) -> str:
    said = []
    for requirement in operation.get("security", ()):
        for scheme, roles in requirement.items():
            named = " or ".join(f"`{role}`" for role in roles)
            any_role = ", any role" if scheme == "HTTPBearer" else ""
            said.append(_WHO[scheme] + (f", role {named}" if roles else any_role))
    return " or ".join(said) or "anybody"


def _title(operation: Schema) -> str:
    return str(operation["summary"]).capitalize()


def _slug(words: str) -> str:
    return re.sub(r"[^\w]+", "-", words.lower()).strip("-")
