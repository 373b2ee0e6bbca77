"""The installation on one machine: images, networks, secrets, settings and roles are those of the code."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.plan import DYNAMIC_CONFIG, SEARCH_ATTRIBUTES
from local.roles import ATTRIBUTES
from settings import Settings, read
from tests.deploy.compose import RAW, TEXT, composed
from tests.docs.pages import ROOT

SECRETS_DIR = "/run/secrets"
COMPOSE: dict[str, Any] = composed({"PAYSAGA_PUBLIC_URL": "https://pay.example.com"})
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {"temporal-schema", "temporal-namespace", "migrate"}
OURS = {service for service, facts in SERVICES.items() if facts.get("build")}
SETTINGS = {f"PAYSAGA_{name}".upper() for name in Settings.model_fields} | {"PAYSAGA_SECRETS_DIR"}
# It writes its configuration beside itself when it starts.
WRITES_WHERE_IT_IS = {"temporal-ui"}


def config(file: str) -> Any:
    return yaml.safe_load((ROOT / "deploy" / file).read_text())


def words(service: str) -> str:
    facts = SERVICES[service]
    return json.dumps([facts.get(part) for part in ("environment", "command", "entrypoint")])


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The secrets of a new installation."""
    folder = tmp_path / "secrets"
    subprocess.run(["sh", ROOT / "deploy/secrets.sh", folder], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_pinned_or_built_here(service: str) -> None:
    facts = SERVICES[service]
    assert facts.get("build") == "." or re.search(r":v?\d+\.\d+\.?\d*(-\w+)?$", facts["image"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_comes_back_is_watched_and_bounded(service: str) -> None:
    facts = SERVICES[service]
    assert facts["restart"] == ("on-failure:5" if service in JOBS else "unless-stopped")
    assert ("healthcheck" in facts) is (service not in JOBS)
    assert {"cpus", "memory"} <= facts["deploy"]["resources"]["limits"].keys()
    assert facts["logging"]["options"].keys() == {"max-size", "max-file"}


def test_the_page_says_how_much_all_of_them_may_take() -> None:
    def sums(which: str) -> tuple[float, float]:
        asked = [
            facts["deploy"]["resources"].get(which, {})
            for service, facts in SERVICES.items()
            if service not in JOBS | {"sandbox"}
        ]
        return (
            sum(float(each.get("cpus", 0)) for each in asked),
            sum(gigabytes(each.get("memory", "0M")) for each in asked),
        )

    page = " ".join((ROOT / "docs/operations/containers.md").read_text().split())
    assert "add up to {:.0f} cores and {:.1f} GB, which".format(*sums("limits")) in page
    assert "adds up to {:.0f} cores and {:.1f} GB.".format(*sums("reservations")) in page


def gigabytes(size: str) -> float:
    return float(size[:-1]) / {"M": 1024, "G": 1}[size[-1]]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(service: str) -> None:
    facts = SERVICES[service]
    assert facts["security_opt"] == ["no-new-privileges:true"]
    assert facts["cap_drop"] == ["ALL"]
    assert set(facts.get("cap_add", [])) <= {
        "postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    }.get(service, {"NET_BIND_SERVICE"} if service == "proxy" else set())
    assert facts.get("read_only", False) is (service not in WRITES_WHERE_IT_IS)
    assert all(mount.endswith(":ro") for mount in facts.get("volumes", []) if mount.startswith("."))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_waits_for_what_it_needs(service: str) -> None:
    for other, wait in SERVICES[service].get("depends_on", {}).items():
        if other in JOBS:
            assert wait == {"condition": "service_completed_successfully"}
        else:
            # The proxy looks for itself who answers.
            assert wait == {"condition": "service_started" if service == "proxy" else "service_healthy"}
            assert "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_stays_inside_or_is_published_to_this_machine_only(service: str) -> None:
    facts = SERVICES[service]
    ports = facts.get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not ports or "outside" in facts["networks"]
    assert not {":7233", ":5432"} & {port[-5:] for port in ports}


def test_apis_are_reached_through_the_proxy_alone_and_believe_nobody_else() -> None:
    in_front = {service for service, facts in SERVICES.items() if "front" in facts["networks"]}
    assert in_front == {"proxy", "api-1", "api-2"}
    subnet = COMPOSE["networks"]["front"]["ipam"]["config"][0]["subnet"]
    for api in ("api-1", "api-2"):
        assert "ports" not in SERVICES[api]
        assert SERVICES[api]["environment"]["PAYSAGA_TRUSTED_PROXIES"] == subnet


def test_the_proxy_asks_both_apis_whether_they_live_and_tells_nobody_how_payments_go() -> None:
    proxy = (ROOT / "deploy/proxy/Caddyfile").read_text()
    assert "{$PAYSAGA_APIS:api-1:8000 api-2:8000}" in proxy
    assert "health_uri /livez" in proxy
    assert "header_up X-Forwarded-For {client_ip}" in proxy
    assert "path /metrics /metrics/*" in proxy


def test_there_are_two_of_each_and_they_are_alike() -> None:
    assert SERVICES["api-1"] == SERVICES["api-2"]
    assert SERVICES["worker-1"] == SERVICES["worker-2"]


def test_what_is_mounted_exists_and_what_is_named_is_declared() -> None:
    for facts in SERVICES.values():
        for mount in facts.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"]
        assert set(facts["networks"]) <= set(COMPOSE["networks"])
    used = [facts.get(kind, []) for kind in ("secrets",) for facts in SERVICES.values()]
    assert {name for names in used for name in names} == set(COMPOSE["secrets"])


def test_the_example_names_every_variable_and_no_other() -> None:
    text = re.sub("^ *#.*$", "", TEXT, flags=re.MULTILINE)
    passed_on = [
        name
        for facts in RAW["services"].values()
        for name, value in (facts.get("environment") or {}).items()
        if value is None
    ]
    known = set(re.findall(r"^#?(\w+)=", (ROOT / "deploy/example.env").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)", text)) | set(passed_on) == known


@pytest.mark.parametrize("service", sorted(OURS))
def test_every_setting_and_every_secret_of_ours_is_one_that_is_read(service: str) -> None:
    facts = SERVICES[service]
    said = {name for name in facts["environment"] if name.startswith("PAYSAGA_")}
    assert said | {name.upper() for name in facts["secrets"]} <= SETTINGS


# --- Secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_stands_where_the_engine_shows_it(service: str) -> None:
    for name, value in SERVICES[service].get("environment", {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|_KEYS?$|_KEY_|_PWD|_DATABASE_URL|REDIS", name):
            assert value == SECRETS_DIR or value.startswith(f"{SECRETS_DIR}/")
    assert not re.search(r"://[^/\s]*:[^/\s]*@", words(service))


def test_only_migrations_know_the_owner() -> None:
    def knowing(secret: str) -> set[str]:
        return {service for service, facts in SERVICES.items() if secret in facts.get("secrets", [])}

    assert knowing("paysaga_owner_password") == {"postgres"}
    assert knowing("paysaga_migration_database_url") == {"migrate"}
    assert SERVICES["migrate"]["secrets"] == ["paysaga_migration_database_url"]


def test_every_secret_is_made_once_and_only_its_owner_gets_there(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == set(COMPOSE["secrets"])
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o444}
    before = {path.name: path.read_text() for path in made.iterdir()}
    empty = {name for name, text in before.items() if not text}
    assert empty == {"paysaga_previous_admin_key", "paysaga_redis_url", "paysaga_sandbox_platform_key"}
    (made / "paysaga_vault_keys").unlink()
    subprocess.run(["sh", ROOT / "deploy/secrets.sh", made, "sandbox"], check=True, capture_output=True)
    after = {path.name: path.read_text() for path in made.iterdir()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"paysaga_vault_keys", "paysaga_sandbox_platform_key"}


def test_the_secrets_that_are_made_are_ones_to_start_on(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = SERVICES["api-1"]
    for name, value in api["environment"].items():
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PAYSAGA_SECRETS_DIR", str(made))
    settings = read(Settings)
    assert settings.env == "production"
    assert settings.database_url.get_secret_value().endswith("@postgres:5432/paysaga")
    assert settings.redis_url is None


@pytest.mark.parametrize("script", sorted((ROOT / "deploy").rglob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_one(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True)


# --- What runs beside ours ------------------------------------------------------------------------


def test_prometheus_asks_what_is_there() -> None:
    scraped = {
        job["job_name"]: [target for each in job["static_configs"] for target in each["targets"]]
        for job in config("prometheus/prometheus.yml")["scrape_configs"]
    }
    metrics = SERVICES["worker-1"]["environment"]["PAYSAGA_METRICS_PORT"]
    temporal = SERVICES["temporal"]["environment"]["PROMETHEUS_ENDPOINT"].split(":")[1]
    assert scraped == {
        "paysaga-api": ["api-1:8000", "api-2:8000"],
        "paysaga-worker": [f"worker-1:{metrics}", f"worker-2:{metrics}"],
        "temporal": [f"temporal:{temporal}"],
    }


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_prometheus_understands_what_it_is_told() -> None:
    file = ROOT / "deploy/prometheus/prometheus.yml"
    checked = subprocess.run(
        ["promtool", "check", "config", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    (source,) = config("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = config("grafana/provisioning/dashboards/paysaga.yml")["providers"]
    mounted = {mount.split(":")[1]: mount.split(":")[0] for mount in SERVICES["grafana"]["volumes"]}
    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"


def test_roles_are_those_of_the_development_platform() -> None:
    sql = (ROOT / "deploy/postgres/roles.sql").read_text()
    for role, attributes in ATTRIBUTES.items():
        assert f"CREATE ROLE {role} {attributes}" in sql
    read_there = set(re.findall(r"/run/secrets}/(\w+)\"", sql))
    assert read_there | {"postgres_password"} == set(SERVICES["postgres"]["secrets"])


def test_temporal_is_set_up_as_on_the_development_platform() -> None:
    script = (ROOT / "deploy/temporal/namespace.sh").read_text()
    registered = [f"{key}={kind}" for key, kind in re.findall(r"--name (\w+) --type (\w+)", script)]
    assert registered == list(SEARCH_ATTRIBUTES)
    said = [
        f"{key}={json.dumps(values[0]['value'])}"
        for key, values in config("temporal/dynamicconfig.yaml").items()
    ]
    assert said == list(DYNAMIC_CONFIG)
