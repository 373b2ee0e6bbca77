"""What Prometheus reads of API and worker: numbers that move with what happens, and nobody's name."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from domain.outcome import REASONS
from storage.facts import OPEN_EVENTS, OPEN_PAYMENTS, OPEN_REFUNDS
from tests.house import House, Receiver, Tenant, eventually, refused, sealed

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operations" / "metrics.md"
ROW: Final = re.compile(r"^\| `(billing_\w+)` \|(.*?)\| ([a-z, ]+) \| (?:fact|own) \|", re.MULTILINE)
TOTAL: Final = "billing_payments_success_total"
FAILED: Final = "billing_payments_failure_total"
WEBHOOKS: Final = "billing_webhooks_received_total"
DOORS: Final = "billing_auth_failures_total"
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def page(house: House, *, worker: bool = False) -> str:
    answer = await house.http.get(house.ready["workerMetricsUrl"] if worker else "/metrics")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    return answer.text


def figures(text: str) -> Figures:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Figures, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def total(found: Figures, name: str, **labels: str) -> float:
    """Over all series of this name with these labels."""
    return sum(
        number for (known, of), number in found.items() if known == name and of >= frozenset(labels.items())
    )


async def grown(look: Callable[[], Awaitable[Figures]], before: Figures, name: str, **labels: str) -> None:
    async def more() -> bool | None:
        return total(await look(), name, **labels) > total(before, name, **labels) or None

    await eventually(more)


async def test_payments_that_ended_are_counted_once_each(house: House, tenant: Tenant) -> None:
    async def look() -> Figures:
        return figures(await page(house))

    before = await look()
    await tenant.paid()
    await tenant.fault("checkout.create", "before", "status:422", count=1)
    refused(await tenant.create(), 502, "provider_misconfigured")
    left = await tenant.open()
    await tenant.call("POST", f"/v1/payments/{left['id']}/cancel")
    await tenant.eventually(left, "CANCELLED")
    await grown(look, before, TOTAL)
    await grown(look, before, FAILED, reason="provider_misconfigured")
    await grown(look, before, FAILED, reason="cancelled")
    # Others may end theirs at the same time; of ours there is exactly this.
    await sealed(tenant)
    counted = await tenant.rows("SELECT outcome, payments FROM payment_tallies WHERE outcome <> ''")
    assert {row["outcome"]: row["payments"] for row in counted} == {
        "succeeded": 1,
        "provider_misconfigured": 1,
        "cancelled": 1,
    }


async def test_who_is_turned_away_is_counted_at_that_door(house: House, tenant: Tenant) -> None:
    before = figures(await page(house))
    stripe = {"credentials": {"apiKey": "sk_test_1", "webhookSecret": "whsec_of_nobody"}}
    set_up = await tenant.call("PUT", "/v1/tenants/me/providers/stripe", json=stripe)
    hook = httpx.URL(set_up.json()["webhookUrl"]).path
    signed = {"Stripe-Signature": "t=1,v1=00"}
    assert (await house.http.post(hook, content=b"{}", headers=signed)).status_code == 401
    assert (await house.http.post(hook, content=b"{}")).status_code == 400
    assert (await house.http.post(f"{hook}0", content=b"{}")).status_code == 404
    wrong = {"appName": tenant.registered["appName"], "appSecret": "wrong"}
    assert (await house.http.post("/v1/tenants/login", json=wrong)).status_code == 401
    shown = {"Authorization": "Bearer none"}
    assert (await house.http.get("/v1/payments", headers=shown)).status_code == 401
    nobody = {"X-Admin-Key": "none"}
    assert (await house.http.post("/v1/tenants/ten_x/suspend", headers=nobody)).status_code == 401
    after = figures(await page(house))
    moved = {
        (name, *sorted(labels.values()))
        for name, labels in (
            (WEBHOOKS, {"provider": "stripe", "outcome": "refused_signature"}),
            (WEBHOOKS, {"provider": "stripe", "outcome": "refused_other"}),
            (DOORS, {"kind": "login"}),
            (DOORS, {"kind": "token"}),
            (DOORS, {"kind": "admin"}),
        )
        if value(after, name, **labels) > value(before, name, **labels)
    }
    assert len(moved) == 5
    by = {
        kind: value(after, DOORS, kind=kind) - value(before, DOORS, kind=kind) for kind in ("login", "admin")
    }
    assert by == {"login": 1, "admin": 1}
    signatures = {"provider": "stripe", "outcome": "refused_signature"}
    assert value(after, WEBHOOKS, **signatures) - value(before, WEBHOOKS, **signatures) == 2
    # Nobody vouched for them, so they say nothing of how long a company waits.
    duration = "billing_webhook_processing_duration_seconds_count"
    assert value(after, duration, provider="stripe") == value(before, duration, provider="stripe")


async def test_a_payments_way_is_measured_where_it_goes(house: House, receiver: Receiver) -> None:
    async def api() -> Figures:
        return figures(await page(house))

    async def worker() -> Figures:
        return figures(await page(house, worker=True))

    of_api, of_worker = await api(), await worker()
    tenant = await house.tenant(receiver.url)
    await tenant.paid()
    await receiver.event("payment.succeeded")
    await grown(api, of_api, WEBHOOKS, provider="sandbox", outcome="accepted")
    await grown(api, of_api, "billing_webhook_processing_duration_seconds_count", provider="sandbox")
    created = {"method": "POST", "route": "/v1/payments", "status": "2xx"}
    await grown(api, of_api, "billing_http_request_duration_seconds_count", **created)
    await grown(worker, of_worker, "billing_webhook_age_seconds_count", provider="sandbox")
    called = {"provider": "sandbox", "verb": "open_checkout", "outcome": "ok"}
    await grown(worker, of_worker, "billing_provider_call_duration_seconds_count", **called)
    await grown(worker, of_worker, "billing_deliveries_total", outcome="delivered")
    await grown(worker, of_worker, "billing_delivery_duration_seconds_count")
    for step in ("open_checkout", "settle", "carry"):
        await grown(worker, of_worker, "billing_activity_duration_seconds_count", activity=step, outcome="ok")
    # The Temporal SDK's own, in seconds.
    await grown(
        worker, of_worker, "temporal_workflow_endtoend_latency_count", workflow_type="PaymentWorkflow"
    )
    assert value(await api(), "billing_facts_readable") == 1


async def test_no_label_is_a_callers(house: House, tenant: Tenant) -> None:
    payment = await tenant.paid()
    await house.http.get("/v1/made-up/by-somebody")
    await house.http.request("BREW", "/v1/payments")
    await house.http.post("/v1/billing/webhooks/acme/acc_made_up", content=b"{}")
    await tenant.get(payment)
    text = await page(house) + await page(house, worker=True)
    told = {payment["id"], tenant.id, tenant.registered["appName"], "made", "BREW", "acme", "user-123"}
    assert [word for word in told if word in text] == []
    found = figures(text)
    assert total(found, "billing_http_request_duration_seconds_count", method="unknown") > 0
    assert total(found, "billing_http_request_duration_seconds_count", route="unknown") > 0
    assert total(found, WEBHOOKS, provider="unknown", outcome="refused_other") > 0


async def test_all_that_can_be_counted_is_there_from_the_start(house: House) -> None:
    found = figures(await page(house))
    by_label = {
        FAILED: ("reason", REASONS),
        "billing_payments_open": ("status", OPEN_PAYMENTS),
        "billing_payment_oldest_seconds": ("status", OPEN_PAYMENTS),
        "billing_refunds_open": ("status", OPEN_REFUNDS),
        "billing_inbox_events": ("state", OPEN_EVENTS),
        DOORS: ("kind", ("login", "token", "admin", "console")),
    }
    for name, (label, values) in by_label.items():
        shown = {dict(labels)[label] for known, labels in found if known == name}
        assert shown == set(values), name
    assert (TOTAL, frozenset()) in found


async def test_the_page_about_metrics_names_what_is_there_and_nothing_else(house: House) -> None:
    rows = {name: (labels, job) for name, labels, job in ROW.findall(PAGE.read_text())}
    assert len(rows) == len(ROW.findall(PAGE.read_text())) > 25

    async def looked_at() -> bool | None:
        # The worker has asked Temporal.
        return "billing_workflow_problems" in await page(house, worker=True) or None

    await eventually(looked_at)
    for job, text in (("api", await page(house)), ("worker", await page(house, worker=True))):
        there = set(re.findall(r"^# TYPE (billing_\w+) ", text, re.MULTILINE))
        assert there == {name for name, (_, jobs) in rows.items() if job in jobs.split(", ")}
        for name, labels in figures(text):
            family = re.sub(r"_(bucket|count|sum)$", "", name)
            if family in rows:
                named = set(re.findall(r"`(\w+)`", rows[family][0]))
                assert {label for label, _ in labels} - {"le"} == named, name
