"""The payer's page in every situation and both languages: readable by everybody, and by nobody misused."""

import re
from pathlib import Path
from string import Formatter

import pytest

import console
from console.situations import MANNERS, Situation, Way
from console.texts import TEXTS, payer
from documents.words import Language
from domain.money import Money
from tests.console.payers import PRICE, Read, payment, shown

STYLE = (Path(console.__file__).parent / "static/pages.css").read_text()
S = Situation
every_page = pytest.mark.parametrize("language", list(Language))


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS.keys() == set(Language)
    english, hungarian = TEXTS[Language.EN], TEXTS[Language.HU]
    assert english.keys() == hungarian.keys()
    for key, text in english.items():
        assert key not in payer.EN or places(text) <= {"tenant", "amount", "given_back"}
        # Which value is named may differ; that it is the shop's, never.
        assert places(hungarian[key]) <= {*places(text), "tenant"}, key


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_situation_has_its_words() -> None:
    for situation in Situation:
        for texts in TEXTS.values():
            assert texts[f"{situation}_title"]
            assert texts[f"{situation}_text"]


@every_page
def test_every_page_is_one_that_a_screen_reader_can_read(language: Language) -> None:
    for situation in Situation:
        page = shown(situation, language)
        assert page.one("html").attributes["lang"] == language
        assert page.one("title").text.strip()
        (status,) = [each for each in page.elements if each.attributes.get("role") == "status"]
        assert status.attributes["aria-live"] == "polite"
        assert page.one("h1").text in status.text
        assert page.one("h1").text == TEXTS[language][f"{situation}_title"]
        assert all(link.text.strip() for link in page.all("a"))
        assert len(page.all("dt")) == len(page.all("dd"))
        assert page.one("main").text.strip()
        # The sign is an ornament: what it means is said in words.
        assert all(mark.attributes["aria-hidden"] == "true" for mark in page.all("span"))
        assert not re.search(r"[{}]|None", page.text)


@every_page
def test_no_page_holds_a_script_a_style_or_an_address_of_somebody_else(language: Language) -> None:
    for situation in Situation:
        page = shown(situation, language)
        assert not page.all("style")
        for element in page.elements:
            assert not {name for name in element.attributes if name.startswith("on") or name == "style"}
            for name in ("src", "href"):
                if element.tag != "a" and name in element.attributes:
                    assert re.match(r"/assets/|data:,$", element.attributes[name] or "")
        assert not page.one("script").text


@every_page
def test_where_money_may_still_be_on_its_way_nobody_is_invited_to_pay_again(language: Language) -> None:
    again = {Language.EN: "not pay again", Language.HU: "ne fizessen újra"}[language]
    for situation in (S.CLOSING, S.UNKNOWN, S.REVIEW, S.HELD):
        page = shown(situation, language)
        assert again in page.text
        assert page.links() == []


def test_each_way_on_leads_where_it_should() -> None:
    to = {
        Way.PAY: ["https://pay.example.com/cs_1"],
        Way.AGAIN: ["https://shop.example.com/cart"],
        Way.ON: ["https://shop.example.com/thanks"],
        Way.NOWHERE: [],
    }
    for situation in Situation:
        page = shown(situation)
        assert page.links() == to[MANNERS[situation].way], situation
        for link in page.all("a"):
            if "class" in link.attributes:
                assert link.attributes["rel"] == "noopener noreferrer"


@every_page
def test_without_an_address_of_the_shop_words_lead_back_there(language: Language) -> None:
    nowhere = {"success_url": None, "cancel_url": None}
    for status in ("FAILED", "EXPIRED", "CANCELLED"):
        page = shown(payment(status, nowhere), language)
        assert page.links() == []
        assert TEXTS[language]["start_again_yourself"].format(tenant="Story") in page.text
    assert shown(payment("SUCCEEDED", nowhere, captured=PRICE), language).links() == []


def test_an_address_that_is_no_web_page_is_not_linked() -> None:
    page = shown(payment("CANCELLED", {"cancel_url": "javascript:alert(1)"}))
    assert page.links() == []
    assert "javascript" not in "".join(str(element.attributes) for element in page.elements)


def test_what_others_wrote_is_shown_as_they_wrote_it_and_does_nothing() -> None:
    hostile = """"'><img src=x onerror=alert(1)> {{ 7*7 }} {amount} {tenant.__class__}"""
    page = shown(payment("CANCELLED", {"description": hostile}), tenant=hostile)
    assert not page.all("img")
    assert page.text.count(hostile) == 3  # the button, whom it is for, and what for
    assert hostile in page.one("title").text


@every_page
def test_a_page_looks_again_by_itself_only_while_something_may_happen(language: Language) -> None:
    for situation in Situation:
        page = shown(situation, language)
        refreshes = [each for each in page.all("meta") if each.attributes.get("http-equiv") == "refresh"]
        moving = MANNERS[situation].moving
        assert bool(refreshes) is moving
        assert ("data-moving" in page.one("main").attributes) is moving
        assert (TEXTS[language]["watching"] in page.text) is moving


@pytest.mark.parametrize(
    ("minor", "currency", "english", "hungarian"),
    [
        (1_990_000, "HUF", "HUF\u00a019,900", "19\u00a0900\u00a0Ft"),
        (1_990_050, "HUF", "HUF\u00a019,900.50", "19\u00a0900,50\u00a0Ft"),
        (4_900, "EUR", "€49.00", "49,00\u00a0EUR"),
        (500, "JPY", "¥500", "500\u00a0¥"),
        (1_500, "KWD", "KWD\u00a01.500", "1,500\u00a0KWD"),
    ],
)
def test_amounts_are_written_as_their_readers_write_them(
    minor: int, currency: str, english: str, hungarian: str
) -> None:
    order = {"money": Money(amount_minor=minor, currency=currency)}
    for language, expected in ((Language.EN, english), (Language.HU, hungarian)):
        assert amounts(shown(payment(order=order), language))[0] == expected


def amounts(page: Read) -> list[str]:
    return [value.text for value in page.all("dd")]


def test_other_money_than_ordered_and_what_went_back_is_told_by_its_amount() -> None:
    less = Money(amount_minor=1_000_000, currency="HUF")
    assert amounts(shown(payment("REVIEW", captured=less)))[:2] == ["HUF\u00a019,900", "HUF\u00a010,000"]
    partly = payment("SUCCEEDED", captured=PRICE, amount_refunded=490_000, refund_status="PARTIAL")
    page = shown(partly, Language.HU)
    assert amounts(page)[:2] == ["19\u00a0900\u00a0Ft", "4\u00a0900\u00a0Ft"]
    assert "A kifizetett összegből (19 900 Ft) visszatérítve: 4 900 Ft." in page.text


def test_real_money_shows_no_banner_and_play_money_always_does() -> None:
    for status in ("PROVIDER_PENDING", "SUCCEEDED", "FAILED"):
        assert TEXTS[Language.EN]["banner"] in shown(payment(status)).text
        assert TEXTS[Language.EN]["banner"] not in shown(payment(status, {"sandbox": False})).text


# --- Colours --------------------------------------------------------------------------------------


def colours(part: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))


LIGHT = colours(STYLE.partition("@media (prefers-color-scheme: dark)")[0])
DARK = colours(STYLE.partition("@media (prefers-color-scheme: dark)")[2])


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [
        ("ink", "card", 7),
        ("ink", "ground", 7),
        ("soft", "card", 4.5),
        ("soft", "ground", 4.5),
        ("accent-ink", "accent", 4.5),
        ("test-ink", "test", 4.5),
        ("accent", "card", 3),
        ("good", "card", 3),
        ("bad", "card", 3),
        ("wait", "card", 3),
    ],
)
def test_colours_stand_out_from_what_they_stand_on(
    scheme: dict[str, str], ink: str, paper: str, least: float
) -> None:
    assert contrast(scheme[ink], scheme[paper]) >= least


def test_both_schemes_have_the_same_colours() -> None:
    assert LIGHT.keys() == DARK.keys() != set()


def test_nothing_turns_for_those_who_asked_for_quiet() -> None:
    _, _, calm = STYLE.partition("@media (prefers-reduced-motion: no-preference)")
    for rule in ("animation:", "transition:"):
        assert STYLE.count(rule) == calm.count(rule) > 0
