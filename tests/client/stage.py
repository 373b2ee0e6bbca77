"""A server that answers as the test says, and as no real one would: late, wrong, cut off."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

from paysaga_client import AsyncPaysaga, Paysaga

SECRET = "pss_never-to-be-shown"
RIGHT = {"entitled": True, "limit": None, "used": 0, "remaining": None, "reason": "active", "validTo": None}
USE = {"userId": "u", "feature": "pro", "quantity": 1, "limit": None, "used": 1, "remaining": None}

DROP = object()
"""Instead of an answer: the connection ends."""


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    type: str = "application/json"


def problem(status: int, code: str, *, retryable: bool = False, **headers: str) -> Answer:
    body = {"status": status, "code": code, "title": "No", "detail": "No.", "retryable": retryable}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body, named, "application/problem+json")


@dataclass(frozen=True)
class Heard:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Stage:
    """Logs in whoever knows the secret, and gives the answers of ``script``, then always ``usual``."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    script: list[Any] = field(default_factory=list)
    usual: Any = field(default_factory=lambda: Answer(body=RIGHT))
    login_script: list[Any] = field(default_factory=list)
    logins: int = 0
    token_life: int = 86_400
    void: set[str] = field(default_factory=set)
    """Tokens that are good for nothing any more."""
    login_takes: float = 0

    @property
    def tries(self) -> list[Heard]:
        """What was asked, logins apart."""
        return [each for each in self.heard if not each.path.endswith("/login")]

    @property
    def keys(self) -> Counter[str | None]:
        return Counter(each.headers.get("idempotency-key") for each in self.tries)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = first.split(" ")
            heard = Heard(method, path, headers, body)
            self.heard.append(heard)
            answer = await self._login(heard) if path.endswith("/login") else self._answer(heard)
            if answer is not DROP:
                writer.write(_bytes(answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            writer.close()

    async def _login(self, heard: Heard) -> Any:
        self.logins += 1
        await asyncio.sleep(self.login_takes)
        if self.login_script:
            return self.login_script.pop(0)
        if json.loads(heard.body)["appSecret"] != SECRET:
            return problem(401, "unauthorized")
        facts = {"tenantId": "ten_1", "appName": "story", "tokenType": "Bearer"}
        return Answer(body=facts | {"accessToken": f"token-{self.logins}", "expiresIn": self.token_life})

    def _answer(self, heard: Heard) -> Any:
        if heard.headers.get("authorization", "").removeprefix("Bearer ") in self.void:
            return problem(401, "token_expired")
        return self.script.pop(0) if self.script else self.usual

    @classmethod
    @asynccontextmanager
    async def playing(cls) -> AsyncIterator[Self]:
        stage = cls()
        server = await asyncio.start_server(stage._serve, "127.0.0.1", 0)
        async with server:
            stage.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield stage


def _bytes(answer: Answer) -> bytes:
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    headers = {"Content-Type": answer.type, "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (headers | answer.headers).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Watch:
    """Time that passes only when somebody sleeps, or the test says so."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


@dataclass(frozen=True)
class Backend:
    """A tenant's backend on a stage, in one of the two manners; tests speak to both in the same way."""

    client: AsyncPaysaga | Paysaga
    watch: Watch

    async def do(self, resource: str, verb: str, *arguments: Any, **more: Any) -> Any:
        deed: Callable[..., Any] = getattr(getattr(self.client, resource), verb)
        if isinstance(self.client, AsyncPaysaga):
            asked: Awaitable[Any] = deed(*arguments, **more)
            return await asked
        return await asyncio.to_thread(deed, *arguments, **more)

    async def all(self, resource: str, verb: str, *arguments: Any, **more: Any) -> list[Any]:
        """Everything an iterator gives."""
        found: Any = getattr(getattr(self.client, resource), verb)(*arguments, **more)
        if isinstance(self.client, AsyncPaysaga):
            return [each async for each in found]
        return await asyncio.to_thread(list, found)

    async def check(self) -> Any:
        return await self.do("entitlements", "check", "pro", "u")

    async def use(self, **more: Any) -> Any:
        return await self.do("entitlements", "use", "pro", "u", **more)
