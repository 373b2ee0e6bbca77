"""What a span of time came to, asked over HTTP, and its payments as a sheet."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.reports import PAGE
from tests.house import House, Json, Tenant, eventually, refused
from tests.stories.tenancy import colleague

SUMMARY, SHEET = "/v1/reports/summary", "/v1/reports/payments.csv"
INVENTED = """
    INSERT INTO payments (id, tenant_id, idempotency_key, digest, user_id, amount_minor, currency, provider,
        account_id, entitlements, metadata, sandbox, status, created_at, updated_at, expires_at)
    SELECT 'pay_' || $1::text || n, $1, 'sheet-' || n, 'd', 'user-' || n, 100 + n, 'JPY', 'sandbox', a.id,
        '[]', '{}', true, 'FAILED', $2::timestamptz + n / 10 * interval '1 ms', $2, $2
    FROM generate_series(1, $3::integer) AS n, provider_accounts AS a
"""


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


async def told(tenant: Tenant, **span: str) -> Json:
    answer = await tenant.call("GET", SUMMARY, params=span)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def sheet(tenant: Tenant, **span: str) -> list[dict[str, str]]:
    answer = await tenant.call("GET", SHEET, params=span)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert re.fullmatch(
        r'attachment; filename="payments-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv"',
        answer.headers["Content-Disposition"],
    )
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_a_month_of_business_in_one_answer(house: House, tenant: Tenant) -> None:
    paid, declined = await tenant.open(amount=500_000), await tenant.open(userId='=HYPERLINK("x")')
    await tenant.pay(paid)
    await tenant.eventually(paid, "SUCCEEDED")
    await tenant.pay(declined, action="close")
    await tenant.eventually(declined, "CANCELLED")
    await tenant.call(
        "POST",
        f"/v1/payments/{paid['id']}/refunds",
        json={"amount": 200_000},
        headers={"Idempotency-Key": "r"},
    )

    async def refunded() -> Json | None:
        (huf,) = (await told(tenant))["volume"]
        return huf if huf["refunded"]["count"] else None

    assert await eventually(refunded) == {
        "currency": "HUF",
        "created": {"count": 2, "amount": 2_490_000},
        "succeeded": {"count": 1, "amount": 500_000},
        "refunded": {"count": 1, "amount": 200_000},
        "disputed": {"count": 0, "amount": 0},
        "net": 300_000,
    }
    summary = await told(await colleague(tenant, "readonly"))
    assert summary["successRate"] == {"succeeded": 1, "ended": 2, "basisPoints": 5_000}
    assert summary["paymentsByStatus"] == {"CANCELLED": 1, "SUCCEEDED": 1}
    assert summary["refunds"] == [{"status": "SUCCEEDED", "currency": "HUF", "count": 1, "amount": 200_000}]
    assert summary["disputes"] == {"opened": 0, "won": 0, "lost": 0, "byStatus": []}
    assert summary["timeToPay"]["payments"] == 1
    assert summary["churn"] == {"atStart": 0, "lost": 0, "basisPoints": None}
    assert summary["trials"] == {"started": 0, "ended": 0, "converted": 0, "basisPoints": None}
    assert (summary["mrr"], summary["recovery"]["byCurrency"]) == ([], [])
    length = datetime.fromisoformat(summary["to"]) - datetime.fromisoformat(summary["from"])
    assert length == timedelta(days=30)
    first, second = await sheet(tenant)
    assert (first["id"], first["status"], first["refundStatus"]) == (paid["id"], "SUCCEEDED", "PARTIAL")
    assert (first["amount"], first["amountDecimal"], first["amountRefunded"]) == (
        "500000",
        "5000.00",
        "200000",
    )
    assert (second["userId"], second["orderId"]) == ('\'=HYPERLINK("x")', "")
    assert (await told(await house.tenant()))["volume"] == []


async def test_a_sheet_is_whole_however_long_it_is(house: House, tenant: Tenant) -> None:
    then = datetime(2026, 1, 1, tzinfo=UTC)
    lines = PAGE + 150
    async with house.database() as db, db.transaction():
        await db.execute("SELECT set_config('app.tenant_id', $1, true)", tenant.id)
        await db.execute(INVENTED, tenant.id, then, lines)
    span = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    rows = await sheet(tenant, **span)
    assert sorted(row["userId"] for row in rows) == sorted(f"user-{n}" for n in range(1, lines + 1))
    assert [row["createdAt"] for row in rows] == sorted(row["createdAt"] for row in rows)
    # What the summary says is what the lines of the sheet come to.
    (jpy,) = (await told(tenant, **span))["volume"]
    assert jpy["created"] == {"count": lines, "amount": sum(int(row["amount"]) for row in rows)}
    assert rows[0]["amountDecimal"] == rows[0]["amount"]


@pytest.mark.parametrize("path", [SUMMARY, SHEET])
@pytest.mark.parametrize(
    "span",
    [
        {"from": "yesterday"},
        {"to": "2026-01-01"},
        {"to": "2026-01-01T00:00:00"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-01T00:00:00Z", "to": "2027-01-03T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z"},
        {"from": "9999-12-31T00:00:00Z"},
    ],
)
async def test_a_span_that_cannot_be_is_refused(shop: Tenant, path: str, span: dict[str, Any]) -> None:
    refused(await shop.call("GET", path, params=span), 422, "validation_failed")


async def test_the_edges_of_time_are_no_trouble(shop: Tenant) -> None:
    for edge in ("0001-01-01T00:00:01Z", "9999-12-31T23:59:59Z"):
        assert (await told(shop, to=edge))["volume"] == []
        assert await sheet(shop, to=edge) == []
