"""The client's README is what a reader gets who pastes it, block by block."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from paysaga_client import Paysaga
from tests import test_docs
from tests.client.test_payments import pay
from tests.house import House, Tenant
from tests.test_docs import blocks

STORY = [block for block in blocks("client/README.md", "python") if "webhooks.verify" not in block]


@pytest.fixture
def names(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setenv("PAYSAGA_URL", tenant.house.ready["apiUrl"])
    monkeypatch.setenv("APP_NAME", tenant.registered["appName"])
    monkeypatch.setenv("APP_SECRET", tenant.registered["appSecret"])
    monkeypatch.setenv("NO_PROXY", "*")
    names: dict[str, Any] = {"__name__": "pasted"}
    yield names
    client = names.get("client")
    if isinstance(client, Paysaga):
        client.close()


async def test_the_story_of_the_page_happens(
    house: House, names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = (await house.http.get("/openapi.json")).json()["paths"]
    story = [block for block in STORY if "client.events" not in block or "/v1/events" in paths]
    await asyncio.to_thread(paste, story, names, capsys)


def paste(story: list[str], names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    first, *others = (compile(block, "client/README.md", "exec") for block in story)
    exec(first, names)  # noqa: S102 - our own page
    client, payment = names["client"], names["payment"]
    pay(client.payments.wait_for_checkout(payment.id).checkout_url)
    for block in others:
        exec(block, names)  # noqa: S102 - our own page
    said = capsys.readouterr().out
    for line in (
        "SUCCEEDED True",
        "SUCCEEDED\n",
        "come in",
        "send the subscriber",
        "1990000 HUF",
        "not_found",
    ):
        assert line in said, said
    assert "paid: order-456" in said or story != STORY


def test_the_page_is_held_to_what_all_pages_are_held_to() -> None:
    page = test_docs.ROOT / "client/README.md"
    test_docs.test_every_link_leads_somewhere(page)
    test_docs.test_a_reader_is_sent_to_no_unexpected_place(page)
    test_docs.test_words_stay_plain_and_promise_nothing_we_do_not_keep(page)
