"""The documents say what is so: codes, links, folders, commands and examples."""

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # it comes with pre-commit, its types do not

from domain.delivery import BACKOFF
from domain.errors import Refusal
from domain.payment import TRANSITIONS
from domain.signatures import new_secret, sign
from local.plan import DYNAMIC_CONFIG, SEARCH_ATTRIBUTES
from local.roles import ATTRIBUTES
from tests.house import House

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ADRS = sorted(ROOT.glob("docs/adr/*.md"))
# The only strangers a document may send its reader to.
HOSTS = {
    "127.0.0.1", "api", "sandbox", "shop.example.com", "pay.example.com", "sandbox.example.com",
    "www.rfc-editor.org", "www.standardwebhooks.com", "keepachangelog.com", "semver.org", "www.apache.org",
}  # fmt: skip
FORBIDDEN = re.compile(
    r"PCI.?complian|exactly.once deliver|blazing|seamless|world.class|cutting.edge"
    r"|(?<![\w.])/(?:home|root|Users)/"
    r"|[\U0001F000-\U0001FAFF\u2705\u274C\u2728\u26A0]",
    re.IGNORECASE,
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: str, language: str) -> list[str]:
    """The code of a page, as a reader would paste it."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


# --- Errors ---------------------------------------------------------------------------------------


def refusals(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    if kind.__module__ == "domain.errors":
        yield kind
    for narrower in kind.__subclasses__():
        yield from refusals(narrower)


def error_sections() -> dict[str, str]:
    _, *sections = re.split(r"^## ", (ROOT / "docs/errors.md").read_text(), flags=re.MULTILINE)
    return {section.partition("\n")[0]: section.partition("\n")[2].strip() for section in sections}


def test_every_code_has_its_section_and_every_section_a_code() -> None:
    assert set(error_sections()) == {kind.code for kind in refusals()}


@pytest.mark.parametrize("kind", list(refusals()), ids=lambda kind: kind.__name__)
def test_a_section_begins_with_status_and_whether_to_retry(kind: type[Refusal]) -> None:
    status, _, retryable = error_sections()[kind.code].partition("\n\n")[0].partition(" · ")
    # Where it depends, the exception stands behind the rule: "retryable, not retryable with …".
    said = [part.partition(" with ")[0] for part in retryable.split(", ")]
    assert status == f"`{kind.status}`"
    assert ("retryable" if kind.retryable else "not retryable") in said
    assert len(said) == len({other.retryable for other in refusals() if other.code == kind.code})


# --- All pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or f"# {anchor}\n" in found.read_text().lower(), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_reader_is_sent_to_no_unexpected_place(page: Path) -> None:
    assert set(re.findall(r"https?://([\w.-]*\w)", page.read_text())) <= HOSTS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_words_stay_plain_and_promise_nothing_we_do_not_keep(page: Path) -> None:
    found = FORBIDDEN.search(page.read_text())
    assert found is None, found


@pytest.mark.parametrize("adr", ADRS, ids=name)
def test_a_decision_is_short_and_says_what_was_rejected(adr: Path) -> None:
    text = adr.read_text()
    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {int(adr.name[:4])}. ")
    titles = re.findall("^## (.+)$", text, re.MULTILINE)
    assert titles == ["Context", "Decision", "Rejected", "Consequences"]


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(adr.name[:4]) for adr in ADRS] == list(range(1, len(ADRS) + 1))


def test_the_licence_is_the_whole_one() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.split()) > 1500


# --- README ---------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def test_the_map_names_all_folders_and_no_others() -> None:
    mapped = set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tracked.returncode != 0:
        pytest.skip("this is no checkout, so any folder may lie here")
    present = {path.split("/")[0] for path in tracked.stdout.splitlines() if "/" in path}
    assert mapped == {folder for folder in present if not folder.startswith(".")}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_first_payment_can_be_pasted_into_a_shell(house: House, tmp_path: Path) -> None:
    (commands,) = [block for block in blocks("README.md", "sh") if "ready.json" in block]
    (tmp_path / ".paysaga").symlink_to(house.data_dir)
    # The code decides when the payment is paid; a reader takes longer than the one second of the page.
    patient = commands.replace("sleep 1", "sleep 3")
    done = subprocess.run(
        ["sh", "-eu"], input=patient, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=40
    )
    checkout, payment, check = done.stdout.splitlines()
    assert checkout.startswith(f"{house.ready['sandboxUrl']}/pay/")
    assert json.loads(payment)["status"] == "SUCCEEDED"
    assert json.loads(check)["entitled"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.timeout(150)
@pytest.mark.slow
def test_a_subscriptions_life_can_be_pasted_into_a_shell(house: House, tmp_path: Path) -> None:
    (commands,) = [block for block in blocks("docs/sandbox.md", "sh") if "ready.json" in block]
    (tmp_path / ".paysaga").symlink_to(house.data_dir)
    done = subprocess.run(
        ["sh", "-eu"], input=commands, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    active, owed, healed, *lines = done.stdout.splitlines()
    assert (active, owed, healed) == ("active", "past_due", "active")
    assert '"number": 2,' in done.stdout
    assert len(lines) % 3 == 0


async def test_the_pages_that_problems_point_at_are_served(house: House) -> None:
    problem = (await house.http.get("/v1/tenants/me")).json()
    address, _, anchor = problem["type"].partition("#")
    page = await house.http.get(address)
    assert page.status_code == 200
    assert f'id="{anchor}"' in page.text


# --- Getting started ------------------------------------------------------------------------------


def receiver(*parts: str) -> dict[str, Any]:
    """What a reader has after pasting these blocks of the guide into one file."""
    names: dict[str, Any] = {"__name__": "pasted"}
    for part in parts:
        exec(compile(part, "docs/getting-started.md", "exec"), names)  # noqa: S102 - our own page
    return names


LIBRARY, BY_HAND, SERVER = blocks("docs/getting-started.md", "python")
Read = Callable[[str, dict[str, str], bytes], dict[str, Any]]


def signed(secret: str, body: bytes, *, age_seconds: int = 0) -> dict[str, str]:
    stamp = int(time.time()) - age_seconds
    signature = sign(secret, "evt_1", stamp, body)
    return {"webhook-id": "evt_1", "webhook-timestamp": str(stamp), "webhook-signature": signature}


@pytest.mark.parametrize("code", [LIBRARY, BY_HAND], ids=["library", "by hand"])
def test_the_guides_readers_take_what_is_ours_and_nothing_else(code: str) -> None:
    read: Read = receiver(code)["read"]
    secret, other = new_secret(b"s" * 32), new_secret(b"o" * 32)
    body = '{"type":"payment.succeeded","data":{"userId":"Zoë"}}'.encode()
    assert read(secret, signed(secret, body), body)["type"] == "payment.succeeded"
    two = signed(secret, body)
    two["webhook-signature"] = f"v1,AAAA {two['webhook-signature']}"
    assert read(secret, two, body)
    for headers, content in (
        (signed(other, body), body),
        (signed(secret, body), body + b" "),
        (signed(secret, body, age_seconds=600), body),
        ({}, body),
    ):
        with pytest.raises(Exception):  # noqa: B017, PT011 - the guide says: any
            read(secret, headers, content)


def test_the_guides_server_answers_200_to_us_and_400_to_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler: type[BaseHTTPRequestHandler] = receiver(BY_HAND, SERVER)["Webhooks"]
    secret, body = new_secret(b"s" * 32), b'{"sequence":1,"type":"payment.created","data":{}}'
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        url = f"http://127.0.0.1:{server.server_port}/webhooks"
        with httpx.Client(trust_env=False) as http:
            taken = http.post(url, content=body, headers=signed(secret, body)).status_code
            refused = http.post(url, content=body, headers=signed(secret, b"other")).status_code
        server.shutdown()
        serving.join()
    assert (taken, refused) == (200, 400)
    assert "1 payment.created {}" in capsys.readouterr().out


def test_the_guide_names_the_delays_there_are() -> None:
    units = {"s": 1, "min": 60, "h": 3600}
    (sentence,) = re.findall(
        r"tried again after (.*?) \(", " ".join((ROOT / "docs/getting-started.md").read_text().split())
    )
    delays = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", sentence)]
    assert delays == [int(step.total_seconds()) for step in BACKOFF]


def test_the_table_of_states_names_every_status() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    states = page.partition("## States")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([A-Z_]{6,})`", states)) - {"TRANSITIONS"} == set(TRANSITIONS)


# --- Containers -----------------------------------------------------------------------------------

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
