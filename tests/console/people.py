"""People at the console's workplaces: they open pages and press the buttons that are there."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import httpx

from tests.console.payers import Element, Read
from tests.house import House, Tenant
from tests.security.person import Person


@dataclass
class Clerk:
    """Somebody who is signed in. Buttons go by their ids."""

    person: Person
    token: str

    @classmethod
    @asynccontextmanager
    async def of(cls, house: House, tenant: Tenant | None) -> AsyncIterator[Self]:
        """A tenant's person by this one's secret; without a tenant the platform's operator."""
        async with Person.arriving(house) as person:
            entered = await (person.sign_in_as_operator() if tenant is None else person.sign_in(tenant))
            assert entered.status_code == 303, entered.text
            yield cls(person, await person.form_token())

    async def open(self, path: str) -> Read:
        answer = await self.person.http.get(path)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return Read(answer.text)

    async def press(self, path: str, button: str, **filled: str | list[str]) -> httpx.Response:
        """Fill the form that has this button, and send it as a browser would."""
        form, fields = _form(await self.open(path), button)
        sent: dict[str, str | list[str]] = {}
        for field in fields:
            name = field.attributes.get("name")
            ticked = field.attributes.get("type") != "checkbox" or "checked" in field.attributes
            if name and ticked:
                sent[name] = field.attributes.get("value") or ""
        return await self.forge(form.attributes["action"] or "", _sendable(sent | filled))

    async def does(self, path: str, button: str, **filled: str | list[str]) -> Read:
        """The same, where it is heard: the page that it leads to."""
        answer = await self.press(path, button, **filled)
        if answer.status_code == 303:
            return await self.open(answer.headers["location"])
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return Read(answer.text)

    async def forge(self, path: str, form: Mapping[str, str | list[str]] | None = None) -> httpx.Response:
        """Send a form that no page showed them, with their own session's token."""
        token = {"form_token": self.token}
        ours = self.person.ours | {"Referer": f"{self.person.house.ready['apiUrl']}/console"}
        return await self.person.http.post(path, data={**(form or {}), **token}, headers=ours)


def _sendable(fields: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
    return {name: value for name, value in fields.items() if name != "form_token"}


def _form(page: Read, button: str) -> tuple[Element, list[Element]]:
    place = next(
        number for number, element in enumerate(page.elements) if element.attributes.get("id") == button
    )
    assert page.elements[place].tag == "button"
    begins = max(number for number, element in enumerate(page.elements[:place]) if element.tag == "form")
    inside = page.elements[begins:place]
    return inside[0], [element for element in inside if element.tag in {"input", "select"}]


def told(answer: httpx.Response, status: int = 200) -> Read:
    """What a page says that answers a form."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    return Read(answer.text)


def buttons(page: Read) -> set[str]:
    """Ids of all that can be pressed, beside what stands in the frame."""
    return {element.attributes["id"] or "" for element in page.all("button") if "id" in element.attributes}
