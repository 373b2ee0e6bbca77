"""Settings refuse what would be unsafe, and no log line shows a secret."""

import base64
import json
import logging
import os
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError

from domain.limits import Rate, Scope
from logs import configure_logging, redact
from settings import Settings, read, told

KEY = base64.b64encode(bytes(32)).decode()
SOUND = {
    "database_url": "postgresql://paysaga_runtime:pw@localhost/paysaga",
    "admin_key": "adm_" + "x" * 40,
    "signing_keys": KEY,
    "audit_keys": KEY,
    "vault_keys": KEY,
    "payload_keys": KEY,
}


def settings(**changes: object) -> Settings:
    return Settings.model_validate(SOUND | changes)


def test_an_installation_is_production_unless_it_says_otherwise() -> None:
    assert not settings().development
    assert settings(env="development").development


@pytest.mark.parametrize("key", ["short", "development-" + "x" * 40])
def test_production_does_not_start_on_a_weak_or_a_development_secret(key: str) -> None:
    with pytest.raises(ValidationError, match="PAYSAGA_ADMIN_KEY"):
        settings(admin_key=key)
    assert settings(admin_key=key, env="development").development


@pytest.mark.parametrize("key", ["short", "development-" + "x" * 40])
def test_an_admin_key_that_is_on_its_way_out_is_held_to_the_same(key: str) -> None:
    with pytest.raises(ValidationError, match="PAYSAGA_ADMIN_KEY"):
        settings(previous_admin_key=key)
    before = "adm_" + "y" * 40
    found = [each.get_secret_value() for each in settings(previous_admin_key=before).admin_keys]
    assert found == [SOUND["admin_key"], before]
    assert len(settings(previous_admin_key="").admin_keys) == 1


@pytest.mark.parametrize("keys", ["", "not base64", base64.b64encode(bytes(16)).decode()])
def test_keys_are_32_bytes(keys: str) -> None:
    with pytest.raises(ValidationError):
        settings(vault_keys=keys)


def test_limits_are_on_unless_they_are_set_to_something_else() -> None:
    assert (settings().tenant_rate, settings().login_rate) == (
        Rate(most=200, seconds=2),
        Rate(most=10, seconds=60),
    )
    assert settings(env="development").rates == settings().rates
    assert settings(login_rate="3/5 minutes").rates[Scope.LOGIN] == Rate(most=3, seconds=300)


@pytest.mark.parametrize("rate", ["", "many", "0/minute", "10", "-1/minute", "10/day"])
def test_what_is_no_limit_is_refused(rate: str) -> None:
    with pytest.raises(ValidationError):
        settings(tenant_rate=rate)


@pytest.mark.parametrize("proxies", ["*", "proxy.example.com", "10.1.2.3/8", "10.0.0.0/8;10.1.1.1"])
def test_nobody_is_trusted_by_mistake(proxies: str) -> None:
    assert settings().trusted_proxies == ()
    assert settings(trusted_proxies="10.0.0.0/8,::1").trusted_proxies == ("10.0.0.0/8", "::1")
    with pytest.raises(ValidationError):
        settings(trusted_proxies=proxies)


def test_production_does_not_start_where_temporal_could_read_payments() -> None:
    with pytest.raises(ValidationError, match="PAYSAGA_PAYLOAD_KEYS"):
        settings(payload_keys="")
    assert settings(payload_keys="", env="development").payload_keys == ()
    with pytest.raises(ValidationError, match="PAYSAGA_PLAIN_PAYLOADS_ALLOWED"):
        settings(payload_keys="", env="development", plain_payloads_allowed=False)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        (None, None),
        ("http://127.0.0.1:8233", "http://127.0.0.1:8233"),
        ("https://Temporal.example.com/ui/", "https://temporal.example.com"),
        ("https://temporal.example.com:443", "https://temporal.example.com"),
    ],
)
def test_a_page_of_temporals_ui_is_known_by_its_origin(url: str | None, origin: str | None) -> None:
    assert settings(temporal_ui_url=url).temporal_ui == origin


def test_no_setting_shows_its_secret() -> None:
    assert not any(secret in repr(settings()) for secret in (KEY, "pw@", "adm_x"))


# --- Who wraps keys -------------------------------------------------------------------------------


VAULT = {"transit_address": "https://vault.example.com", "transit_token_file": "/run/vault/token"}


def test_local_keys_wrap_unless_there_is_a_vault_and_either_may_be_told_to() -> None:
    assert settings().wraps == "local"
    assert settings(**VAULT).wraps == "transit"
    assert settings(vault_keys="", **VAULT).wraps == "transit"
    assert settings(key_provider="local", **VAULT).wraps == "local"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vault_keys": ""}, "PAYSAGA_VAULT_KEYS"),
        ({"key_provider": "transit"}, "PAYSAGA_TRANSIT_ADDRESS"),
        (VAULT | {"vault_keys": "", "key_provider": "local"}, "PAYSAGA_VAULT_KEYS"),
        (VAULT | {"transit_token_file": None}, "PAYSAGA_TRANSIT_TOKEN_FILE"),
        (VAULT | {"transit_role_id": "r", "transit_secret_id": "s"}, "either PAYSAGA_TRANSIT_TOKEN_FILE"),
        (VAULT | {"transit_address": "http://vault.example.com"}, "https"),
        (VAULT | {"transit_keys": "../sys/seal"}, "transit_keys"),
        (VAULT | {"transit_mount": "a?b"}, "transit_mount"),
    ],
)
def test_what_would_not_work_with_a_vault_is_refused_at_the_start(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**changes)


# --- Secrets from files ---------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds every secret of a sound installation, whose environment holds none."""
    for name in list(os.environ):
        if name.startswith("PAYSAGA_"):
            monkeypatch.delenv(name)
    for name, value in SOUND.items():
        (tmp_path / f"paysaga_{name}").write_text(f"{value}\n")
    monkeypatch.setenv("PAYSAGA_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_every_secret_may_be_a_file_and_the_environment_comes_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = base64.b64encode(bytes([7]) * 32).decode()
    (folder / "paysaga_vault_keys").write_text(f"{KEY}\n{other}\n")
    (folder / "paysaga_data_key_life").write_text("PT1M")
    found = read(Settings)
    assert found.admin_key.get_secret_value() == SOUND["admin_key"]
    assert [key.get_secret_value() for key in found.vault_keys] == [KEY, other]
    assert found.data_key_life == timedelta(minutes=1)
    monkeypatch.setenv("PAYSAGA_ADMIN_KEY", "adm_" + "y" * 40)
    assert read(Settings).admin_key.get_secret_value() == "adm_" + "y" * 40


def test_an_empty_file_sets_nothing(folder: Path) -> None:
    (folder / "paysaga_redis_url").write_text("\n")
    (folder / "paysaga_previous_admin_key").touch()
    found = read(Settings)
    assert found.redis_url is None
    assert len(found.admin_keys) == 1
    assert told("redis_url") is None


def test_commands_that_need_one_setting_find_it_in_its_file_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told("database_url") == SOUND["database_url"]
    monkeypatch.setenv("PAYSAGA_DATABASE_URL", "postgresql://elsewhere")
    assert told("database_url") == "postgresql://elsewhere"
    assert told("migration_database_url") is None
    (folder / "paysaga_database_url").chmod(0o646)
    with pytest.raises(SystemExit):
        told("database_url")


def test_files_are_found_the_way_kubernetes_lays_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = folder / "mounted"
    (mounted / "..2026").mkdir(parents=True)
    (mounted / "..data").symlink_to("..2026")
    for name in SOUND:
        (folder / f"paysaga_{name}").rename(mounted / "..2026" / f"paysaga_{name}")
        (mounted / f"paysaga_{name}").symlink_to(f"..data/paysaga_{name}")
    monkeypatch.setenv("PAYSAGA_SECRETS_DIR", str(mounted))
    assert read(Settings).admin_key.get_secret_value() == SOUND["admin_key"]


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        read(Settings)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_what_is_wrong_with_a_file_is_said_without_its_content(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "paysaga_admin_key").unlink()
    (folder / "paysaga_vault_keys").write_text("c2VjcmV0IGJ1dCBzaG9ydA==")
    said = refusal(capsys)
    assert f"PAYSAGA_ADMIN_KEY is not set, and there is no {folder}/paysaga_admin_key" in said
    assert "PAYSAGA_VAULT_KEYS: Value error, each key is 32 bytes" in said
    assert not any(secret in said for secret in ("c2Vjc", "secret but", "pw", KEY))
    (folder / "paysaga_vault_keys").chmod(0o646)
    assert "everybody may write" in refusal(capsys)
    (folder / "paysaga_vault_keys").unlink()
    (folder / "paysaga_vault_keys").symlink_to("nowhere")
    assert "cannot be read" in refusal(capsys)
    monkeypatch.setenv("PAYSAGA_SECRETS_DIR", str(folder / "missing"))
    assert "there is no folder" in refusal(capsys)


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "pss_01m7yj46kbt3g4xq2afhndge4t_E1RDmm7DrUkHjELqYOJNaa472HHqM4UeX1aJvMs1zVM",
        "sk_sandbox_acc_1_0123456789abcdef",
        "rk_live_0123456789abcdef",
        "adm_57fOH2UXG6vcH-UOiQ-MShAaU26sYEV7ELOVYhx2npI",
        "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ0ZW5fMSJ9.c2lnbmF0dXJl",
        "4242 4242 4242 4242",
        "4242424242424242",
    ],
)
def test_what_looks_like_a_secret_is_blotted_out_wherever_it_stands(secret: str) -> None:
    line = redact(None, "info", {"event": f"it said {secret} to us", "reason": secret})
    assert secret not in json.dumps(line)


def test_ids_and_amounts_stay_readable() -> None:
    line = {"event": "settled", "payment_id": "pay_01m7yj5yq7h8ncgc1s1we8v6ph", "amount": 1990000}
    assert redact(None, "info", dict(line)) == line


def test_a_log_line_is_one_json_object_with_the_request_it_belongs_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    try:
        configure_logging(settings())
        with structlog.contextvars.bound_contextvars(request_id="req-1"):
            structlog.get_logger("a story").warning("told", secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            logging.getLogger("somebody else's").warning("postgresql://u:pw@host/db")
        ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
        assert (ours["event"], ours["request_id"], ours["secret"]) == ("told", "req-1", "[secret]")
        assert (theirs["request_id"], "pw" in theirs["event"]) == ("req-1", False)
    finally:
        root.handlers = before
        structlog.reset_defaults()
