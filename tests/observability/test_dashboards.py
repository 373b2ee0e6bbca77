"""Dashboards: the files are what the script draws, and every query can be asked."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.dashboards import DASHBOARDS, FOLDER, drawn
from tests.observability.alerting import METRICS_PAGE, unknown

BOARDS: dict[str, dict[str, Any]] = {name: json.loads(drawn(name)) for name in DASHBOARDS}


def queries(name: str) -> list[str]:
    return [target["expr"] for panel in BOARDS[name]["panels"] for target in panel["targets"]]


def test_the_files_are_what_the_script_draws() -> None:
    assert {path.stem: path.read_text() for path in FOLDER.glob("*.json")} == {
        name: drawn(name) for name in DASHBOARDS
    }, "python -m scripts.dashboards"


def test_a_dashboard_and_its_panels_have_names_of_their_own() -> None:
    uids = [board["uid"] for board in BOARDS.values()]
    assert len(set(uids)) == len(uids)
    for board in BOARDS.values():
        assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])
        assert len({str(panel["gridPos"]) for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_asks_the_prometheus_that_is_chosen_and_shows_no_tenant(name: str) -> None:
    text = json.dumps(BOARDS[name])
    assert set(re.findall(r'"uid": "([^"]+)"', text)) == {f"paysaga-{name}", "${datasource}"}
    assert "tenant_id" not in text


@pytest.mark.skipif(not METRICS_PAGE.exists(), reason="needs the page that tells all metrics")
@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_asks_only_for_what_is_told(name: str) -> None:
    assert {expr: unknown(expr) for expr in queries(name) if unknown(expr)} == {}


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    asked = [expr.replace("$__rate_interval", "5m") for name in DASHBOARDS for expr in queries(name)]
    rules = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(asked)]
    made = tmp_path / "queries.yml"
    made.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(made)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
