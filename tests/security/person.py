"""Somebody with a browser: it keeps cookies, and says by itself where a request comes from."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx
from fastapi.routing import RouteContext, iter_route_contexts

from api import app
from console import app as pages
from tests.console.payers import Read
from tests.house import House, Tenant

FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class Person:
    house: House
    http: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def arriving(cls, house: House) -> AsyncIterator[Self]:
        """At a browser that nobody has used yet."""
        headers = {"User-Agent": FIREFOX, "Accept": "text/html,*/*;q=0.8", "Accept-Language": "en"}
        async with httpx.AsyncClient(
            base_url=house.ready["apiUrl"], headers=headers, trust_env=False, timeout=15
        ) as http:
            yield cls(house, http)

    @property
    def ours(self) -> dict[str, str]:
        """What a browser says of a form on a page of ours."""
        return {"Origin": self.house.ready["apiUrl"], "Sec-Fetch-Site": "same-origin"}

    @property
    def cookie(self) -> str:
        return self.http.cookies.get("paysaga_session") or ""

    @cookie.setter
    def cookie(self, value: str) -> None:
        self.http.cookies.clear()
        self.http.cookies.set("paysaga_session", value)

    async def sign_in(
        self, tenant: Tenant, secret: str | None = None, wanted: str | None = None
    ) -> httpx.Response:
        who = {
            "app_name": tenant.registered["appName"],
            "app_secret": secret or tenant.registered["appSecret"],
        }
        query = {} if wanted is None else {"next": wanted}
        return await self.http.post("/console/login", data=who, headers=self.ours, params=query)

    async def sign_in_as_operator(self) -> httpx.Response:
        key = {"admin_key": self.house.ready["adminKey"]}
        return await self.http.post("/console/login/operator", data=key, headers=self.ours)

    async def is_in(self) -> bool:
        """Whether the console knows them; else it has shown them the door."""
        answer = await self.http.get("/console")
        assert (answer.status_code, answer.headers.get("location")) in {(200, None), (303, "/console/login")}
        return answer.status_code == 200

    async def sees(self, path: str = "/console") -> Read:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return Read(answer.text)

    async def form_token(self) -> str:
        return form_token(await self.sees())

    async def sends(self, path: str, **form: str) -> httpx.Response:
        """Press a button of a page of ours."""
        token = await self.form_token()
        return await self.http.post(path, data={"form_token": token} | form, headers=self.ours)

    async def sessions(self) -> list[str]:
        """Their ids, as the page about themselves lists them."""
        actions = [form.attributes["action"] or "" for form in (await self.sees("/console/you")).all("form")]
        return [found[1] for action in actions if (found := re.fullmatch(r".*/(ses_\w+)/end", action))]


def form_token(page: Read) -> str:
    tokens = {
        each.attributes["value"] for each in page.all("input") if each.attributes.get("name") == "form_token"
    }
    (token,) = tokens
    assert token
    return token


def routes() -> Iterator[RouteContext]:
    """All that is served, as the application itself knows it."""
    application = app.build(_no_house, public_url="https://pay.example", development=False)
    pages.install(application)
    yield from iter_route_contexts(application.routes)


def _no_house() -> Any:
    raise AssertionError("nobody should move in")
