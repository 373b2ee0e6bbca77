"""What browsers are served."""

import pytest
from playwright.async_api import Page


@pytest.mark.slow
async def test_the_guide_of_errors_is_a_page(page: Page) -> None:
    answer = await page.goto("/docs/errors")
    assert answer is not None
    assert answer.status == 200
    assert await page.inner_text("h1") == "Errors"
