"""The secrets of one data directory: made once, at random, and readable by their owner only."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from local import CannotStart


def _password() -> str:
    return secrets.token_urlsafe(24)


def _key_of_32_bytes() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Tenant:
    """How the demo tenant logs in."""

    id: str
    appName: str  # noqa: N815 - the contract's spelling, written to the ready file as it is
    appSecret: str = field(repr=False)  # noqa: N815


@dataclass(frozen=True, repr=False)
class Keys:
    """Everything secret that a platform needs to go on where it was."""

    superuser_password: str = field(default_factory=_password)
    owner_password: str = field(default_factory=_password)
    runtime_password: str = field(default_factory=_password)
    admin_key: str = field(default_factory=lambda: f"adm_{secrets.token_urlsafe(32)}")
    signing_key: str = field(default_factory=_key_of_32_bytes)
    audit_key: str = field(default_factory=_key_of_32_bytes)
    vault_key: str = field(default_factory=_key_of_32_bytes)
    payload_keys: str = ""
    """Comma-separated; none as long as Temporal may keep what it is told in plain."""
    sandbox_platform_key: str = field(default_factory=_password)
    tenant: Tenant | None = None

    def with_payload_keys(self, given: str) -> "Keys":
        """The same secrets, and these keys, or one made now, for what Temporal keeps.

        Keys of before stay: nothing else opens what was sealed with them.
        """
        named = [*given.split(","), *self.payload_keys.split(",")]
        return replace(self, payload_keys=",".join(dict.fromkeys(filter(None, named))) or _key_of_32_bytes())

    def with_tenant(self, tenant: Tenant) -> "Keys":
        """The same secrets, and the demo tenant's."""
        return replace(self, tenant=tenant)

    def save(self, path: Path) -> None:
        """Write them for the next start."""
        write_private(path, json.dumps(asdict(self), indent=1) + "\n")


def load_or_make(path: Path) -> Keys:
    """The secrets remembered in ``path``, or new ones, remembered from now on."""
    if path.exists():
        try:
            known = json.loads(path.read_text())
            tenant = known.pop("tenant", None)
            keys = Keys(**known, tenant=Tenant(**tenant) if tenant else None)
        except (ValueError, TypeError, AttributeError) as error:
            raise CannotStart(f"{path} holds the platform's secrets and cannot be read: {error}") from error
    else:
        known, keys = {}, Keys()
    if known.keys() < asdict(keys).keys() - {"tenant"}:
        # New altogether, or a key that an older version did not know.
        keys.save(path)
    return keys


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, never half-written and never readable by others, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
