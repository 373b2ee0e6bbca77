"""HashiCorp Vault as its transit engine's documentation has it: real AES-GCM, tokens, versions, a seal.

No real one is at hand. What is played follows builtin/logical/transit and sdk/helper/keysutil: their texts
and their statuses; an unknown parameter is ignored, as the real one does.
"""

import asyncio
import base64
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import uvicorn
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = dict[str, Any]
TOKEN = "hvs.a-token-of-the-agent"
ROLE, SECRET_ID = "role-of-paysaga", "a-secret-id"


@dataclass
class TransitKey:
    versions: list[bytes] = field(default_factory=lambda: [AESGCM.generate_key(256)])
    min_decryption_version: int = 1

    def rotate(self) -> None:
        self.versions.append(AESGCM.generate_key(256))


@dataclass
class VaultCompany:
    url: str = ""
    keys: dict[str, TransitKey] = field(default_factory=lambda: {"paysaga": TransitKey()})
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    namespace: str | None = None
    sealed: bool = False
    hangs: bool = False
    knows_associated_data: bool = True
    """False: one older than 1.13, which ignores the parameter."""
    status: int | None = None
    """What is answered instead: an overload, say."""
    asked: list[str] = field(default_factory=list)
    """The paths of all requests."""
    logins: int = 0
    going_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def _answer(self, request: Request) -> Response:
        path = request.path_params["path"]
        body = await request.json()
        self.asked.append(path)
        if self.hangs:
            await self.going_on.wait()
        refusal = self._refusal(request, path)
        if refusal is not None or path == "auth/approle/login":
            return refusal or self._login(body)
        found = re.fullmatch(r"transit/(encrypt|decrypt)/([\w.-]+)", path)
        if found is None:
            return _no(404, f'no handler for route "{path}". route entry not found.')
        key = self.keys.get(found[2])
        if key is None:
            return _no(400, "encryption key not found")
        return self._encrypt(key, body) if found[1] == "encrypt" else self._decrypt(key, body)

    def _refusal(self, request: Request, path: str) -> Response | None:
        if self.status is not None:
            return _no(self.status, "as the test wants it")
        if self.sealed:
            return _no(503, "Vault is sealed")
        if request.headers.get("x-vault-namespace") != self.namespace:
            return _no(404, "no handler for route")
        known = path.startswith("auth/") or request.headers.get("x-vault-token") in self.tokens
        return None if known else _no(403, "permission denied")

    def _login(self, body: Json) -> Response:
        if (body.get("role_id"), body.get("secret_id")) != (ROLE, SECRET_ID):
            return _no(400, "invalid role or secret ID")
        self.logins += 1
        token = f"hvs.login-{self.logins}"
        self.tokens.add(token)
        return JSONResponse({"auth": {"client_token": token, "lease_duration": 3600, "renewable": True}})

    def _associated(self, body: Json) -> bytes | None:
        return base64.b64decode(body.get("associated_data", "")) if self.knows_associated_data else None

    def _encrypt(self, key: TransitKey, body: Json) -> Response:
        nonce, plain = os.urandom(12), base64.b64decode(body["plaintext"], validate=True)
        raw = nonce + AESGCM(key.versions[-1]).encrypt(nonce, plain, self._associated(body))
        version = len(key.versions)
        ciphertext = f"vault:v{version}:{base64.b64encode(raw).decode()}"
        return JSONResponse({"data": {"ciphertext": ciphertext, "key_version": version}})

    def _decrypt(self, key: TransitKey, body: Json) -> Response:
        found = re.fullmatch(r"vault:v(\d+):(.+)", body["ciphertext"])
        if found is None:
            return _no(400, "invalid ciphertext: no prefix")
        version, raw = int(found[1]), base64.b64decode(found[2])
        if not 0 < version <= len(key.versions):
            return _no(400, "invalid ciphertext: version is too new")
        if version < key.min_decryption_version:
            return _no(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            plain = AESGCM(key.versions[version - 1]).decrypt(raw[:12], raw[12:], self._associated(body))
        except InvalidTag:
            return _no(400, "cipher: message authentication failed")
        return JSONResponse({"data": {"plaintext": base64.b64encode(plain).decode()}})

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        company = cls()
        app = Starlette(routes=[Route("/v1/{path:path}", company._answer, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        company.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield company
        finally:
            company.going_on.set()
            server.should_exit = True
            await serving


def token_file(folder: Path, token: str = TOKEN) -> Path:
    path = folder / "vault-token"
    path.write_text(f"{token}\n")
    return path


def _no(status: int, why: str) -> Response:
    return JSONResponse({"errors": [why]}, status)
