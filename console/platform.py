"""How the platform stands, for its operator: counts over all tenants, and what waits for a person."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.browsers import Visitor
from api.deps import House
from console.charts import Pen
from console.frame import framed
from console.guard import spoken
from console.pages import language_of, moment
from console.texts import TEXTS
from documents.words import Language
from domain.health import Health
from storage import attention, facts, health
from storage.attention import Matter
from storage.facts import Facts

_SHOWN: Final = 10
"""So many matters are shown here; all of them have a page of their own."""
_PAYMENTS: Final = "/console/payments?status="
_INBOX: Final = "/console/inbox?state="


async def overview(request: Request, here: House, who: Visitor) -> HTMLResponse:
    """Counts only: what a tenant earns is not shown to the platform's operator."""
    language, now = language_of(request), here.world.clock()
    async with here.world.database.system(frozen=True) as tx:
        told = await facts.gather(tx, now)
        matters = await attention.matters(tx, now)
        standings = await health.standings(tx, now)
    pen = Pen(language, ZoneInfo("UTC"))
    return await framed(
        request,
        here,
        who,
        "platform.html",
        tiles=list(_tiles(told, pen, TEXTS[language])),
        payments=_states(told.payments_open, told.payments_oldest, _PAYMENTS, request, pen),
        inbox=_states(told.inbox_events, {}, _INBOX, request, pen),
        accounts=_accounts(told, pen),
        troubled=troubled(standings, language),
        matters=[_matter(each, language) for each in matters[:_SHOWN]],
        kinds=[(kind, pen.number(number).text) for kind, number in _kinds(matters)],
    )


def _tiles(told: Facts, pen: Pen, t: Any) -> Iterable[tuple[str, str, str]]:
    """Name, figure, and how long the oldest has been waiting."""

    def oldest(seconds: float) -> str:
        return f"{t['platform_oldest']}: {pen.lasting(round(seconds)).text}" if seconds else ""

    events = sum(told.inbox_events.values())
    yield t["platform_inbox"], pen.number(events).text, oldest(told.inbox_oldest)
    yield t["platform_due"], pen.number(told.deliveries_due).text, oldest(told.deliveries_oldest)
    yield t["platform_endpoints"], pen.number(told.endpoints_disabled).text, ""
    yield t["platform_approvals"], pen.number(told.approvals_pending).text, ""
    yield t["platform_refunds"], pen.number(sum(told.refunds_open.values())).text, ""
    yield t["platform_differences"], pen.number(told.reconciliation_differences).text, ""
    yield t["platform_breaches"], pen.number(told.audit_breaches).text, ""
    yield t["platform_unsealed"], pen.lasting(round(told.audit_unsealed)).text, t["platform_unsealed_note"]


def _states(
    numbers: dict[str, int], oldest: dict[str, float], path: str, request: Request, pen: Pen
) -> list[dict[str, Any]]:
    asked = spoken(request).replace("?", "&")
    return [
        {
            "state": state,
            "number": pen.number(number).text,
            "oldest": pen.lasting(round(oldest.get(state, 0)) or None).text,
            "path": f"{path}{state}{asked}",
        }
        for state, number in numbers.items()
    ]


def _accounts(told: Facts, pen: Pen) -> list[dict[str, Any]]:
    """How many accounts stand how well, provider by provider."""
    providers = sorted({provider for provider, _ in told.accounts})
    return [
        {
            "provider": provider,
            "numbers": [pen.number(told.accounts.get((provider, state), 0)).text for state in Health],
        }
        for provider in providers
    ]


def troubled(accounts: Iterable[health.Standing], language: Language) -> list[dict[str, Any]]:
    """Accounts at providers that cannot be used as they should."""
    return [
        {
            "id": each.account.id,
            "tenant_id": each.account.tenant_id,
            "provider": each.account.provider,
            "state": each.state,
            "since": _moment(each.since, language),
            "why": each.last_failure or "",
        }
        for each in accounts
        if each.state is not Health.OK
    ]


def _moment(at: datetime | None, language: Language) -> dict[str, str] | None:
    return None if at is None else moment(at, language)


def _matter(matter: Matter, language: Language) -> dict[str, Any]:
    return matter.model_dump() | {"since": moment(matter.since, language)}


def _kinds(matters: Sequence[Matter]) -> list[tuple[str, int]]:
    return Counter(matter.kind for matter in matters).most_common()
