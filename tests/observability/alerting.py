"""What stands in deploy/prometheus, read: rules, their tests, and which metrics an expression asks for."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import yaml

from tests.docs.pages import ROOT

RULES: Final = ROOT / "deploy" / "prometheus" / "rules" / "paysaga.yml"
UNIT_TESTS: Final = sorted((ROOT / "deploy" / "prometheus" / "tests").glob("*.yml"))
METRICS_PAGE: Final = ROOT / "docs" / "operations" / "metrics.md"

SDK: Final = frozenset({
    "temporal_activity_execution_failed",
    "temporal_activity_execution_latency",
    "temporal_activity_schedule_to_start_latency",
    "temporal_request_latency",
    "temporal_sticky_cache_size",
    "temporal_worker_task_slots_available",
    "temporal_worker_task_slots_used",
    "temporal_workflow_endtoend_latency",
    "temporal_workflow_task_execution_failed",
    "temporal_workflow_task_execution_latency",
    "temporal_workflow_task_schedule_to_start_latency",
})  # fmt: skip
"""Names as the exporter of Temporal's SDK gives them, read from a worker's page: those that are asked for."""
PROMETHEUS: Final = frozenset({"up", "ALERTS"})

_GROUPS: Final[list[dict[str, Any]]] = yaml.safe_load(RULES.read_text())["groups"]
ALERTS: Final[Mapping[str, dict[str, Any]]] = {
    rule["alert"]: rule for group in _GROUPS for rule in group["rules"] if "alert" in rule
}
RECORDED: Final[Mapping[str, str]] = {
    rule["record"]: rule["expr"] for group in _GROUPS for rule in group["rules"] if "record" in rule
}


class Case(NamedTuple):
    """One side from which a test holds an alert."""

    alert: str
    name: str
    fires: bool
    series: tuple[str, ...]


@cache
def cases() -> tuple[Case, ...]:
    """Of all files, read once."""
    return tuple(_cases())


def _cases() -> Iterator[Case]:
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            series = tuple(line["series"].partition("{")[0] for line in test["input_series"])
            for asked in test["promql_expr_test"]:
                (alert,) = re.findall(r'alertname="(\w+)"', asked["expr"])
                yield Case(alert, test["name"], bool(asked["exp_samples"]), series)


def metrics(expr: str) -> set[str]:
    """The metrics that an expression asks for: what is left of it without texts, labels, spans and words."""
    bare = re.sub(r'"[^"]*"', "", expr)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", bare)
    bare = re.sub(r"\b(by|on|group_left|group_right|without|ignoring)\s*\([^)]*\)", " ", bare)
    names = re.findall(r"(?<![\w:.$])([A-Za-z_:][\w:]*)(?!\s*\()(?![\w:])", bare)
    return set(names) - {"and", "or", "unless", "offset", "bool", "sum", "max", "min", "count"}


def exported(expr: str) -> set[str]:
    """The same, with recorded figures followed to what they are made of."""
    found = set()
    for metric in metrics(expr):
        found |= exported(RECORDED[metric]) if metric in RECORDED else {metric}
    return found


def unknown(expr: str) -> set[str]:
    """What an expression asks for that neither we, nor the SDK, nor Prometheus tell."""
    told = set(re.findall(r"^\| `([a-z_]+)", METRICS_PAGE.read_text(), re.MULTILINE)) | SDK | PROMETHEUS
    return {name for name in exported(expr) if not {name, _whole(name)} & told}


def _whole(name: str) -> str:
    """A histogram's name, for one of its parts."""
    return re.sub(r"_(bucket|count|sum)$", "", name)
