"""Everything that differs between two installations, read once from ``PAYSAGA_*`` by the roots.

Also how to log: what every root needs before it can do anything.
"""

import base64
import logging
import re
from collections.abc import MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import structlog
from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# Secrets that ship with the source. Handy on a laptop, refused in production.
DEVELOPMENT_MARK = "development"


class Settings(BaseSettings):
    """Settings of one process. Secrets are ``SecretStr`` so that no repr and no log can show them."""

    model_config = SettingsConfigDict(
        env_prefix="PAYSAGA_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    env: Literal["development", "production"] = "production"

    database_url: SecretStr
    """The runtime role: neither owner nor superuser, so that row-level security binds it."""
    database_pool: Annotated[int, Field(ge=1, le=200)] = 10
    migration_database_url: SecretStr | None = None
    """The owner of the schema. Only migrations use it."""

    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    hold_patches: bool = False
    """For workers of a new release while older ones still run: do as they do, so that either may go on where
    the other was."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    public_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8000")

    admin_key: SecretStr
    signing_keys: Annotated[tuple[SecretStr, ...], NoDecode]
    """Ed25519 seeds, base64; the first signs, all of them verify. Comma-separated in the environment."""
    audit_keys: Annotated[tuple[SecretStr, ...], NoDecode]
    """Ed25519 seeds, base64, for checkpoints of the audit trail and for proof bundles: the first signs, all
    of them verify. Apart from ``signing_keys``, and kept as long as what they signed must be believed."""
    audit_checkpoints_file: Path | None = None
    """Where the worker appends each checkpoint. On another disk it shows when a trail's end is cut off."""
    vault_keys: Annotated[tuple[SecretStr, ...], NoDecode]
    """AES-256 keys, base64; the first encrypts, all of them decrypt. Comma-separated."""
    token_life: timedelta = timedelta(hours=24)

    sandbox_url: AnyHttpUrl | None = None
    sandbox_platform_key: SecretStr | None = None
    """Lets us derive each sandbox tenant's ready-made provider account."""
    provider_api_base_allowed: bool = True
    """Whether tenants may point a provider account at a test server (`apiBase`)."""

    time_scale: Annotated[float, Field(ge=1, le=1_000_000)] = 1
    """Divides every business delay, for demonstrations and tests."""

    log_format: Literal["json", "console"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("signing_keys", "audit_keys", "vault_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value

    @field_validator("signing_keys", "audit_keys", "vault_keys")
    @classmethod
    def _are_32_bytes(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not keys:
            raise ValueError("at least one key is needed")
        for key in keys:
            if len(base64.b64decode(key.get_secret_value(), validate=True)) != 32:
                raise ValueError("each key is 32 bytes, base64-encoded")
        return keys

    @model_validator(mode="after")
    def _production_keeps_its_secrets(self) -> Self:
        if self.env == "production":
            if DEVELOPMENT_MARK in self.admin_key.get_secret_value():
                raise ValueError("PAYSAGA_ADMIN_KEY is a development secret; make your own for production")
            if len(self.admin_key.get_secret_value()) < 32:
                raise ValueError("PAYSAGA_ADMIN_KEY needs at least 32 characters in production")
        return self

    @property
    def development(self) -> bool:
        return self.env == "development"

    @property
    def base_url(self) -> str:
        """Where the world finds us, without a slash at the end."""
        return str(self.public_url).rstrip("/")

    @property
    def api_bases(self) -> dict[str, str]:
        """Where providers are, by name, when it is this installation that decides."""
        return {} if self.sandbox_url is None else {"sandbox": str(self.sandbox_url)}


def key_bytes(keys: tuple[SecretStr, ...]) -> list[bytes]:
    """The raw keys behind a setting, first the one in use."""
    return [base64.b64decode(key.get_secret_value()) for key in keys]


# --- Logging --------------------------------------------------------------------------------------

_SECRET_SHAPED = re.compile(
    r"whsec_[\w+/=-]+|pss_[\w-]+|[rs]k_\w+|adm_[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]+|(?<=://)[^/@\s:]+:[^@\s]+(?=@)"
)
_CARD_SHAPED = re.compile(r"(?<![\w.:-])\d(?:[ -]?\d){12,18}(?![\w.:-])")


def redact(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out whatever looks like a secret or a card number, wherever in the line it stands."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = _CARD_SHAPED.sub("[digits]", _SECRET_SHAPED.sub("[secret]", value))
    return line


def configure_logging(settings: Settings) -> None:
    """One JSON object a line on stderr, the standard library's loggers included."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    lines: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, lines],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    # An SDK writes whole requests at DEBUG, payers' addresses among them.
    for chatty in ("httpx", "httpcore", "uvicorn.access", "dodopayments"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
