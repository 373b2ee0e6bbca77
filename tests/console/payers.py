"""Payments as their rows tell them, for pages that are made without a house; and how a page is read."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any, Final

from console.pages import render
from console.pay import view
from console.situations import Situation, situation
from documents.words import Language
from domain.money import Money
from domain.payment import Payment, PaymentOrder, PaymentStatus

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PRICE: Final = Money(amount_minor=1_990_000, currency="HUF")
VOID: Final = {"meta", "link", "br", "path", "img", "input", "hr"}


def payment(status: str = "PROVIDER_PENDING", order: dict[str, Any] | None = None, **facts: Any) -> Payment:
    """A payment of 19 900 forints, ordered at noon, to be paid in a quarter of an hour."""
    wanted = {
        "payment_id": "pay_01m7yk5h55pv2kvmpbhzwg4k2w",
        "tenant_id": "ten_01m7yk5h55pv2kvmpbhzwg4k2w",
        "idempotency_key": "key",
        "digest": "d",
        "user_id": "user-123",
        "money": PRICE,
        "provider": "sandbox",
        "description": "Pro, yearly",
        "success_url": "https://shop.example.com/thanks",
        "cancel_url": "https://shop.example.com/cart",
        "sandbox": True,
        "created_at": NOON,
        "expires_at": NOON + timedelta(minutes=15),
    }
    known = {"checkout_url": "https://pay.example.com/cs_1", "updated_at": NOON}
    return Payment(
        order=PaymentOrder(**(wanted | (order or {}))),
        account_id="acc_1",
        status=PaymentStatus(status),
        **(known | facts),
    )


class Read(HTMLParser):
    """A page as it was parsed: every element with its attributes and the text in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(page)
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Element(tag, dict(attrs))
        self.elements.append(found)
        if tag not in VOID:
            self._open.append(found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str) -> list["Element"]:
        return [element for element in self.elements if element.tag == tag]

    def one(self, tag: str) -> "Element":
        (found,) = self.all(tag)
        return found

    def links(self) -> list[str]:
        """Where the page's buttons lead."""
        return [link.attributes["href"] or "" for link in self.all("a") if "class" in link.attributes]

    @property
    def text(self) -> str:
        return " ".join(self.one("body").text.split())


class Element:
    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag, self.attributes, self.text = tag, attributes, ""

    def __repr__(self) -> str:
        return f"<{self.tag} {self.attributes}>"


def shown(
    what: Payment | Situation, language: Language = Language.EN, tenant: str = "Story", **more: Any
) -> Read:
    """The page of a payment at noon, or of an ordinary payment in this situation."""
    if isinstance(what, Payment):
        row, stands = what, situation(what, NOON, **more)
    else:
        row, stands = payment(captured=PRICE, amount_refunded=490_000), what
    facts = view(row, stands, language) | {"tenant": tenant, "token": "the-token"}
    return Read(bytes(render("pay.html", facts).body).decode())
