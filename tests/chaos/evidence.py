"""What the platform is judged by, gathered from outside: the payment company's ledger, the shops' post and
what they were told over HTTP, the database as its superuser sees it, and what ``paysaga verify`` says.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.chaos.mail import Letter
from tests.chaos.shops import Shop, Told
from tests.house import House, Json

_QUERIES: Final = {
    "payments": "SELECT id, tenant_id, idempotency_key, amount_minor, currency, status, refund_status,"
    " dispute_status, created_at FROM payments",
    "payment_events": "SELECT payment_id, type, at FROM payment_events",
    "ledger_entries": "SELECT transaction_id, payment_id, account, currency, amount_minor"
    " FROM ledger_entries",
    "inbox": "SELECT event_id, payment_id, state, note FROM inbox",
    "events": "SELECT id, tenant_id, sequence, type, payment_id FROM events",
    "deliveries": "SELECT id, event_id, endpoint_id, state, attempts, last_error FROM deliveries",
    "webhook_endpoints": "SELECT id, tenant_id, status FROM webhook_endpoints",
}
_REFUNDS: Final = "SELECT to_jsonb(refunds)::text AS refund FROM refunds"
# What must have come to rest before anybody may judge.
_WAITING: Final = {
    "open payments": "SELECT count(*) FROM payments"
    " WHERE status IN ('CREATED', 'PROVIDER_PENDING', 'UNKNOWN')",
    "provider events": "SELECT count(*) FROM inbox WHERE state IN ('RECEIVED', 'UNMATCHED')",
    "webhooks to shops": "SELECT count(*) FROM deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id"
    " WHERE d.state = 'PENDING' AND w.status = 'enabled'",
}
_REFUNDS_WAITING: Final = (
    "SELECT count(*) FROM refunds WHERE to_jsonb(refunds)->>'status' IN ('PENDING', 'UNKNOWN')"
)
_AT_A_TIME: Final = 8


@dataclass
class Evidence:
    told: list[Told]
    letters: list[Letter]
    ledger: Json
    """The payment company's, as ``/_control/ledger`` shows it."""
    lists: dict[str, list[Json]]
    """Each tenant's payments, as its own token sees them."""
    rights: dict[str, list[Json]]
    """By payment: what its user may do, as the API says."""
    trespasses: list[Json]
    """A tenant's question about another's payment, and the status of the answer."""
    bugs: list[tuple[str, str]]
    """Answers of 500: the tenant and the request."""
    rows: dict[str, list[Json]]
    verified: Json

    def keep(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), default=str, indent=1))


async def waiting(house: House, told: Iterable[Told]) -> dict[str, int]:
    """What is still on its way, by kind; empty when all has come to rest."""
    async with house.database(role="postgres") as db:
        queries = dict(_WAITING)
        if await _has_refunds(db):
            queries["refunds"] = _REFUNDS_WAITING
        counts = {what: await db.fetchval(query) for what, query in queries.items()}
    if not any(counts.values()):
        counts["events of the payment company"] = await _undelivered(house, told)
    return {what: count for what, count in counts.items() if count}


async def _undelivered(house: House, told: Iterable[Told]) -> int:
    lost = {payment for each in told if each.order.webhooks == "lost" for payment in each.payment_ids}
    count = 0
    for event in (await house.control("GET", "webhooks"))["data"]:
        answers = [attempt["status"] for attempt in event["attempts"]]
        count += 200 not in answers and not (event["reference"] in lost and not answers)
    return count


async def gather(house: House, shops: Sequence[Shop], told: list[Told], letters: list[Letter]) -> Evidence:
    lists = {shop.tenant_id: await _listed(house, shop) for shop in shops}
    async with house.database(role="postgres") as db, db.transaction(readonly=True):
        rows = {what: _plain(await db.fetch(query)) for what, query in _QUERIES.items()}
        found = await db.fetch(_REFUNDS) if await _has_refunds(db) else []
        rows["refunds"] = [json.loads(row["refund"]) for row in found]
    return Evidence(
        told=told,
        letters=letters,
        ledger=await house.control("GET", "ledger"),
        lists=lists,
        rights=await _rights(house, shops, told),
        trespasses=[await _trespass(house, shops, number, lists) for number in range(len(shops))],
        bugs=[(shop.tenant_id, request) for shop in shops for request in shop.bugs],
        rows=rows,
        verified=await _verified(house),
    )


async def _has_refunds(db: asyncpg.Connection) -> bool:
    return await db.fetchval("SELECT to_regclass('refunds')") is not None


def _plain(rows: Iterable[asyncpg.Record]) -> list[Json]:
    return [dict(row) for row in rows]


async def _ask(house: House, shop: Shop, path: str, **query: Any) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {shop.token}"}
    answer = await house.http.get(path, headers=headers, params=query)
    return answer.status_code, answer.json()


async def _listed(house: House, shop: Shop) -> list[Json]:
    listed: list[Json] = []
    cursor: Json = {}
    while True:
        _, page = await _ask(house, shop, "/v1/payments", limit=100, **cursor)
        listed += page["data"]
        if page["nextCursor"] is None:
            return listed
        cursor = {"cursor": page["nextCursor"]}


async def _rights(house: House, shops: Sequence[Shop], told: list[Told]) -> dict[str, list[Json]]:
    hands = asyncio.Semaphore(_AT_A_TIME)

    async def of(each: Told) -> tuple[str, list[Json]]:
        async with hands:
            shop = shops[each.order.shop]
            _, found = await _ask(house, shop, "/v1/entitlements", userId=each.order.user)
            return each.payment_ids[0], found["data"]

    return dict(await asyncio.gather(*(of(each) for each in told if each.payment_ids)))


async def _trespass(house: House, shops: Sequence[Shop], number: int, lists: dict[str, list[Json]]) -> Json:
    """Each shop asks for a payment of the next one."""
    shop, other = shops[number], shops[(number + 1) % len(shops)]
    payment_id = next(iter(lists[other.tenant_id]), {"id": "pay_none"})["id"]
    status, _ = await _ask(house, shop, f"/v1/payments/{payment_id}")
    return {"tenant": shop.tenant_id, "payment": payment_id, "status": status}


async def _verified(house: House) -> Json:
    environment = os.environ | {"PAYSAGA_READY_FILE": str(house.data_dir / "ready.json")}
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "verify", "--json"),
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asked.communicate()
    verified: Json = json.loads(said)
    return verified
