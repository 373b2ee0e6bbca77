"""The page of one payment: its facts, all that happened to it in order of time, and what may be done now."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from api.browsers import Visitor
from api.deps import House, TheHouse
from api.proofs import prove_payment
from console.frame import Crumb, address, framed
from console.guard import HOME, ConsoleRoute, TheVisitor, tenants_person
from console.lists import TONES
from console.pages import language_of, moment
from console.possible import may_decide, possible, waiting
from console.reading import reading
from console.situations import Tone, arrived, given_back
from console.texts import TEXTS
from console.timeline import Kind, told
from documents.words import Language, money
from domain.dispute import DisputeRef
from domain.errors import TokenExpired
from domain.money import Money
from domain.payment import DisputeStatus, Payment, RefundStatus
from storage import invoices, payments, reports, tenants
from workflows import dispute, late, refund, review
from workflows import payment as paying

router = APIRouter(prefix=f"{HOME}/payments", include_in_schema=False, route_class=ConsoleRoute)

Line = Mapping[str, Any]


@router.get("/{payment_id}")
async def show_payment(
    payment_id: str,
    request: Request,
    here: TheHouse,
    who: TheVisitor,
    kind: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """All that is known of a payment, for its tenant's people and for the platform's operator."""
    language, now = language_of(request), here.world.clock()
    async with reading(here, who) as tx:
        payment = await payments.get(tx, payment_id)
        found = await reports.dossier(tx, payment_id)
        subscription_id = None
        if payment.order.invoice_id is not None:
            subscription_id = (await invoices.get(tx, payment.order.invoice_id)).subscription_id
        owner = None if who.caller else await tenants.get(tx, payment.order.tenant_id)
    chapters = found["tables"]
    facts = {
        "payment": payment,
        "owner": owner,
        "subscription_id": subscription_id,
        "tone": TONES.get(payment.status, Tone.QUIET),
        "amount": _written(payment.order.money, language),
        "lines": _facts(payment, language),
        "may": possible(payment, chapters["Approvals"], who.caller),
        "waiting": [_approval(line, who, language) for line in waiting(chapters["Approvals"], now)],
        "cases": [_case(line, noun, language) for noun, line in _cases(chapters)],
        "payers_page": _payers_page(here, who, payment),
        "workflows": _workflows(here, chapters, payment) if who.caller is None else [],
        **_timeline(chapters, kind, language),
    }
    above = [Crumb(f"{HOME}/payments", TEXTS[language]["nav_payments"])]
    return await framed(request, here, who, "payment.html", above, address=partial(address, request), **facts)


@router.get("/{payment_id}/proof")
async def download_proof(payment_id: str, here: TheHouse, who: TheVisitor) -> Response:
    """The bundle that the API gives, as a file."""
    proof = await prove_payment(payment_id, tenants_person(who), here)
    name = f'attachment; filename="{payment_id}-proof.json"'
    content = json.dumps(proof.model_dump(mode="json", by_alias=True), ensure_ascii=False, indent=2)
    headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
    return Response(content, media_type="application/json", headers=headers)


def _written(sum_: Money, language: Language) -> str:
    return money(sum_.amount_minor, sum_.currency, language, spoken=True)


def _facts(payment: Payment, language: Language) -> list[tuple[str, Any]]:
    """Keys of their names, and values; moments as ``moment`` writes them. What says nothing is left out."""
    order = payment.order
    sums = {"arrived": arrived(payment), "given_back": given_back(payment)}
    refunded = payment.refund_status is not RefundStatus.NONE
    disputed = payment.dispute_status is not DisputeStatus.NONE
    found = {
        **{name: _written(sum_, language) for name, sum_ in sums.items() if sum_ is not None},
        "user": order.user_id,
        "order": order.order_id,
        "email": order.customer_email,
        "description": order.description,
        "provider": order.provider,
        "provider_reference": payment.provider_reference,
        "capture_reference": payment.capture_reference,
        "failure": payment.failure_code,
        "failure_message": payment.failure_message,
        "refunds": f"refund_status_{payment.refund_status}" if refunded else None,
        "disputes": f"dispute_status_{payment.dispute_status}" if disputed else None,
        "late": "yes" if payment.late else None,
        "created": moment(order.created_at, language),
        "expires": moment(order.expires_at, language) if payment.captured is None else None,
        "updated": moment(payment.updated_at, language),
        "request": order.correlation_id,
        "metadata": ", ".join(f"{key}: {value}" for key, value in order.metadata.items()),
    }
    return [(f"fact_{name}", value) for name, value in found.items() if value]


def _cases(chapters: Mapping[str, Sequence[Line]]) -> list[tuple[str, Line]]:
    refunds = [("refund", line) for line in chapters["Refunds"]]
    return refunds + [("dispute", line) for line in chapters["Disputes"]]


def _case(line: Line, noun: str, language: Language) -> dict[str, Any]:
    return {
        "id": line["id"],
        "noun": noun,
        "amount": money(line["amount_minor"], line["currency"], language, spoken=True),
        "state": line["state"],
        "tone": TONES.get(line["state"], Tone.QUIET),
        "reason": line["reason"],
        "failure": line.get("failure_code"),
        "at": moment(line["at"], language),
        "due": (due := line.get("evidence_due_by")) and moment(due, language),
    }


def _approval(line: Line, who: Visitor, language: Language) -> dict[str, Any]:
    return {
        "id": line["id"],
        "text": "approval_accept" if line["choice"] == "accept" else "approval_refund",
        "amount": money(line["amount_minor"], line["currency"], language, spoken=True),
        "by": line["requested_by"],
        "reason": line["reason"],
        "until": moment(line["expires_at"], language),
        "mine": may_decide(line, who.caller),
    }


def _payers_page(here: House, who: Visitor, payment: Payment) -> str | None:
    """As long as its token is good. The operator is nobody whom the tenant gave it to."""
    if who.caller is None:
        return None
    token = here.tokens.checkout(payment.order)
    try:
        here.tokens.read_checkout(token, here.world.clock())
    except TokenExpired:
        return None
    return f"/pay/{payment.id}?{urlencode({'token': token})}"


def _workflows(here: House, chapters: Mapping[str, Sequence[Line]], payment: Payment) -> list[dict[str, str]]:
    """Where Temporal's own UI shows them."""
    if here.temporal_ui is None:
        return []
    tenant_id = payment.order.tenant_id
    ids = [paying.workflow_id(tenant_id, payment.id), late.workflow_id(tenant_id, payment.id)]
    ids += [refund.workflow_id(tenant_id, line["id"]) for line in chapters["Refunds"]]
    ids += [_of_dispute(line, payment) for line in chapters["Disputes"]]
    ids += [
        review.workflow_id(tenant_id, line["id"])
        for line in chapters["Approvals"]
        if line["kind"] == "review"
    ]
    where = f"{here.temporal_ui}/namespaces/{here.temporal.namespace}/workflows"
    return [{"id": each, "path": f"{where}/{quote(each, safe='')}"} for each in ids]


def _of_dispute(line: Line, payment: Payment) -> str:
    ref = DisputeRef(
        tenant_id=payment.order.tenant_id,
        payment_id=payment.id,
        dispute_id=line["id"],
        provider=line["provider"],
        money=Money(amount_minor=line["amount_minor"], currency=line["currency"]),
    )
    return dispute.workflow_id(ref)


def _timeline(chapters: Mapping[str, Sequence[Line]], kind: str, language: Language) -> dict[str, Any]:
    """What happened, perhaps of one kind only, and how much there is of each kind."""
    everything = told(chapters, language)
    chosen = Kind(kind) if kind in set(Kind) else None
    counted = {each: sum(happening.kind is each for happening in everything) for each in Kind}
    return {
        "kinds": {each: count for each, count in counted.items() if count},
        "chosen": chosen,
        "timeline": [
            (_to_the_second(each.at, language), each)
            for each in everything
            if chosen is None or each.kind is chosen
        ],
        "cut_short": any(len(lines) >= reports.MOST for lines in chapters.values()),
        "all_of_it": len(everything),
    }


def _to_the_second(at: datetime, language: Language) -> dict[str, str]:
    """Within a payment, minutes say too little."""
    written = moment(at, language)
    return written | {"written": written["written"].replace(f"{at:%H:%M}", f"{at:%H:%M:%S}")}
