"""The books over HTTP: what every account holds, and line by line why."""

import re
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.deps import AnyCaller, TheHouse
from api.strict import Answer, Instant, Moment, StrictRoute
from domain.errors import ValidationFailed
from domain.ledger import Account
from storage import ledger

router = APIRouter(prefix="/v1/ledger", tags=["ledger"], route_class=StrictRoute)

Currency = Annotated[str | None, Query(pattern="^[A-Z]{3}$")]


class BalanceAnswer(Answer):
    account: Account
    currency: str
    balance: int = Field(
        description="Debits less credits, in minor units; a company owes us what is positive."
    )


class BalanceList(Answer):
    data: list[BalanceAnswer]


class EntryAnswer(Answer):
    id: str
    transaction_id: str
    payment_id: str
    account: Account
    currency: str
    amount: int
    at: Instant


class EntryPage(Answer):
    data: list[EntryAnswer]
    next_cursor: str | None


@router.get("/balances")
async def list_balances(
    who: AnyCaller, here: TheHouse, currency: Currency = None, at: Moment | None = None
) -> BalanceList:
    """What every account holds in every currency, now or at a moment. Each currency sums to zero."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await ledger.balances(tx, currency, at)
    return BalanceList(data=[BalanceAnswer(**balance.model_dump()) for balance in found])


@router.get("/entries")
async def list_entries(
    who: AnyCaller,
    here: TheHouse,
    payment_id: Annotated[str | None, Query(alias="paymentId", max_length=64)] = None,
    account: Account | None = None,
    currency: Currency = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> EntryPage:
    """Line by line, oldest first."""
    wanted = ledger.Wanted(
        payment_id=payment_id, account=account, currency=currency, after=_after(cursor), limit=limit
    )
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await ledger.entries(tx, wanted)
    return EntryPage(
        data=[EntryAnswer(**line) for line in found],
        next_cursor=found[-1]["id"] if len(found) == limit else None,
    )


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not re.fullmatch("len_[0-9]{1,18}", cursor):
        raise ValidationFailed(errors=(("/query/cursor", "this is not a cursor of ours"),))
    return int(cursor.removeprefix("len_"))
