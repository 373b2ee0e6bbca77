"""Settings refuse what would be unsafe, and no log line shows a secret."""

import base64
import json
import logging

import pytest
import structlog
from pydantic import ValidationError

from settings import Settings, configure_logging, redact

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


@pytest.mark.parametrize("keys", ["", "not base64", base64.b64encode(bytes(16)).decode()])
def test_keys_are_32_bytes(keys: str) -> None:
    with pytest.raises(ValidationError):
        settings(vault_keys=keys)


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
