"""The page of errors has a section for each code, and is where problems point."""

import re

import httpx
import pytest
from fastapi import FastAPI

from api import docs, problems
from api.docs import written_out
from domain.errors import Refusal, refusals
from tests.docs.pages import PAGES, ROOT
from tests.house import House

SOURCE = (ROOT / "docs/errors.md").read_text()
CODES = {kind.code for kind in refusals()}


def sections(page: str) -> dict[str, str]:
    _, *found = re.split(r"^## ", page, flags=re.MULTILINE)
    return {section.partition("\n")[0]: section.partition("\n")[2].strip() for section in found}


def test_every_code_has_its_section_and_every_section_a_code() -> None:
    assert set(sections(SOURCE)) == CODES


def test_the_facts_come_from_the_code_alone() -> None:
    assert not re.search(r"^`\d{3}`", SOURCE, re.MULTILINE)


@pytest.mark.parametrize("kind", list(refusals()), ids=lambda kind: kind.__name__)
def test_a_section_begins_with_status_and_whether_to_retry(kind: type[Refusal]) -> None:
    facts = sections(written_out(SOURCE))[kind.code].partition("\n\n")[0]
    status, retryable, _ = facts.split(" · ")
    assert status == f"`{kind.status}`"
    assert ("retryable" if kind.retryable else "not retryable") in retryable.split(", in some cases ")


def test_the_table_names_every_code_once() -> None:
    assert sorted(
        re.findall(r"^\| \d{3} \| \[`(\w+)`\]\(#\1\)", written_out(SOURCE), re.MULTILINE)
    ) == sorted(CODES)


def test_no_reader_sees_what_is_noted_for_tests() -> None:
    pages = [written_out(page.read_text()) for page in PAGES]
    assert not [page for page in pages if re.search("^ *<!--", page, re.MULTILINE)]


async def test_the_pages_that_problems_point_at_are_served(house: House) -> None:
    problem = (await house.http.get("/v1/tenants/me")).json()
    address, _, anchor = problem["type"].partition("#")
    page = await house.http.get(address)
    assert page.status_code == 200
    assert f'id="{anchor}"' in page.text
    assert "<code>401</code> · not retryable" in page.text


async def test_the_guides_are_pages_of_the_api_and_their_links_lead_on() -> None:
    app = FastAPI()
    app.include_router(docs.router)
    problems.install(app, "https://pay.example")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://pay.example") as api:
        for page in ("errors", "getting-started.md", "integration/webhooks.md", "operations/audit"):
            assert (await api.get(f"/docs/{page}")).status_code == 200
        for nothing in ("../README", "integration", "integration/../../README.md", "site/conf", "none"):
            assert (await api.get(f"/docs/{nothing}")).status_code == 404
