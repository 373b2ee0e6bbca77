"""The catalogue of events, made of the very models that events are made of."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from domain.event_data import EVENT_DATA, Data
from domain.event_types import EVENT_TYPES
from domain.events import envelope

Schema = Mapping[str, Any]

_AT: Final = datetime(2026, 11, 21, 8, 21, 24, 436000, tzinfo=UTC)
_EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "payment.succeeded": {"status": "SUCCEEDED", "amountCaptured": 1990000, "currencyCaptured": "HUF"},
    "refund.succeeded": {"status": "SUCCEEDED", "reason": "broken", "amount": 490000},
    "dispute.opened": {"status": "OPEN", "reason": "fraudulent", "evidenceDueBy": "2026-12-05T08:21:24.000Z"},
    "entitlement.granted": {},
    "subscription.activated": {
        "status": "active",
        "access": "full",
        "currentPeriodStart": "2026-11-21T08:21:23.000Z",
        "currentPeriodEnd": "2026-12-21T08:21:23.000Z",
        "pendingPriceId": None,
    },
    "invoice.paid": {"status": "paid", "total": 499000, "amountDue": 499000, "replacedBy": None},
    "endpoint.disabled": {"reason": "gone", "failingSince": "2026-11-21T08:21:23.000Z", "lastStatus": 410},
    "reconciliation.mismatch": {
        "class": "amount",
        "subject": "payment",
        "here": "paid 19900.00 HUF",
        "there": "paid 18900.00 HUF",
    },
}
"""One of each noun is shown, with what is its own; the rest is said below."""
_USUAL: Final[Mapping[str, Any]] = {
    "userId": "user-123", "orderId": "order-456", "amount": 1990000, "currency": "HUF", "provider": "sandbox",
    "metadata": {"cart": "789"}, "quantity": 1, "feature": "pro", "number": 7, "late": False,
    "cancelAtPeriodEnd": False, "url": "https://shop.example.com/webhooks", "providerReference": "py_…",
}  # fmt: skip
_NAMED: Final = {
    "paymentId": "pay", "refundId": "ref", "disputeId": "dsp", "entitlementId": "ent", "planId": "pln",
    "subscriptionId": "sub", "priceId": "prc", "invoiceId": "inv", "differenceId": "dif", "runId": "rec",
    "endpointId": "whe", "ourId": "pay",
}  # fmt: skip
_INTRODUCTION: Final = """\
All that you can be told, by webhook and in the event log. More types and more members will come: ignore what
you do not know. Each event comes in the same envelope: `eventId` is the `webhook-id` of every attempt to
deliver it, `sequence` counts your events without gaps, `type` and `eventType` are the same.
"""


def page() -> str:
    nouns: dict[str, list[str]] = {}
    for type_ in EVENT_TYPES:
        nouns.setdefault(type_.partition(".")[0], []).append(type_)
    lines = ["# Events", "", _INTRODUCTION]
    for noun, types in nouns.items():
        lines += [f"## {noun.capitalize()}", "", "| Type | Sent when |", "|---|---|"]
        lines += [f"| `{type_}` | {EVENT_TYPES[type_]} |" for type_ in types]
        lines.append("")
        for type_ in _EXAMPLES.keys() & set(types):
            lines += ["```json", json.dumps(example(type_), indent=2, ensure_ascii=False), "```", ""]
        for form in dict.fromkeys(form for type_ in types for form in EVENT_DATA[type_]):
            lines += _members_of(form, types)
    return "\n".join(lines)


def example(type_: str) -> dict[str, Any]:
    """An event of this type as it might be sent."""
    form = EVENT_DATA[type_][0]
    known = form.model_json_schema()
    said = {name: _USUAL.get(name, _id(name)) for name in known["required"]} | dict(_EXAMPLES[type_])
    data = form.model_validate(said).told()
    event = {"id": _id("evt"), "type": type_, "at": _AT, "tenant_id": _id("ten"), "sequence": 3, "data": data}
    return envelope(event, sandbox=True)


def _id(name: str) -> str | None:
    prefix = _NAMED.get(name, name if name in {"evt", "ten"} else None)
    return prefix and f"{prefix}_01m7yk48w1tshgxz1vxkq0ctcm"


def _members_of(form: type[Data], types: list[str]) -> Iterator[str]:
    known = form.model_json_schema()
    yield from (f"`data`{_which(form, types)}:", "", "| Member | | |", "|---|---|---|")
    for name, member in known["properties"].items():
        absent = "" if name in known["required"] else "*May be absent.*"
        words = " ".join(part for part in (member.get("description", ""), absent) if part)
        yield f"| `{name}` | {_kind(member, known)} | {words} |"
    yield ""


def _which(form: type[Data], types: list[str]) -> str:
    told = [type_ for type_ in types if form in EVENT_DATA[type_]]
    forms = EVENT_DATA[told[0]]
    if len(forms) > 1:
        return (
            " of an invoice of ours"
            if form is forms[0]
            else " of a bill that [the company wrote](integration/company-schedules.md)"
        )
    return "" if told == types else " of " + ", ".join(f"`{type_}`" for type_ in told)


def _kind(member: Schema, known: Schema) -> str:
    if "$ref" in member:
        member = known["$defs"][member["$ref"].rpartition("/")[2]]
    if "anyOf" in member:
        return " or ".join(_kind(each, known) for each in member["anyOf"])
    if "enum" in member:
        return ", ".join(f"`{each}`" for each in member["enum"])
    if member["type"] == "object":
        return "object of string"
    return str(member.get("format", member["type"]))
