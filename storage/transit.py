"""Data keys wrapped by HashiCorp Vault's transit engine, over its HTTP API: its keys never come here.

Spoken as its documentation has it (developer.hashicorp.com/vault/api-docs/secret/transit): ``encrypt`` and
``decrypt`` with ``associated_data``, known from 1.13 on. ``rewrap`` takes none, and so is no use here.
"""

import asyncio
import json
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import httpx
import structlog

from domain.errors import TemporarilyUnavailable
from storage.wrapping import KEY, MISPLACED, NOT_CONFIGURED, data_key_of

log = structlog.get_logger(__name__)

# A step of a payment may wait on this with a connection to the database in hand: never long, and never many.
_ANSWER_SECONDS: Final = 3.0
_AT_ONCE: Final = 4
_TURN_SECONDS: Final = 0.5
# After trouble nobody is asked for so many seconds; then one tries, and the others wait for how it fares.
_REST_SECONDS: Final = 2
_MOST_READ: Final = 64 * 1024
_VERSION: Final = re.compile(r"vault:v(\d+):[A-Za-z0-9+/=]+")

# What it says with 400 (sdk/helper/keysutil), and what an operator should hear of it.
_NEVER: Final[Mapping[str, str]] = {
    "message authentication failed": MISPLACED,
    "invalid ciphertext": MISPLACED,
    "too old": "Vault has retired the version that wrapped this key (min_decryption_version).",
    "encryption key not found": "Vault has no such transit key.",
}


class Identity(Protocol):
    """Who we are to Vault."""

    async def token(self, http: httpx.AsyncClient) -> str:
        """What goes along with a request. Raises ``OSError`` or ``httpx.HTTPError`` when there is none."""

    def refused(self, token: str) -> bool:
        """It was not accepted. Whether there may be another at once."""


class TokenFile:
    """A token that an agent of Vault's renews in a file. It is read for each request: there are few."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self, http: httpx.AsyncClient) -> str:  # noqa: ARG002 - it asks nobody
        token = self._path.read_text(encoding="utf-8").strip()
        if not re.fullmatch("[!-~]+", token):
            raise OSError("the token file holds no token")
        return token

    def refused(self, token: str) -> bool:  # noqa: ARG002 - there is but one
        return False


@dataclass
class AppRole:
    """Logs in with a role's id and its secret, and again when the token's time is up."""

    role_id: str
    secret_id: str = field(repr=False)
    mount: str = "approle"
    _token: str = field(default="", repr=False)
    _until: float = 0

    async def token(self, http: httpx.AsyncClient) -> str:
        if not self._token or time.monotonic() >= self._until:
            login = {"role_id": self.role_id, "secret_id": self.secret_id}
            answer = await http.post(f"auth/{self.mount}/login", json=login)
            auth = (answer.raise_for_status().json() or {}).get("auth") or {}
            self._token = str(auth["client_token"])
            # A fifth of its time is left to requests on their way. 0 is a token that does not expire.
            self._until = time.monotonic() + (0.8 * float(auth["lease_duration"]) or float("inf"))
        return self._token

    def refused(self, token: str) -> bool:
        """It may have been revoked: the next login tells."""
        if token == self._token:
            self._token = ""
        return True


class _Answer(NamedTuple):
    status: int
    data: Mapping[str, Any]
    errors: str


class TransitKeys:
    """Keys of one transit engine, by name: the first wraps, all of them unwrap.

    The wrapped form is ``transit:{mount}/{key}:vault:v{version}:…``. ``http`` has the address below which
    the API is (``…/v1/``), the namespace, and certificates to trust.
    """

    def __init__(
        self, http: httpx.AsyncClient, identity: Identity, keys: Sequence[str], mount: str = "transit"
    ) -> None:
        self._http = http
        self._identity = identity
        self._mount = mount
        self._current = keys[0]
        self._keys = {f"transit:{mount}/{key}:": key for key in keys}
        self._hands = asyncio.Semaphore(_AT_ONCE)
        self._rests_until = 0.0

    def label(self, wrapped: bytes) -> str | None:
        tag, version = _parts(wrapped)
        return None if tag is None else f"{tag}v{version}"

    async def wrap(self, key: bytes, tenant_id: str) -> bytes:
        said = await self._ask("encrypt", self._current, tenant_id, plaintext=b64encode(key).decode())
        wrapped = f"transit:{self._mount}/{self._current}:{said.get('ciphertext')}".encode()
        if self.label(wrapped) is None:
            raise self._trouble("answer_unreadable")
        return wrapped

    async def unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        tag, _ = _parts(wrapped)
        name = self._keys.get(tag or "")
        if tag is None or name is None:
            raise PermissionError(NOT_CONFIGURED)
        ciphertext = wrapped.decode().removeprefix(tag)
        said = await self._ask("decrypt", name, tenant_id, ciphertext=ciphertext)
        try:
            key = b64decode(str(said.get("plaintext")), validate=True)
        except ValueError:
            key = b""
        if len(key) != KEY:
            raise self._trouble("answer_unreadable")
        return key

    async def _ask(self, verb: str, key: str, tenant_id: str, **what: str) -> Mapping[str, Any]:
        body = what | {"associated_data": b64encode(data_key_of(tenant_id).encode()).decode()}
        path = f"{self._mount}/{verb}/{key}"
        await self._turn()
        try:
            said = await self._exchange(path, body)
        finally:
            self._hands.release()
        if isinstance(said, str):
            raise self._trouble(said)
        if said.status == httpx.codes.OK:
            return said.data
        if said.status == httpx.codes.BAD_REQUEST:
            known = (ours for theirs, ours in _NEVER.items() if theirs in said.errors)
            raise PermissionError(next(known, "Vault calls our request invalid."))
        # Sealed, standby, over a quota, a token that is not accepted (yet): waiting may help, a person may.
        raise self._trouble(f"status_{said.status}")

    async def _turn(self) -> None:
        """A hand, soon. Raises ``TemporarilyUnavailable`` while it rests, and when all hands stay busy."""
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._hands.acquire()
        except TimeoutError:
            raise _away() from None
        if time.monotonic() < self._rests_until:
            self._hands.release()
            raise _away()

    async def _exchange(self, path: str, body: Mapping[str, str]) -> _Answer | str:
        """What was answered, to a second token if need be; else the name of what went wrong.

        No error leaves here: it would carry the request, and so the key.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                token = await self._identity.token(self._http)
                said = await self._post(path, body, token)
                if said.status == httpx.codes.FORBIDDEN and self._identity.refused(token):
                    said = await self._post(path, body, await self._identity.token(self._http))
                return said
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as failure:
            return type(failure).__name__

    async def _post(self, path: str, body: Mapping[str, str], token: str) -> _Answer:
        async with self._http.stream("POST", path, json=body, headers={"X-Vault-Token": token}) as answer:
            content = b""
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > _MOST_READ:
                    raise ValueError("too long")
        said = json.loads(content) if content else {}
        if answer.status_code != httpx.codes.OK:
            errors = said.get("errors") if isinstance(said, dict) else None
            return _Answer(answer.status_code, {}, str(errors))
        return _Answer(answer.status_code, dict(said["data"]), "")

    def _trouble(self, reason: str) -> TemporarilyUnavailable:
        self._rests_until = time.monotonic() + _REST_SECONDS
        log.error("key_provider_unavailable", provider="transit", reason=reason)
        return _away()


def _parts(wrapped: bytes) -> tuple[str | None, str]:
    """Whose work it is, as ``transit:{mount}/{key}:``, and the key's version. None: no transit engine's."""
    try:
        scheme, name, ciphertext = wrapped.decode("ascii").split(":", 2)
    except ValueError:
        return None, ""
    found = _VERSION.fullmatch(ciphertext)
    if scheme != "transit" or found is None:
        return None, ""
    return f"{scheme}:{name}:", found[1]


def _away() -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        "The key to this tenant's secrets is out of reach.", retry_after=_REST_SECONDS
    )
