"""The payer's pages: two languages, no JavaScript, nothing that a browser should not be told."""

from html.parser import HTMLParser

import httpx
import pytest

from tests.sandbox.sandbox_house import Json, Shop

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]


class Outline(HTMLParser):
    """What of a page matters here: its forms, fields, labels and scripts."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep every tag."""
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """List the attributes of every tag of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]


async def look(shop: Shop, session: Json, **headers: str) -> httpx.Response:
    """Open the session's page as a browser would."""
    return await shop.client.get(f"/pay/{session['id']}", headers=headers)


@pytest.mark.parametrize(
    ("language", "banner", "amount"),
    [
        ("hu-HU,hu;q=0.9,en;q=0.5", "Teszt mód", "19\u00a0900\u00a0Ft"),
        ("en-GB,hu;q=0.5", "Test mode", "HUF\u00a019,900"),
        ("de", "Test mode", "HUF\u00a019,900"),
        ("hu;q=x,,;q=1", "Test mode", "HUF\u00a019,900"),
    ],
)
async def test_the_page_speaks_the_payers_language(
    shop: Shop, language: str, banner: str, amount: str
) -> None:
    page = await look(shop, await shop.open(), **{"accept-language": language})
    assert banner in page.text
    assert amount in page.text


async def test_the_address_can_choose_the_language(shop: Shop) -> None:
    session = await shop.open()
    page = await shop.client.get(f"/pay/{session['id']}?lang=hu", headers={"accept-language": "en"})
    assert page.headers["content-language"] == "hu"


async def test_the_page_is_a_plain_form_with_labels_that_works_without_javascript(shop: Shop) -> None:
    session = await shop.open()
    outline = Outline((await look(shop, session)).text)
    [form], [field] = outline.all("form"), outline.all("input")
    assert (form["method"], field["name"]) == ("post", "cardNumber")
    assert field["id"] in {label["for"] for label in outline.all("label")}
    submits = [button for button in outline.all("button") if button.get("type") != "button"]
    assert [button["value"] for button in submits] == ["pay", "fail", "close"]
    assert all(script.get("src") for script in outline.all("script"))
    answer = await shop.client.post(
        str(form["action"]), data={"cardNumber": "4242424242424242", "action": "pay"}
    )
    assert answer.status_code == 200
    assert (await shop.read(session))["payment_status"] == "paid"


async def test_a_decline_is_told_to_screen_readers_and_the_number_is_not_repeated(shop: Shop) -> None:
    page = await shop.pay(await shop.open(), "4000000000009995")
    outline = Outline(page.text)
    assert "not enough money" in page.text
    assert outline.all("input")[0]["aria-invalid"] == "true"
    assert any(tag.get("role") == "alert" for tag in outline.all("div"))
    assert "4000000000009995" not in page.text


async def test_pages_forbid_what_they_do_not_need(shop: Shop) -> None:
    policy = (await look(shop, await shop.open())).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


async def test_what_a_merchant_wrote_is_shown_as_text(shop: Shop) -> None:
    page = await look(shop, await shop.open(description="<script>alert(1)</script>"))
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in page.text


@pytest.mark.parametrize(
    ("action", "number", "sentence"),
    [
        ("pay", "4242424242424242", "The payment has arrived"),
        ("pay", "9000000000000001", "The bank is working"),
        ("close", "", "You gave this payment up"),
    ],
)
async def test_a_closed_session_says_what_became_of_it(
    shop: Shop, action: str, number: str, sentence: str
) -> None:
    session = await shop.open()
    await shop.act(session, action=action, cardNumber=number)
    assert sentence in (await look(shop, session)).text
    late = await shop.pay(session)
    assert late.status_code == 409
    assert sentence in late.text
    assert "changed nothing" in late.text


async def test_an_unknown_session_is_a_page_too(shop: Shop) -> None:
    page = await shop.client.get("/pay/cs_nothing")
    assert page.status_code == 404
    assert "Test mode" in page.text


async def test_an_unknown_action_changes_nothing(shop: Shop) -> None:
    session = await shop.open()
    assert (await shop.act(session, action="steal")).status_code == 400
    assert await shop.read(session) == session


@pytest.mark.parametrize("name", ["sandbox.css", "copy.js"])
async def test_the_pages_parts_are_served(shop: Shop, name: str) -> None:
    assert (await shop.client.get(f"/static/{name}")).status_code == 200
