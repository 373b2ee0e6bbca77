"""Payments, refunds and disputes as lists: searched, newest first, a page at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from api import cursors
from api.browsers import Visitor
from api.deps import TheHouse
from console import typed
from console.frame import address, framed
from console.guard import HOME, ConsoleRoute, TheVisitor
from console.pages import language_of, moment
from console.reading import reading
from console.situations import Tone
from documents.words import Language, money
from domain.dispute import Dispute, DisputeState
from domain.money import CURRENCIES, Money
from domain.payment import Payment, PaymentStatus
from domain.refund import Refund, RefundState
from storage import searches, tenants

router = APIRouter(prefix=HOME, include_in_schema=False, route_class=ConsoleRoute)

_PER_PAGE: Final = 25
TONES: Final[Mapping[str, Tone]] = {
    PaymentStatus.CREATED: Tone.WAIT,
    PaymentStatus.PROVIDER_PENDING: Tone.WAIT,
    PaymentStatus.SUCCEEDED: Tone.GOOD,
    PaymentStatus.FAILED: Tone.BAD,
    PaymentStatus.UNKNOWN: Tone.BAD,
    PaymentStatus.REVIEW: Tone.BAD,
    RefundState.PENDING_APPROVAL: Tone.WAIT,
    RefundState.PENDING: Tone.WAIT,
    DisputeState.INQUIRY: Tone.WAIT,
    DisputeState.OPEN: Tone.BAD,
    DisputeState.UNDER_REVIEW: Tone.WAIT,
    DisputeState.WON: Tone.GOOD,
    DisputeState.LOST: Tone.BAD,
}
"""How the states of payments, refunds and disputes look; the rest are quiet."""


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody typed into the fields of a list, and what that means."""

    typed: Mapping[str, str]
    wanted: Mapping[str, Any] = field(default_factory=dict)
    wrong: frozenset[str] = frozenset()
    """Fields that mean nothing. With any of them nothing is looked for."""


def _code(typed_in: str) -> str | None:
    return typed_in.upper() if typed_in.upper() in CURRENCIES else None


def _one_of(states: type[StrEnum]) -> Callable[[str], StrEnum | None]:
    return lambda typed_in: states(typed_in) if typed_in in set(states) else None


_READ: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "q": ("name", typed.name),
    "status": ("status", _one_of(PaymentStatus)),
    "user": ("user_id", typed.name),
    "order": ("order_id", typed.name),
    "provider": ("provider", typed.name),
    "currency": ("currency", _code),
    "from": ("created_from", typed.day),
    "to": ("created_to", lambda day: (begun := typed.day(day)) and typed.end_of(begun)),
}


def search(fields: Mapping[str, str], language: Language) -> Search:
    """What is wanted of payments. An amount says little without its currency, so it needs one."""
    given = {name: fields.get(name, "").strip() for name in (*_READ, "amount", "tenant")}
    wanted: dict[str, Any] = {}
    for name, (member, read) in _READ.items():
        if given[name]:
            wanted[member] = read(given[name])
    if given["amount"]:
        currency = wanted.get("currency")
        wanted["amount_minor"] = currency and typed.amount(given["amount"], currency, language)
    members = {name: member for name, (member, _) in _READ.items()} | {"amount": "amount_minor"}
    wrong = {name for name, member in members.items() if member in wanted and wanted[member] is None}
    return Search(given, wanted, frozenset(wrong))


@router.get("/payments")
async def list_payments(request: Request, here: TheHouse, who: TheVisitor) -> HTMLResponse:
    """A tenant's payments, or for the platform's operator everybody's."""
    language = language_of(request)
    asked = search(request.query_params, language)
    async with reading(here, who) as tx:
        asked = await _of_tenant(tx, asked, who)
        found: list[Payment] = []
        if not asked.wrong:
            found = await searches.page(tx, searches.PaymentFilter(**_cut(request, "pay"), **asked.wanted))
        names = await _names(tx, who, [each.order.tenant_id for each in found])
    rows = [_payment(each, names, language) for each in found]
    facts: dict[str, Any] = {"asked": asked, "statuses": list(PaymentStatus), "more": _more(asked)}
    return await framed(request, here, who, "payments.html", **facts, **_paged(request, rows))


@router.get("/refunds")
async def list_refunds(request: Request, here: TheHouse, who: TheVisitor) -> HTMLResponse:
    """Refunds, of one state perhaps."""
    state = _one_of(RefundState)(request.query_params.get("status", ""))
    async with reading(here, who) as tx:
        wanted = searches.RefundFilter(state=state, **_cut(request, "ref"))
        found = await searches.refund_page(tx, wanted)
        names = await _names(tx, who, [each.tenant_id for each in found])
    rows = [_case(each, names, language_of(request)) for each in found]
    facts: dict[str, Any] = {"noun": "refund", "states": list(RefundState), "chosen": state}
    return await framed(request, here, who, "cases.html", **facts, **_paged(request, rows))


@router.get("/disputes")
async def list_disputes(request: Request, here: TheHouse, who: TheVisitor) -> HTMLResponse:
    """Disputes, of one state perhaps."""
    state = _one_of(DisputeState)(request.query_params.get("status", ""))
    async with reading(here, who) as tx:
        wanted = searches.DisputeFilter(state=state, **_cut(request, "dsp"))
        found = await searches.dispute_page(tx, wanted)
        names = await _names(tx, who, [each.tenant_id for each in found])
    rows = [_case(each, names, language_of(request)) for each in found]
    facts: dict[str, Any] = {"noun": "dispute", "states": list(DisputeState), "chosen": state}
    return await framed(request, here, who, "cases.html", **facts, **_paged(request, rows))


async def _of_tenant(tx: AsyncConnection, asked: Search, who: Visitor) -> Search:
    """For the operator, who may name a tenant by its id or its app name. Others see one anyway."""
    named = asked.typed["tenant"]
    if who.caller is not None or not named:
        return asked
    known = None
    if (name := typed.name(named)) is not None:
        found = None if name.startswith("ten_") else await tenants.by_app_name(tx, name)
        known = name if name.startswith("ten_") else found and found.id
    if known is None:
        return Search(asked.typed, asked.wanted, asked.wrong | {"tenant"})
    return Search(asked.typed, {**asked.wanted, "tenant_id": known}, asked.wrong)


async def _names(tx: AsyncConnection, who: Visitor, ids: Sequence[str]) -> Mapping[str, str] | None:
    """What the tenants are called, for whoever sees several."""
    return None if who.caller is not None else await tenants.names(tx, ids)


def _more(asked: Search) -> bool:
    """Whether the fields that are used less often are in use."""
    return any(asked.typed[name] for name in asked.typed if name not in {"q", "status"})


# --- Pages ----------------------------------------------------------------------------------------


def _cut(request: Request, prefix: str) -> dict[str, Any]:
    """Where this page begins. It is asked for with one line more, which tells whether another follows."""
    cursor = request.query_params.get("cursor", "")
    after = cursors.place(cursor, prefix) if cursor else None
    return {"after": after, "limit": _PER_PAGE + 1}


def _paged(request: Request, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The lines of this page, and the addresses of the next one and the first."""
    more = len(rows) > _PER_PAGE
    rows = rows[:_PER_PAGE]
    return {
        "rows": rows,
        "older": address(request, cursor=rows[-1]["cursor"]) if more else None,
        "newest": address(request, cursor=None) if request.query_params.get("cursor") else None,
    }


def _payment(payment: Payment, names: Mapping[str, str] | None, language: Language) -> dict[str, Any]:
    order = payment.order
    return {
        "id": payment.id,
        "at": moment(order.created_at, language),
        "status": payment.status,
        "tone": TONES.get(payment.status, Tone.QUIET),
        "amount": _written(order.money, language),
        "user": order.user_id,
        "order": order.order_id,
        "provider": order.provider,
        "refunded": payment.refund_status,
        "disputed": payment.dispute_status,
        "tenant": None if names is None else names.get(order.tenant_id, order.tenant_id),
        "cursor": cursors.cursor(order.created_at, payment.id),
    }


def _case(case: Refund | Dispute, names: Mapping[str, str] | None, language: Language) -> dict[str, Any]:
    return {
        "id": case.id,
        "payment_id": case.payment_id,
        "at": moment(case.created_at, language),
        "state": case.state,
        "tone": TONES.get(case.state, Tone.QUIET),
        "amount": _written(case.money, language),
        "reason": case.reason,
        "tenant": None if names is None else names.get(case.tenant_id, case.tenant_id),
        "cursor": cursors.cursor(case.created_at, case.id),
    }


def _written(sum_: Money, language: Language) -> str:
    return money(sum_.amount_minor, sum_.currency, language, spoken=True)
