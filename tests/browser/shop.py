"""A tenant's own web site, at its own origin: a page that holds our element, and the guide's backend."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from tests.house import Json, Tenant

GUIDE = Path(__file__).parents[2] / "docs/integration/pricing-page.md"


def blocks(language: str) -> list[str]:
    """The guide's code, as a reader would paste it."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


@dataclass
class Shop:
    tenant: Tenant
    url: str = ""
    html: str = ""
    policy: str | None = None
    """The Content-Security-Policy of its page."""
    choices: list[Json] = field(default_factory=list)
    """What its backend was asked for."""

    @property
    def api(self) -> str:
        return str(self.tenant.house.ready["apiUrl"])

    def adapted(self, code: str) -> str:
        """The guide's code with this installation's address and this tenant's id."""
        return code.replace("https://pay.example.com", self.api).replace("ten_…", self.tenant.id)

    def element(self, **attributes: str) -> str:
        said = {"tenant": self.tenant.id, "checkout": "/subscribe", "lang": "en"} | attributes
        written = " ".join(f'{name}="{value}"' for name, value in said.items())
        return f"<paysaga-pricing {written}></paysaga-pricing>"

    def shows(self, *parts: str, **attributes: str) -> None:
        """Its page from now on: these parts, or one element."""
        script = f'<script src="{self.api}/embed/pricing.js" defer></script>'
        body = "".join(parts) or self.element(**attributes)
        self.html = f"<!doctype html><html lang=en><title>Prices</title>{script}<body>{body}"

    async def _home(self) -> Response:
        headers = {} if self.policy is None else {"Content-Security-Policy": self.policy}
        return HTMLResponse(self.html, headers=headers)

    async def _thanks(self) -> Response:
        return HTMLResponse("<!doctype html><title>Shop</title><h1>Thanks</h1>")

    async def _broken(self) -> Response:
        return Response(status_code=500)

    async def _lured(self) -> Response:
        return JSONResponse({"sessionUrl": "javascript:document.title='lured'"})

    async def _gate(self) -> Response:
        return RedirectResponse("/thanks", 303)

    def backend(self, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
        """The guide's own, which remembers what it is asked; and some that do worse."""
        monkeypatch.setenv("PAYSAGA_URL", self.api)
        monkeypatch.setenv("PAYSAGA_TOKEN", self.tenant.token)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        names: dict[str, Any] = {"__name__": "pasted"}
        (code,) = blocks("python")
        exec(compile(code, GUIDE.name, "exec", dont_inherit=True), names)  # noqa: S102 - our own page
        app: FastAPI = names["app"]
        app.get("/")(self._home)
        app.get("/thanks")(self._thanks)
        app.post("/broken")(self._broken)
        app.post("/lured")(self._lured)
        app.post("/gate")(self._gate)

        @app.middleware("http")
        async def remember(request: Request, answer: Any) -> Response:
            if request.method == "POST":
                self.choices.append(await request.json())
            # Where the shop is, the guide's code reads of its own surroundings.
            names["shop"] = self.url
            said: Response = await answer(request)
            return said

        return app

    @classmethod
    @asynccontextmanager
    async def open(cls, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Self]:
        shop = cls(tenant)
        config = uvicorn.Config(shop.backend(monkeypatch), port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        shop.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield shop
        finally:
            server.should_exit = True
            server.force_exit = True
            await serving
