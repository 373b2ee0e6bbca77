"""The sketch of an installation: images, networks, variables and roles are those of the code."""

import json
import re
from typing import Any

import pytest
import yaml

from local.plan import DYNAMIC_CONFIG, SEARCH_ATTRIBUTES
from local.roles import ATTRIBUTES
from tests.docs.pages import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {"temporal-schema", "temporal-namespace", "migrate"}


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_pinned_or_built_here(service: str) -> None:
    facts = SERVICES[service]
    assert facts.get("build") == "." or re.search(r":\d+\.\d+(\.\d+)?(-\w+)?$", facts["image"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_waits_for_what_it_needs(service: str) -> None:
    for other, wait in SERVICES[service].get("depends_on", {}).items():
        healthy = "healthcheck" in SERVICES[other]
        expected = "service_completed_successfully" if other in JOBS else "service_healthy"
        assert wait == {"condition": expected}
        assert healthy or other in JOBS


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_stays_inside_or_is_published_to_this_machine_only(service: str) -> None:
    facts = SERVICES[service]
    ports = facts.get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not ports or "outside" in facts["networks"]
    assert not {":7233", ":5432"} & {port[-5:] for port in ports}


def test_what_is_mounted_exists_and_what_is_named_is_declared() -> None:
    for facts in SERVICES.values():
        for mount in facts.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"]
        assert set(facts["networks"]) <= set(COMPOSE["networks"])


def test_the_example_names_every_variable_and_no_other() -> None:
    text = re.sub("^ *#.*$", "", (ROOT / "docker-compose.yml").read_text(), flags=re.MULTILINE)
    used = set(re.findall(r"\$\{(\w+)", text)) | set(re.findall(r"^  (\w+):$", text, re.MULTILINE))
    used -= set(SERVICES) | set(COMPOSE["networks"]) | set(COMPOSE["volumes"])
    known = set(re.findall(r"^#?(\w+)=", (ROOT / "deploy/example.env").read_text(), re.MULTILINE))
    assert used == known


def test_only_migrations_know_the_owner() -> None:
    owner = "PAYSAGA_OWNER_PASSWORD"
    knowing = {service for service, facts in SERVICES.items() if owner in str(facts.get("environment"))}
    assert knowing == {"postgres", "migrate"}


def test_the_image_holds_what_our_services_run() -> None:
    allowed = set(re.findall("^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert all((ROOT / entry).exists() for entry in allowed)
    modules = {facts["command"][2] for facts in SERVICES.values() if facts.get("build")}
    assert all(module in allowed or f"{module}.py" in allowed for module in modules)


def test_roles_are_those_of_the_development_platform() -> None:
    sql = (ROOT / "deploy/postgres/roles.sql").read_text()
    for role, attributes in ATTRIBUTES.items():
        assert f"CREATE ROLE {role} {attributes}" in sql


def test_temporal_is_set_up_as_on_the_development_platform() -> None:
    script = (ROOT / "deploy/temporal/namespace.sh").read_text()
    registered = [f"{key}={kind}" for key, kind in re.findall(r"--name (\w+) --type (\w+)", script)]
    assert registered == list(SEARCH_ATTRIBUTES)
    settings = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text())
    said = [f"{key}={json.dumps(values[0]['value'])}" for key, values in settings.items()]
    assert said == list(DYNAMIC_CONFIG)
