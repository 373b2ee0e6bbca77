"""Answers held against the companies' own OpenAPI documents, where these lie beside the checkout.

Only what those documents use is understood: ``$ref``, ``type``, ``enum``, ``required``, ``properties``,
``items``, ``additionalProperties``, ``nullable`` and the three combinators.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SPECS = Path(
    os.environ.get("PAYSAGA_PROVIDER_SPECS") or Path(__file__).resolve().parents[3] / "shared" / "data"
)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


@cache
def spec(name: str) -> dict[str, Any]:
    """Read a company's document, or say why there is nothing to compare with."""
    path = SPECS / name
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the folder that PAYSAGA_PROVIDER_SPECS names")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def complaints(name: str, schema: str, value: Any) -> list[str]:
    """List what a company's own schema holds against an object."""
    return _wrong(spec(name), {"$ref": f"#/components/schemas/{schema}"}, value, schema)


def _wrong(document: dict[str, Any], schema: dict[str, Any], value: Any, place: str) -> list[str]:
    if "$ref" in schema:
        found = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return _wrong(document, found, value, place)
    if value is None and schema.get("nullable"):
        return []
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            tries = [_wrong(document, option, value, place) for option in schema[choice]]
            return [] if [] in tries else min(tries, key=len)
    wrong = [one for part in schema.get("allOf", ()) for one in _wrong(document, part, value, place)]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return [*wrong, f"{place} is no {' or '.join(kinds)}: {value!r}"]
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{place} is none of the known words: {value!r}")
    return wrong + _inside(document, schema, value, place)


def _inside(document: dict[str, Any], schema: dict[str, Any], value: Any, place: str) -> list[str]:
    wrong: list[str] = []
    if isinstance(value, dict):
        wrong += [f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        others = schema.get("additionalProperties")
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, others if isinstance(others, dict) else {})
            wrong += _wrong(document, inner, item, f"{place}.{name}")
    if isinstance(value, list):
        for number, item in enumerate(value):
            wrong += _wrong(document, schema.get("items", {}), item, f"{place}[{number}]")
    return wrong


def _is(value: Any, kind: str) -> bool:
    if kind in {"integer", "number"} and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES[kind])
