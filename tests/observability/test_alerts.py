"""Alerts: each is held from both sides, has its page, and asks for nothing that nobody tells."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import ROOT
from tests.docs.test_words import anchors
from tests.observability.alerting import (
    ALERTS,
    METRICS_PAGE,
    RECORDED,
    RULES,
    UNIT_TESTS,
    cases,
    exported,
    unknown,
)

RUNBOOKS = ROOT / "docs" / "operations" / "runbooks"
INDEX = RUNBOOKS / "index.md"
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_who_is_called_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == alert.lower()
    assert anchor in anchors(ROOT / page)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_names_no_tenant(alert: str) -> None:
    rule = ALERTS[alert]
    assert "tenant" not in " ".join(re.findall(r"\{[^}]*\}|by \([^)]*\)", rule["expr"]))
    assert "$labels.tenant" not in str(rule["annotations"])


def test_the_pages_tell_of_no_alert_that_is_gone_and_the_index_of_all() -> None:
    told = {
        title
        for page in RUNBOOKS.glob("*.md")
        for title in re.findall(r"^## (Paysaga\w+)$", page.read_text(), re.MULTILINE)
    }
    assert told == set(ALERTS)
    rows = re.findall(r"^\| \[`(\w+)`\]\([\w.#]+\) \| (\w+) \|", INDEX.read_text(), re.MULTILINE)
    assert rows == [(alert, rule["labels"]["severity"]) for alert, rule in ALERTS.items()]


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_held_from_both_sides(alert: str) -> None:
    held = [case for case in cases() if case.alert == alert]
    assert {case.fires for case in held} == {True, False}
    assert all(case.name.startswith(f"{alert} {'fires' if case.fires else 'is quiet'}: ") for case in held)


def test_no_test_is_of_an_alert_that_is_gone() -> None:
    assert {case.alert for case in cases()} <= set(ALERTS)


def test_where_an_alert_is_quiet_what_it_looks_at_is_there() -> None:
    for case in cases():
        if not case.fires:
            assert set(case.series) & exported(ALERTS[case.alert]["expr"]), case.name


@pytest.mark.skipif(not METRICS_PAGE.exists(), reason="needs the page that tells all metrics")
@pytest.mark.parametrize("rule", [*RECORDED, *ALERTS])
def test_a_rule_asks_only_for_what_is_told(rule: str) -> None:
    assert unknown(RECORDED[rule] if rule in RECORDED else ALERTS[rule]["expr"]) == set()


def test_every_figure_that_is_recorded_is_asked_for() -> None:
    asked = " ".join([*RECORDED.values(), *(rule["expr"] for rule in ALERTS.values())])
    asked += " ".join(path.read_text() for path in (ROOT / "deploy/grafana/dashboards").glob("*.json"))
    assert [name for name in RECORDED if not re.search(rf"{re.escape(name)}(?![\w:])", asked)] == []


def test_the_example_of_routes_knows_both_severities() -> None:
    example = yaml.safe_load((ROOT / "deploy/prometheus/alertmanager.example.yml").read_text())
    matched = {matcher for route in example["route"]["routes"] for matcher in route["matchers"]}
    assert {'severity="page"', 'severity="ticket"'} <= matched
    receivers = {receiver["name"] for receiver in example["receivers"]}
    assert {
        example["route"]["receiver"],
        *(route["receiver"] for route in example["route"]["routes"]),
    } == receivers


@needs_promtool
def test_prometheus_can_read_the_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
