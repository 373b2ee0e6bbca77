"""The example shop on its own: what it makes of webhooks, of a platform that is away, and whom it imports."""

import ast
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from books import Books
from desk import shop as here
from domain.signatures import new_secret, sign
from paysaga_client import AsyncPaysaga, Retry
from shop import app

CODE = Path(__file__).parents[2] / "examples/shop"
NOWHERE = "http://127.0.0.1:9"
SECRET, OTHERS = new_secret(b"1" * 32), new_secret(b"2" * 32)


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, signed in, with one order that was written down; no platform answers the shop."""
    here.books, here.secret = Books(tmp_path / "shop.db"), SECRET
    here.books.write_down("order-1", "Ada", "year")
    async with (
        httpx.AsyncClient(trust_env=False) as http,
        AsyncPaysaga(NOWHERE, "a", "s", http_client=http, retry=Retry(attempts=1)) as here.paysaga,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=NOWHERE) as browser,
    ):
        browser.cookies.set("visitor", here.books.sign_in("Ada"))
        yield browser


async def tell(
    visitor: httpx.AsyncClient, type_: str, sequence: int, *, secret: str = SECRET, **data: str
) -> int:
    now = datetime.now(UTC)
    event = {
        "eventId": f"evt_{sequence}", "eventType": type_, "type": type_, "timestamp": now.isoformat(),
        "tenantId": "ten_1", "sandbox": True, "sequence": sequence, "data": {"paymentId": "pay_1"} | data,
    }  # fmt: skip
    body = json.dumps(event).encode()
    headers = {
        "webhook-id": f"evt_{sequence}",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": sign(secret, f"evt_{sequence}", int(now.timestamp()), body),
    }
    return (await visitor.post("/webhooks", content=body, headers=headers)).status_code


def status() -> str:
    (order,) = here.books.orders("Ada")
    return order.status


async def test_a_webhook_with_our_secret_makes_the_order_paid(visitor: httpx.AsyncClient) -> None:
    assert await tell(visitor, "payment.succeeded", 3, orderId="order-1") == 204
    (order,) = here.books.orders("Ada")
    assert (order.status, order.payment_id) == ("paid", "pay_1")


async def test_nobody_else_makes_it_paid(visitor: httpx.AsyncClient) -> None:
    assert await tell(visitor, "payment.succeeded", 3, secret=OTHERS, orderId="order-1") == 400
    assert (await visitor.post("/webhooks", json={"type": "payment.succeeded"})).status_code == 400
    assert status() == "open"


async def test_a_word_is_heard_once_and_an_older_one_changes_nothing(visitor: httpx.AsyncClient) -> None:
    here.books.has_payment("order-1", "pay_1")
    assert await tell(visitor, "refund.succeeded", 7) == 204
    assert await tell(visitor, "payment.succeeded", 3, orderId="order-1") == 204
    assert status() == "refunded"
    assert await tell(visitor, "refund.failed", 9) == 204
    assert await tell(visitor, "refund.succeeded", 7) == 204
    assert status() == "paid"
    assert here.books.letters("order-1") == ["refunded", "paid", "paid"]


async def test_what_it_does_not_know_it_leaves_alone(visitor: httpx.AsyncClient) -> None:
    assert await tell(visitor, "something.new", 3, orderId="order-1") == 204
    assert await tell(visitor, "payment.succeeded", 4, orderId="of another shop") == 204
    assert status() == "open"


async def test_a_platform_that_is_away_is_neither_yes_nor_no(visitor: httpx.AsyncClient) -> None:
    here.books.has_payment("order-1", "pay_1")
    for answer in (
        await visitor.get("/members"),
        await visitor.get("/orders/order-1"),
        await visitor.post("/orders/order-1/pay"),
    ):
        assert (answer.status_code, "nothing is paid twice" in answer.text) == (503, True)
    assert status() == "open"


async def test_an_order_is_its_buyers_only(visitor: httpx.AsyncClient) -> None:
    visitor.cookies.set("visitor", here.books.sign_in("Eve"))
    for answer in (
        await visitor.get("/orders/order-1"),
        await visitor.post("/orders/order-1/pay"),
        await visitor.post("/orders/order-1/refund"),
    ):
        assert answer.status_code == 404


async def test_strangers_are_asked_who_they_are(visitor: httpx.AsyncClient) -> None:
    visitor.cookies.clear()
    for path in ("/members", "/orders/order-1"):
        answer = await visitor.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("source", sorted(CODE.glob("*.py")), ids=lambda path: path.name)
def test_the_shop_is_a_tenant_and_knows_nothing_of_ours_but_the_client(source: Path) -> None:
    siblings = {path.stem for path in CODE.glob("*.py")}
    imported = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    tops = {name.partition(".")[0] for name in imported}
    assert tops - sys.stdlib_module_names <= siblings | {"fastapi", "pydantic", "paysaga_client"}
