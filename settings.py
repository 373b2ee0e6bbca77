"""Everything that differs between two installations, read once from ``PAYSAGA_*`` by the roots.

From the environment, else from files of those names, in lower case, in the folder PAYSAGA_SECRETS_DIR.
"""

import base64
import os
import re
import stat
import sys
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar

import limits
from pydantic import (
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from domain.limits import Rate, Scope

# Secrets that ship with the source. Handy on a laptop, refused in production.
DEVELOPMENT_MARK = "development"
# What people who prove nothing may put on a tenant's record.
CLAIMS = Rate(most=60, seconds=60)


def _rate(value: object) -> object:
    """A rate as it is written down: `10/minute`, `200/2 seconds`."""
    if not isinstance(value, str):
        return value
    item = limits.parse(value)
    return Rate(most=item.amount, seconds=item.get_expiry())


Limit = Annotated[Rate, NoDecode, BeforeValidator(_rate)]

_PREFIX: Final = "PAYSAGA_"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_PathPart = Annotated[str, StringConstraints(pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)*$")]


class KeySettings(BaseSettings):
    """Where stored secrets are, and who wraps the keys they are sealed with.

    Secrets are ``SecretStr`` so that no repr and no log can show them; errors do not repeat what was set.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    env: Literal["development", "production"] = "production"

    database_url: SecretStr
    """The runtime role: neither owner nor superuser, so that row-level security binds it."""

    vault_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """AES-256 keys, base64; the first wraps data keys, all of them unwrap. Comma-separated."""
    transit_address: AnyHttpUrl | None = None
    """Where HashiCorp Vault is, if its transit engine wraps data keys, or has wrapped some."""
    transit_mount: _PathPart = "transit"
    transit_keys: Annotated[tuple[_PathPart, ...], NoDecode] = ("paysaga",)
    """Names of transit keys; the first wraps, all of them unwrap. Comma-separated."""
    transit_namespace: str | None = None
    transit_ca_file: Path | None = None
    """Certificates to trust there, instead of the system's."""
    transit_token_file: Path | None = None
    """A file that holds a token, renewed by an agent; or else the two that follow."""
    transit_role_id: str | None = None
    transit_secret_id: SecretStr | None = None
    transit_approle_mount: _PathPart = "approle"
    key_provider: Literal["local", "transit"] | None = None
    """Which of them wraps, where both are configured [default: transit]. Both unwrap."""
    data_key_life: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))] = timedelta(minutes=5)
    """How long a data key that was unwrapped stays in memory."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - it knows no folder from outside
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes before files, and what a test says before both."""
        folder = _secrets_folder()
        files = () if folder is None else (SecretsSettingsSource(settings_cls, secrets_dir=folder),)
        return init_settings, env_settings, *files

    @field_validator(
        *("signing_keys", "audit_keys", "vault_keys", "payload_keys", "transit_keys", "trusted_proxies"),
        mode="before",
        check_fields=False,
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(re.findall(r"[^,\s]+", value)) if isinstance(value, str) else value

    @field_validator("signing_keys", "audit_keys", "vault_keys", "payload_keys", check_fields=False)
    @classmethod
    def _are_32_bytes(cls, keys: tuple[SecretStr, ...], field: ValidationInfo) -> tuple[SecretStr, ...]:
        if not keys and field.field_name not in {"vault_keys", "payload_keys"}:
            raise ValueError("at least one key is needed")
        for key in keys:
            if len(base64.b64decode(key.get_secret_value(), validate=True)) != 32:
                raise ValueError("each key is 32 bytes, base64-encoded")
        return keys

    @model_validator(mode="after")
    def _somebody_wraps(self) -> Self:
        if self.wraps == "local" and not self.vault_keys:
            raise ValueError("PAYSAGA_VAULT_KEYS needs a key, or PAYSAGA_TRANSIT_ADDRESS a Vault")
        if self.transit_address is None:
            if self.wraps == "transit":
                raise ValueError("PAYSAGA_KEY_PROVIDER=transit needs PAYSAGA_TRANSIT_ADDRESS")
            return self
        by_role = self.transit_role_id is not None and self.transit_secret_id is not None
        if by_role is (self.transit_token_file is not None):
            raise ValueError(
                "Vault needs either PAYSAGA_TRANSIT_TOKEN_FILE or both of PAYSAGA_TRANSIT_ROLE_ID and"
                " PAYSAGA_TRANSIT_SECRET_ID"
            )
        if not self.transit_keys:
            raise ValueError("PAYSAGA_TRANSIT_KEYS needs a name")
        if self.transit_address.scheme != "https" and self.transit_address.host not in _LOOPBACK:
            raise ValueError("PAYSAGA_TRANSIT_ADDRESS has to be https, but for an agent on this very machine")
        return self

    @property
    def wraps(self) -> Literal["local", "transit"]:
        """Who wraps new data keys."""
        return self.key_provider or ("local" if self.transit_address is None else "transit")

    @property
    def development(self) -> bool:
        return self.env == "development"


class Settings(KeySettings):
    """Settings of one process."""

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

    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """Where the worker serves its figures (`/metrics`) and that it lives (`/livez`); without it, nowhere."""
    sdk_metrics_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """Where, on this machine alone, Temporal's SDK hands its figures to that page; else at any free port."""

    admin_key: SecretStr
    previous_admin_key: SecretStr | None = None
    """Let in as well, while those who hold it change over."""
    signing_keys: Annotated[tuple[SecretStr, ...], NoDecode]
    """Ed25519 seeds, base64; the first signs, all of them verify. Comma-separated in the environment."""
    audit_keys: Annotated[tuple[SecretStr, ...], NoDecode]
    """Ed25519 seeds, base64, for checkpoints of the audit trail and for proof bundles: the first signs, all
    of them verify. Apart from ``signing_keys``, and kept as long as what they signed must be believed."""
    audit_checkpoints_file: Path | None = None
    """Where the worker appends each checkpoint. On another disk it shows when a trail's end is cut off."""
    payload_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """AES-256 keys, base64, for what Temporal keeps of ours: the first seals, all of them open. None at all
    only in development."""
    plain_payloads_allowed: bool = True
    """Whether what lies in Temporal unsealed, from before there were keys, may be read."""
    temporal_ui_url: AnyHttpUrl | None = None
    """Where operators' browsers meet Temporal's UI: whose pages may ask us to open payloads."""
    token_life: timedelta = timedelta(hours=24)

    sandbox_url: AnyHttpUrl | None = None
    sandbox_platform_key: SecretStr | None = None
    """Lets us derive each sandbox tenant's ready-made provider account."""
    provider_api_base_allowed: bool = True
    """Whether tenants may point a provider account at a test server (`apiBase`)."""

    time_scale: Annotated[float, Field(ge=1, le=1_000_000)] = 1
    """Divides every business delay, for demonstrations and tests."""

    tenant_rate: Limit = Rate(most=200, seconds=2)
    """What one tenant may ask of all processes: a hundred times a second, and two hundred times at once."""
    login_rate: Limit = Rate(most=10, seconds=60)
    """Logins of one app, whether they open or not."""
    failed_login_rate: Limit = Rate(most=100, seconds=60)
    """Logins from one address that do not open, whatever their app."""
    public_rate: Limit = Rate(most=600, seconds=10)
    """From one address: payers' pages, price lists, reads with a checkout token."""
    forgery_rate: Limit = Rate(most=100, seconds=60)
    """Provider webhooks from one address that do not verify."""
    redis_url: SecretStr | None = None
    """Where processes count together what is limited; without it, in the database."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses and networks of the proxies in front of us, comma-separated: only what they say of where a
    request came from is believed."""

    log_format: Literal["json", "console"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        # Uvicorn takes whatever it cannot read for a name, and * for everybody.
        for proxy in proxies:
            ip_network(proxy)
        return proxies

    @model_validator(mode="after")
    def _production_keeps_its_secrets(self) -> Self:
        if self.env == "production":
            for key in self.admin_keys:
                if DEVELOPMENT_MARK in key.get_secret_value():
                    raise ValueError(
                        "PAYSAGA_ADMIN_KEY is a development secret; make your own for production"
                    )
                if len(key.get_secret_value()) < 32:
                    raise ValueError("PAYSAGA_ADMIN_KEY needs at least 32 characters in production")
            if not self.payload_keys:
                raise ValueError("PAYSAGA_PAYLOAD_KEYS is needed in production: Temporal keeps payments")
        if not (self.payload_keys or self.plain_payloads_allowed):
            raise ValueError("PAYSAGA_PLAIN_PAYLOADS_ALLOWED=false needs PAYSAGA_PAYLOAD_KEYS")
        return self

    @property
    def admin_keys(self) -> tuple[SecretStr, ...]:
        """What the platform's operator may show: the key, and for a while the one before it."""
        return (self.admin_key, *([self.previous_admin_key] if self.previous_admin_key else []))

    @property
    def rates(self) -> dict[Scope, Rate]:
        """What is limited, and how."""
        return {
            Scope.TENANT: self.tenant_rate,
            Scope.LOGIN: self.login_rate,
            Scope.FAILED_LOGIN: self.failed_login_rate,
            Scope.PUBLIC: self.public_rate,
            Scope.FORGERY: self.forgery_rate,
            Scope.CLAIM: CLAIMS,
        }

    @property
    def base_url(self) -> str:
        """Where the world finds us, without a slash at the end."""
        return str(self.public_url).rstrip("/")

    @property
    def temporal_ui(self) -> str | None:
        """The origin of Temporal's UI, as its pages' requests name it."""
        return None if self.temporal_ui_url is None else "/".join(str(self.temporal_ui_url).split("/")[:3])

    @property
    def api_bases(self) -> dict[str, str]:
        """Where providers are, by name, when it is this installation that decides."""
        return {} if self.sandbox_url is None else {"sandbox": str(self.sandbox_url)}


_Wanted = TypeVar("_Wanted", bound=KeySettings)


def read(wanted: type[_Wanted]) -> _Wanted:
    """The settings of this process. What is wrong with them ends it, in words that show no value."""
    try:
        return wanted()
    except ValidationError as error:
        faults = [
            _told(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors(include_input=False)
        ]
    except (SettingsError, OSError, UnicodeError) as error:
        # Of a value that cannot be decoded, its text would show parts.
        faults = [str(error) if isinstance(error, SettingsError) else type(error).__name__]
    sys.stderr.write("\n  ".join(["These settings cannot be used:", *faults]) + "\n")
    raise SystemExit(2)


def _told(where: tuple[int | str, ...], kind: str, what: str) -> str:
    if not where:
        return what
    name = f"{_PREFIX}{where[0]}".upper()
    if kind != "missing":
        return f"{name}: {what}"
    folder = os.environ.get("PAYSAGA_SECRETS_DIR")
    return f"{name} is not set" + (f", and there is no {folder}/{name.lower()}" if folder else "")


def _secrets_folder() -> Path | None:
    """Where secrets lie as files. Raises ``SettingsError`` for a place that cannot be trusted with them."""
    named = os.environ.get("PAYSAGA_SECRETS_DIR")
    if not named:
        return None
    folder = Path(named)
    if not folder.is_dir():
        raise SettingsError(f"PAYSAGA_SECRETS_DIR: there is no folder {folder}")
    for path in _secret_files(folder):
        if not path.is_file() or not os.access(path, os.R_OK):
            raise SettingsError(f"PAYSAGA_SECRETS_DIR: {path} cannot be read")
        if path.stat().st_mode & stat.S_IWOTH:
            raise SettingsError(f"PAYSAGA_SECRETS_DIR: everybody may write to {path}; chmod o-w it")
    return folder


def _secret_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.name.upper().startswith(_PREFIX))


def key_bytes(keys: tuple[SecretStr, ...]) -> list[bytes]:
    """The raw keys behind a setting, first the one in use."""
    return [base64.b64decode(key.get_secret_value()) for key in keys]
