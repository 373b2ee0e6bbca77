"""What companies told us and what became of it; the operator may have it heard again."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from console.guard import ConsoleRoute
from console.workplaces.desk import PAGE, Desk, TheDesk, Word
from storage import letters
from storage.letters import UNHEARD, Held, LetterFilter

PATH: Final = "/console/inbox"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=ConsoleRoute)

_MOST_AT_ONCE: Final = 1_000
_STATES: Final = (*UNHEARD, "PROCESSED")
# Where the payer pays is for the payer; the rest of what was said is evidence.
_NOT_SHOWN: Final = {"checkout_url", "inbox_id"}


@router.get("")
async def show_inbox(
    desk: TheDesk,
    state: Annotated[Word, Query(pattern=f"^({'|'.join(_STATES)})?$")] = None,
    payment: Annotated[Word, Query(max_length=40)] = None,
    tenant: Annotated[Word, Query(max_length=40)] = None,
    cursor: Annotated[str | None, Query(pattern="^inb_[0-9a-z]{26}$")] = None,
) -> HTMLResponse:
    """Events, newest first: a tenant's own, or everybody's for the operator. Usually those not in effect."""
    wanted = LetterFilter(
        states=(state,) if state else UNHEARD,
        payment_id=payment,
        tenant_id=tenant if desk.who.caller is None else None,
        before=cursor,
        limit=PAGE,
    )
    async with desk.looking() as tx:
        found, tally = await letters.find(tx, wanted), await letters.tally(tx)
    after = found[-1].id if len(found) == PAGE else None
    return await desk.page("inbox.html", letters=found, tally=tally, states=_STATES, next=after)


@router.get("/{letter_id}")
async def show_letter(letter_id: str, desk: TheDesk) -> HTMLResponse:
    """One, with the facts that were read from it and the hash of its body. The body may hold anything."""
    async with desk.looking() as tx:
        found = await letters.get(tx, letter_id)
    return await desk.page("letter.html", (PATH, "nav_inbox"), letter=found, facts=_facts(found))


def _facts(letter: Held) -> dict[str, str]:
    if letter.observation is None:
        return {}
    said = letter.observation.model_dump(mode="json", exclude_none=True, exclude=_NOT_SHOWN)
    return {name: _shown(value) for name, value in said.items()}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {each}" for name, each in value.items())
    return str(value)


@router.post("/retry-dead")
async def retry_dead(desk: TheDesk) -> Response:
    """All that are dead, so many at once; there may be more."""
    by = desk.operator()
    async with desk.looking() as tx:
        found = await letters.find(tx, LetterFilter(states=("DEAD",), limit=_MOST_AT_ONCE))
    return await _retried(desk, by, found, PATH)


@router.post("/{letter_id}/retry")
async def retry(letter_id: str, desk: TheDesk) -> Response:
    by = desk.operator()
    async with desk.looking() as tx:
        found = await letters.get(tx, letter_id)
    return await _retried(desk, by, [found], f"{PATH}/{letter_id}")


async def _retried(desk: Desk, by: str, found: list[Held], path: str) -> Response:
    world = desk.here.world
    done = await letters.hear_again(world.database, found, by, world.clock(), desk.about.request_id)
    return desk.back(path, "retried" if done else "not_retried")
