"""Draws the Grafana dashboards of deploy/grafana/dashboards from the tables below.

``python -m scripts.dashboards`` writes them. A row is a panel: its title, its unit in Grafana's words, and a
line for each query with its legend. Facts, which all API processes tell alike, are asked for with ``max``;
what a process counts of its own is added up.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"
_COLUMNS, _WIDTH, _HEIGHT = 3, 8, 8
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


class Panel(NamedTuple):
    """One picture. ``lines`` are pairs of a query and its legend; ``told`` says what to read out of it."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    told: str = ""


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    """A quantile of one of a process's own histograms."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) ({_rate(histogram + '_bucket', where)}))"


def rate(counter: str, by: str = "", where: str = "") -> str:
    """How often a second, over all processes."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} ({_rate(counter, where)})"


def _rate(series: str, where: str) -> str:
    return f"rate({series}{{{where}}}[$__rate_interval])" if where else f"rate({series}[$__rate_interval])"


def fact(gauge: str, by: str = "") -> str:
    """What the database says, whichever process was asked."""
    return f"max by ({by}) ({gauge})" if by else f"max({gauge})"


def _spread(histogram: str, by: str = "", where: str = "") -> tuple[tuple[str, str], ...]:
    legend = f"{{{{{by}}}}} " if by else ""
    return tuple(
        (quantile(share, histogram, by, where), f"{legend}p{share * 100:g}") for share in (0.5, 0.95)
    )


_ENDED: Final = "paysaga:payments_ended:1h"
_HTTP: Final = "billing_http_request_duration_seconds"
_CALLS: Final = "billing_provider_call_duration_seconds"
_UNANSWERED: Final = (
    'sum by (provider) (paysaga:provider_calls:rate10m{outcome=~"unavailable|unknown"})'
    " / sum by (provider) (paysaga:provider_calls:rate10m)"
)

PAYMENTS: Final = (
    Panel(
        "Payments within an hour",
        "short",
        (
            (_ENDED, "ended"),
            ("paysaga:payments_succeeded:1h", "succeeded"),
            ("paysaga:payments_succeeded:1h_usual", "usual"),
        ),
        "Usual is the lower of this hour yesterday and a week ago.",
    ),
    Panel(
        "Share that succeeds",
        "percentunit",
        (
            ("paysaga:payments_succeeded:share1h", "now"),
            ("paysaga:payments_succeeded:share1h_usual", "usual"),
        ),
        "Of payments that ended within the hour. Below 20 of them there is no share.",
    ),
    Panel("Not paid within an hour, by reason", "short", (("paysaga:payments_not_paid:1h", "{{reason}}"),)),
    Panel("Open payments", "short", ((fact("billing_payments_open", "status"), "{{status}}"),)),
    Panel("Oldest open payment", "s", ((fact("billing_payment_oldest_seconds", "status"), "{{status}}"),)),
    Panel("Open refunds", "short", ((fact("billing_refunds_open", "status"), "{{status}}"),)),
    Panel(
        "Orders until there is a checkout",
        "s",
        _spread(_HTTP, where='method="POST", route="/v1/payments", status="2xx"'),
        "After 5 s the answer is 202, without a checkout.",
    ),
    Panel(
        "What waits for a person",
        "short",
        (
            (fact("billing_approvals_pending"), "approvals"),
            ('max(billing_payments_open{status="REVIEW"})', "payments under review"),
            ('max(billing_inbox_events{state=~"DEAD|QUARANTINED"})', "provider events"),
            (fact("billing_reconciliation_differences"), "differences of books"),
        ),
    ),
    Panel(
        "The audit trail",
        "short",
        (
            (fact("billing_audit_breaches"), "breaches"),
            (fact("billing_audit_sealed_seconds"), "seconds without a seal"),
        ),
        "Breaches are 0, and records are sealed every three seconds.",
    ),
)

WEBHOOKS: Final = (
    Panel(
        "Provider webhooks a second",
        "reqps",
        ((rate("billing_webhooks_received_total", "outcome"), "{{outcome}}"),),
    ),
    Panel(
        "Provider webhooks until our answer",
        "s",
        _spread("billing_webhook_processing_duration_seconds", "provider"),
    ),
    Panel(
        "Provider webhooks until they take effect", "s", _spread("billing_webhook_age_seconds", "provider")
    ),
    Panel("Inbox: events without effect", "short", ((fact("billing_inbox_events", "state"), "{{state}}"),)),
    Panel(
        "Inbox: oldest event of a payment of ours", "s", ((fact("billing_inbox_oldest_seconds"), "oldest"),)
    ),
    Panel(
        "Webhooks of no good signature",
        "reqps",
        (
            (
                rate("billing_webhooks_received_total", "provider", 'outcome="refused_signature"'),
                "{{provider}}",
            ),
        ),
    ),
    Panel(
        "Attempts to deliver a second",
        "reqps",
        ((rate("billing_deliveries_total", "outcome"), "{{outcome}}"),),
    ),
    Panel("One attempt to deliver", "s", _spread("billing_delivery_duration_seconds")),
    Panel(
        "Deliveries that are due",
        "short",
        (
            (fact("billing_deliveries_due"), "due"),
            (fact("billing_endpoints_disabled"), "endpoints disabled"),
        ),
    ),
    Panel("Most belated delivery", "s", ((fact("billing_deliveries_oldest_seconds"), "late by"),)),
)

PROVIDERS: Final = (
    Panel(
        "Calls a second",
        "reqps",
        ((rate(f"{_CALLS}_count", "provider, outcome"), "{{provider}} {{outcome}}"),),
    ),
    Panel("One call", "s", _spread(_CALLS, "provider")),
    Panel(
        "One call, by what was wanted (p95)",
        "s",
        ((quantile(0.95, _CALLS, "provider, verb"), "{{provider}} {{verb}}"),),
    ),
    Panel(
        "Share of calls without a good answer",
        "percentunit",
        (
            (
                _UNANSWERED,
                "{{provider}}",
            ),
        ),
    ),
    Panel(
        "Accounts by how they can be used",
        "short",
        ((fact("billing_provider_accounts", "provider, state"), "{{provider}} {{state}}"),),
        "Closed: left alone for a while. Refused: the company does not take the credentials.",
    ),
    Panel(
        "Accounts that cannot be used",
        "short",
        (
            (
                'max by (provider, state) (billing_provider_accounts{state=~"closed|refused"})',
                "{{provider}} {{state}}",
            ),
        ),
    ),
)

API: Final = (
    Panel("Requests a second, by answer", "reqps", ((rate(f"{_HTTP}_count", "status"), "{{status}}"),)),
    Panel(
        "Share of errors of ours",
        "percentunit",
        (('sum(paysaga:http_requests:rate5m{status="5xx"}) / sum(paysaga:http_requests:rate5m)', "5xx"),),
    ),
    Panel("One request", "s", _spread(_HTTP)),
    Panel(
        "One request, by route (p95)",
        "s",
        ((quantile(0.95, _HTTP, "method, route"), "{{method}} {{route}}"),),
    ),
    Panel(
        "Errors of ours a second, by route",
        "reqps",
        ((rate(f"{_HTTP}_count", "method, route", 'status="5xx"'), "{{method}} {{route}}"),),
    ),
    Panel("Not let in, a second", "reqps", ((rate("billing_auth_failures_total", "kind"), "{{kind}}"),)),
    Panel(
        "Refused as too many, a second",
        "reqps",
        ((rate("billing_rate_limited_total", "scope"), "{{scope}}"),),
    ),
    Panel(
        "Counting alone",
        "reqps",
        ((rate("billing_rate_limits_unreachable_total"), "times a second"),),
        "The place where all processes count together did not answer.",
    ),
    Panel(
        "Processes that answer",
        "short",
        (('sum by (job) (up{job=~"paysaga-api|paysaga-worker"})', "{{job}}"),),
    ),
)

WORKERS: Final = (
    Panel(
        "Workflows that cannot go on",
        "short",
        ((fact("billing_workflow_problems"), "workflows"),),
        "Temporal has marked them with TemporalReportedProblems.",
    ),
    Panel(
        "Workflow tasks that failed, a second",
        "reqps",
        ((rate("temporal_workflow_task_execution_failed", "workflow_type"), "{{workflow_type}}"),),
    ),
    Panel(
        "Workflow tasks until a worker takes them",
        "s",
        _spread("temporal_workflow_task_schedule_to_start_latency", "task_queue"),
    ),
    Panel("One workflow task", "s", _spread("temporal_workflow_task_execution_latency", "workflow_type")),
    Panel(
        "Steps until a worker takes them",
        "s",
        _spread("temporal_activity_schedule_to_start_latency", "task_queue"),
    ),
    Panel(
        "One step (p95)",
        "s",
        ((quantile(0.95, "billing_activity_duration_seconds", "activity"), "{{activity}}"),),
    ),
    Panel(
        "Steps a second, by how they ended",
        "reqps",
        ((rate("billing_activity_duration_seconds_count", "outcome"), "{{outcome}}"),),
    ),
    Panel(
        "Hands that are free",
        "short",
        (
            (
                "sum by (task_queue, worker_type) (temporal_worker_task_slots_available)",
                "{{task_queue}} {{worker_type}}",
            ),
        ),
    ),
    Panel(
        "Workflows from start to end",
        "s",
        _spread("temporal_workflow_endtoend_latency", "workflow_type"),
    ),
    Panel(
        "Rounds of sweeps that failed, a second",
        "reqps",
        ((rate("billing_sweep_failures_total", "sweep"), "{{sweep}}"),),
    ),
    Panel(
        "Workflows kept in memory",
        "short",
        (("sum by (task_queue) (temporal_sticky_cache_size)", "{{task_queue}}"),),
    ),
    Panel(
        "Calls to Temporal (p95)",
        "s",
        ((quantile(0.95, "temporal_request_latency", "operation"), "{{operation}}"),),
    ),
)

DASHBOARDS: Final[dict[str, tuple[str, tuple[Panel, ...]]]] = {
    "payments": ("Paysaga: payments", PAYMENTS),
    "webhooks": ("Paysaga: webhooks in and out", WEBHOOKS),
    "providers": ("Paysaga: payment companies", PROVIDERS),
    "api": ("Paysaga: API", API),
    "workers": ("Paysaga: workers and Temporal", WORKERS),
}
"""By the name of the file: the title, and the panels from left to right."""


def drawn(name: str) -> str:
    """The file of a dashboard. Its address in Grafana, the uid, is made of its name and stays the same."""
    title, panels = DASHBOARDS[name]
    board = {
        "uid": f"paysaga-{name}",
        "title": title,
        "tags": ["paysaga"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource()]},
        "links": [_links()],
        "annotations": {"list": [_alerts()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.told,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": expr,
                "legendFormat": legend,
            }
            for place, (expr, legend) in enumerate(panel.lines)
        ],
    }


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }


def _links() -> dict[str, Any]:
    return {
        "type": "dashboards", "tags": ["paysaga"], "title": "Paysaga", "asDropdown": True,
        "icon": "external link", "includeVars": True, "keepTime": True, "targetBlank": False,
    }  # fmt: skip


def _alerts() -> dict[str, Any]:
    """When somebody was called, as marks in every picture."""
    return {
        "name": "Called somebody", "datasource": _SOURCE, "enable": True, "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Paysaga.*", alertstate="firing", severity="page"}',
        "titleFormat": "{{alertname}}", "step": "60s",
    }  # fmt: skip


def main() -> None:
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(drawn(name))


if __name__ == "__main__":
    main()
