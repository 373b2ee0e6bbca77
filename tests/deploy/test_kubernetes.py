"""The manifests on the page about Kubernetes name settings, commands, ports and queues that there are."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from local.plan import NAMESPACE
from settings import Settings
from tests.deploy.test_compose import COMPOSE, SERVICES, SETTINGS, config
from tests.docs.pages import ROOT, codes
from tests.stories.test_cost import EXPIRED, PAID
from workflows.policies import BOOKS_QUEUE, COURIER_QUEUE, QUEUE

PAGE = "docs/operations/kubernetes.md"
TEXT = (ROOT / PAGE).read_text()
DOCUMENTS: list[dict[str, Any]] = [
    document for block in codes(PAGE, "yaml") for document in yaml.safe_load_all(block)
]
OBJECTS = {(each["kind"], each["metadata"]["name"]): each for each in DOCUMENTS if "kind" in each}
PODS = {name: each for (kind, name), each in OBJECTS.items() if kind in {"Deployment", "Job"}}
(CHART,) = [each for each in DOCUMENTS if "kind" not in each]
LIKE = {"paysaga-api": "api-1", "paysaga-worker": "worker-1", "paysaga-migrate": "migrate"}


def spec(name: str) -> dict[str, Any]:
    found: dict[str, Any] = PODS[name]["spec"]["template"]["spec"]
    return found


def container(name: str) -> dict[str, Any]:
    (only,) = spec(name)["containers"]
    return dict(only)


def said(name: str) -> dict[str, str]:
    """A container's environment, with what the ConfigMap adds."""
    own = {each["name"]: each["value"] for each in container(name).get("env", [])}
    shared = [each["configMapRef"]["name"] for each in container(name).get("envFrom", [])]
    maps: list[dict[str, str]] = [OBJECTS["ConfigMap", each]["data"] for each in shared]
    return {key: value for each in maps for key, value in each.items()} | own


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_what_the_container_on_one_machine_runs(name: str) -> None:
    here, there = container(name), SERVICES[LIKE[name]]
    assert here["command"] == there["command"]
    assert said(name).keys() <= SETTINGS
    on_volumes = {"PAYSAGA_AUDIT_CHECKPOINTS_FILE", "PAYSAGA_HISTORIES_DIR"}
    required = {key for key in there["environment"] if there["environment"][key] is not None}
    assert required - said(name).keys() <= on_volumes


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_more_rights_than_it_needs_and_its_secrets_as_files(name: str) -> None:
    shut = container(name)["securityContext"]
    assert shut["runAsNonRoot"]
    assert f"--uid {shut['runAsUser']} " in (ROOT / "Dockerfile").read_text()
    assert shut["readOnlyRootFilesystem"]
    assert shut["capabilities"] == {"drop": ["ALL"]}
    assert shut["allowPrivilegeEscalation"] is False
    assert spec(name)["automountServiceAccountToken"] is False
    mounts = {mount["mountPath"]: mount["name"] for mount in container(name)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec(name)["volumes"]}
    assert "secret" in volumes[mounts[said(name)["PAYSAGA_SECRETS_DIR"]]]
    assert "limits" in container(name)["resources"]


def test_only_migrations_get_the_owners_secret() -> None:
    secrets = {name: spec(name)["volumes"][0]["secret"]["secretName"] for name in PODS}
    assert secrets == {
        "paysaga-api": "paysaga",
        "paysaga-worker": "paysaga",
        "paysaga-migrate": "paysaga-migrations",
    }
    (made,) = re.findall(r"generic paysaga-migrations --from-file=secrets/(\w+)", TEXT)
    assert made in COMPOSE["secrets"]


def probes(name: str) -> Iterator[tuple[str, str]]:
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        if kind in container(name):
            asked = container(name)[kind]["httpGet"]
            yield asked["path"], asked["port"]


def test_an_orderly_pod_is_not_taken_out_because_something_else_is_away() -> None:
    assert set(probes("paysaga-api")) == {("/livez", "http")}
    assert set(probes("paysaga-worker")) == {("/livez", "metrics")}
    assert container("paysaga-api")["ports"] == [
        {"name": "http", "containerPort": Settings.model_fields["port"].default}
    ]
    (metrics,) = container("paysaga-worker")["ports"]
    assert str(metrics["containerPort"]) == said("paysaga-worker")["PAYSAGA_METRICS_PORT"]


def test_whatever_selects_pods_finds_them() -> None:
    labels = [pod["spec"]["template"]["metadata"]["labels"] for pod in PODS.values()]
    for (kind, _), each in OBJECTS.items():
        selector = each["spec"].get("selector") if "spec" in each else None
        if selector:
            assert (selector if kind == "Service" else selector["matchLabels"]) in labels
    target = OBJECTS["ScaledObject", "paysaga-worker"]["spec"]["scaleTargetRef"]["name"]
    assert ("Deployment", target) in OBJECTS
    for name in ("paysaga-api", "paysaga-worker"):
        assert ("PodDisruptionBudget", name) in OBJECTS


def test_workers_are_scaled_by_queues_that_there_are() -> None:
    triggers = [each["metadata"] for each in OBJECTS["ScaledObject", "paysaga-worker"]["spec"]["triggers"]]
    assert [each["taskQueue"] for each in triggers] == [QUEUE, COURIER_QUEUE]
    assert {each["namespace"] for each in triggers} == {NAMESPACE}
    assert {each["endpoint"] for each in triggers} == {said("paysaga-api")["PAYSAGA_TEMPORAL_ADDRESS"]}
    assert f"`{BOOKS_QUEUE}`" in TEXT


def test_temporal_is_set_up_as_on_one_machine() -> None:
    server = CHART["server"]
    # How many partitions a task queue has is what differs.
    alone = config("temporal/dynamicconfig.yaml").items()
    assert server["dynamicConfig"] == {name: said for name, said in alone if "Partitions" not in name}
    persistence = server["config"]["persistence"]
    assert str(persistence["numHistoryShards"]) == SERVICES["temporal"]["environment"]["NUM_HISTORY_SHARDS"]
    stores = persistence["datastores"]
    named = {persistence["defaultStore"]: "temporal", persistence["visibilityStore"]: "temporal_visibility"}
    assert {name: store["sql"]["databaseName"] for name, store in stores.items()} == named
    assert not [store for store in stores.values() if "password" in store["sql"]]
    assert SERVICES["temporal-namespace"]["image"] in TEXT
    pods = sum(server[part]["replicaCount"] for part in ("frontend", "history", "matching", "worker"))
    connections = sum(store["sql"]["maxConns"] for store in stores.values())
    assert f"are {pods * connections} at the most" in TEXT


def test_what_a_million_payments_take_is_what_the_counting_test_found() -> None:
    figures = {
        "events in Temporal, the payment's own": PAID.events,
        "… of the courier's two rounds": PAID.courier_events,
        "workflow tasks, both": PAID.workflow_tasks + PAID.courier_tasks,
        "statements in PostgreSQL": PAID.statements,
        "commits": PAID.commits,
        "… that wait for the disk": PAID.writes,
    }
    for what, number in figures.items():
        assert f"| {what} | {number} | {number} million |" in TEXT
    expired = (
        f"{EXPIRED.events} events, {EXPIRED.courier_events}, {EXPIRED.workflow_tasks + EXPIRED.courier_tasks}"
        f" workflow tasks, {EXPIRED.statements} statements and {EXPIRED.commits} commits,"
        f" {EXPIRED.writes} of which wait"
    )
    assert expired in TEXT
    sealed = re.search(
        r"history grows from .*? to ([\d.]+) KB", (ROOT / "docs/operations/temporal-payloads.md").read_text()
    )
    assert sealed
    assert f"{sealed[1]} KB" in TEXT
