"""A secret is blotted out of every log line, whatever its shape and whoever's logger it came through."""

import base64
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import structlog
from pydantic import ValidationError

from logs import configure_logging
from settings import Settings

PASSWORD = "p-4_Xz/9+kQw7vB2"
ADMIN = "an+operators/own=words-of-32-letters-and-more"
SEED = base64.b64encode(bytes(range(200, 232))).decode()
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
APP_SECRET = "pss_01m7yj46kbt3g4xq2afhndge4t_E1RDmm7DrUkHjELqYOJNaa472HHqM4UeX1aJvMs1zVM"
API_KEY = "sk_sandbox_acc_1_0123456789abcdef"
TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ0ZW5fMSJ9.c2lnbmF0dXJl"
CARD = "4242 4242 4242 4242"
TOLD = {
    "database_url": f"postgresql://paysaga_runtime:{quote(PASSWORD, safe='')}@localhost/paysaga",
    "admin_key": ADMIN,
    "signing_keys": SEED,
    "audit_keys": SEED,
    "vault_keys": SEED,
    "payload_keys": SEED,
    "log_level": "DEBUG",
}


@dataclass
class Held:
    """Something of somebody's, whose repr tells everything."""

    key: str


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Where the log of a process goes that was told all this."""
    root, written = logging.getLogger(), io.StringIO()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging(Settings.model_validate(TOLD))
    yield written
    logging.captureWarnings(capture=False)
    root.handlers, root.level = before, level
    structlog.reset_defaults()


SHAPES: dict[str, Callable[[str], object]] = {
    "a text": lambda secret: secret,
    "within a sentence": lambda secret: f'it said "{secret}", twice: {secret}',
    "nested": lambda secret: {"outer": [{"inner": ({"deep": secret},)}]},
    "a name in a mapping": lambda secret: {secret: 1},
    "bytes": lambda secret: secret.encode(),
    "a header": lambda secret: [(b"x-whatever", secret.encode())],
    "a set": lambda secret: {secret},
    "json in json": lambda secret: json.dumps({"body": json.dumps({"v": secret})}),
    "an error": lambda secret: ValueError(f"bad value {secret!r}"),
    "an object": Held,
    "an address": lambda secret: f"https://user:{secret}@host.example/path?token={secret}&x=1",
    "very deep": lambda secret: [[[[[[[[[[[[secret]]]]]]]]]]]],
}
SECRETS = [WHSEC, APP_SECRET, API_KEY, TOKEN, ADMIN, SEED, PASSWORD, CARD, CARD.replace(" ", "")]


def said(lines: io.StringIO) -> str:
    text = lines.getvalue()
    assert text
    assert all(json.loads(line) for line in text.splitlines())
    return text


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_shape_hides_a_secret(lines: io.StringIO, secret: str, shape: str) -> None:
    structlog.get_logger("ours").info("told", what=SHAPES[shape](secret))
    assert secret not in said(lines)


def fail(secret: str) -> None:
    try:
        int(f"not a number: {secret}")
    except ValueError as cause:
        raise RuntimeError({"credentials": secret}) from cause


@pytest.mark.parametrize("secret", SECRETS)
def test_neither_does_a_traceback(lines: io.StringIO, secret: str) -> None:
    try:
        fail(secret)
    except RuntimeError as error:
        error.add_note(f"it was {secret}")
        structlog.get_logger("ours").exception("failed")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
        sys.excepthook(type(error), error, error.__traceback__)
    text = said(lines)
    assert secret not in text
    assert text.count("RuntimeError") >= 3


@pytest.mark.parametrize(
    "logger", ["uvicorn.error", "asyncio", "sqlalchemy.pool", "temporalio.activity", "py.warnings", "stripe"]
)
@pytest.mark.parametrize("secret", SECRETS)
def test_nor_another_librarys_logger(lines: io.StringIO, logger: str, secret: str) -> None:
    logging.getLogger(logger).error("refused %s as %r", secret, {"header": [secret]}, stack_info=True)
    logging.getLogger(logger).warning({"all": secret})
    assert secret not in said(lines)


@pytest.mark.parametrize(
    "name", ["password", "appSecret", "api_key", "Authorization", "cookie", "X-Admin-Key", "checkoutToken"]
)
def test_what_has_a_secrets_name_is_not_shown_whatever_it_looks_like(lines: io.StringIO, name: str) -> None:
    structlog.get_logger("ours").info("told", **{name: "plain"}, request={"headers": {name: "plain"}})
    assert "plain" not in said(lines)


@pytest.mark.parametrize(
    "spelt",
    [
        quote(PASSWORD, safe=""),
        PASSWORD.encode().hex(),
        base64.b64encode(ADMIN.encode()).decode(),
        bytes(range(200, 232)).hex(),
        quote(SEED, safe=""),
    ],
)
def test_this_process_own_secrets_are_known_by_heart_however_they_are_spelt(
    lines: io.StringIO, spelt: str
) -> None:
    structlog.get_logger("ours").info("told", what=f"…{spelt}…")
    assert spelt not in said(lines)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_warning_is_a_line_like_any_other(lines: io.StringIO, secret: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"deprecated: {secret}", stacklevel=1)
        logging.captureWarnings(capture=False)
    assert secret not in said(lines)


def test_libraries_do_not_write_down_requests_and_rows() -> None:
    for chatty in ("httpx", "httpcore", "sqlalchemy.engine.Engine", "asyncpg", "stripe", "dodopayments"):
        assert not logging.getLogger(chatty).isEnabledFor(logging.DEBUG)


def test_what_tells_one_thing_from_another_stays_readable(lines: io.StringIO) -> None:
    facts = {
        "payment_id": "pay_01m7yj5yq7h8ncgc1s1we8v6ph",
        "workflow_id": "payment:ten_01m7yj5yq7h8ncgc1s1we8v6ph:pay_01m7yj5yq7h8ncgc1s1we8v6ph",
        "amount": 1_000_000_000,
        "idempotency_key": "order-456",
        "key_id": "a1b2c3",
        "at": "2026-01-02T03:04:05.678901Z",
        "where": ["/app/api/payments.py:120 create_payment"],
        "failures": 3,
        "address": "127.0.0.1:7233",
    }
    structlog.get_logger("ours").info("told", **facts)
    (line,) = said(lines).splitlines()
    assert json.loads(line) | facts == json.loads(line)


@pytest.mark.parametrize("wrong", [{"admin_key": "short"}, {"vault_keys": ADMIN}, {"port": 0}])
def test_settings_that_are_refused_are_not_repeated(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings.model_validate(TOLD | wrong)
    assert not any(secret in str(refusal.value) for secret in (ADMIN, SEED, PASSWORD, "short"))
