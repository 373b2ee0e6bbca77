"""docker-compose.yml as Compose would read it, and the files that our image would hold."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import yaml

from tests.docs.pages import ROOT

TEXT: Final = (ROOT / "docker-compose.yml").read_text()
RAW: Final[dict[str, Any]] = yaml.safe_load(TEXT)
_VARIABLE = re.compile(r"\$\{(\w+)(?::-(?P<default>[^}]*)|:\?)?\}")


def composed(variables: Mapping[str, str]) -> dict[str, Any]:
    """The whole file with its variables filled in. Raises ``KeyError`` for one that has to be said."""

    def filled(found: re.Match[str]) -> str:
        name, default = found[1], found["default"]
        return variables[name] if default is None else variables.get(name) or default

    return dict(yaml.safe_load(_VARIABLE.sub(filled, TEXT)))


def environment(service: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """What a container is told; a name without a value is passed on if it is set."""
    said = service.get("environment", {})
    return {
        name: variables[name] if value is None else str(value)
        for name, value in said.items()
        if value is not None or name in variables
    }


def image_files() -> Iterator[Path]:
    """What .dockerignore lets into the image, relative to the checkout. The last rule that fits decides."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in {"", "#"}]
    for entry in ROOT.iterdir():
        # Nothing below what no rule lets in could be meant; looking there would take long (.venv).
        if not any(rule[0] == "!" and fnmatch(entry.name, rule[1:]) for rule in rules):
            continue
        for path in [entry, *entry.rglob("*")]:
            place = path.relative_to(ROOT)
            if path.is_file() and _enters(place, rules):
                yield place


def _enters(place: Path, rules: list[str]) -> bool:
    enters = True
    for rule in rules:
        if any(_fits(each, rule.removeprefix("!")) for each in (place, *place.parents[:-1])):
            enters = rule[0] == "!"
    return enters


def _fits(place: Path, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(place.name, pattern[3:])
    parts, wanted = place.parts, pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch, parts, wanted))
