"""The page of errors has a section for each code, and is where problems point."""

import re
from collections.abc import Iterator

import pytest

from domain.errors import Refusal
from tests.docs.pages import ROOT
from tests.house import House


def refusals(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    if kind.__module__ == "domain.errors":
        yield kind
    for narrower in kind.__subclasses__():
        yield from refusals(narrower)


def error_sections() -> dict[str, str]:
    _, *sections = re.split(r"^## ", (ROOT / "docs/errors.md").read_text(), flags=re.MULTILINE)
    return {section.partition("\n")[0]: section.partition("\n")[2].strip() for section in sections}


def test_every_code_has_its_section_and_every_section_a_code() -> None:
    assert set(error_sections()) == {kind.code for kind in refusals()}


@pytest.mark.parametrize("kind", list(refusals()), ids=lambda kind: kind.__name__)
def test_a_section_begins_with_status_and_whether_to_retry(kind: type[Refusal]) -> None:
    status, _, retryable = error_sections()[kind.code].partition("\n\n")[0].partition(" · ")
    # Where it depends, the exception stands behind the rule: "retryable, not retryable with …".
    said = [part.partition(" with ")[0] for part in retryable.split(", ")]
    assert status == f"`{kind.status}`"
    assert ("retryable" if kind.retryable else "not retryable") in said
    assert len(said) == len({other.retryable for other in refusals() if other.code == kind.code})


async def test_the_pages_that_problems_point_at_are_served(house: House) -> None:
    problem = (await house.http.get("/v1/tenants/me")).json()
    address, _, anchor = problem["type"].partition("#")
    page = await house.http.get(address)
    assert page.status_code == 200
    assert f'id="{anchor}"' in page.text
