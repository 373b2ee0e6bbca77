"""What users may do, and how much of it: the question an application asks on every critical action."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from api.deps import About, AnyCaller, IdempotencyKey, TheHouse, Trader
from api.strict import Answer, Instant, Model, StrictRoute
from domain.entitlement import Allowance, Entitlement, allowance
from domain.text import FreeText
from storage import entitlements, usage

router = APIRouter(prefix="/v1/entitlements", tags=["entitlements"], route_class=StrictRoute)

UserId = Annotated[str | None, Query(alias="userId", min_length=1, max_length=128)]
"""Without one it is the tenant itself."""
Name = Annotated[str, FreeText(128)]


class Source(Answer):
    type: str
    id: str


class EntitlementAnswer(Answer):
    id: str
    user_id: str
    feature: str
    quantity: int
    limit: int | None
    used: int
    source: Source
    valid_from: Instant
    valid_to: Instant | None
    active: bool

    @classmethod
    def of(cls, right: Entitlement) -> "EntitlementAnswer":
        return cls(
            source=Source(type=right.source_type, id=right.source_id),
            **right.model_dump(exclude={"source_type", "source_id", "payment_id"}),
        )


class EntitlementList(Answer):
    data: list[EntitlementAnswer]


class Check(Answer):
    entitled: bool
    limit: int | None
    used: int
    remaining: int | None
    reason: Literal["active", "limit_reached", "not_active", "not_granted"]
    valid_to: Instant | None

    @classmethod
    def of(cls, found: Allowance) -> "Check":
        return cls(**found.model_dump())


class NewUsage(Model):
    user_id: Name | None = None
    """The tenant itself, unless one is named."""
    feature: Name
    quantity: Annotated[int, Field(ge=1, le=1_000_000_000_000)] = 1


class UsageAnswer(Answer):
    user_id: str
    feature: str
    quantity: int
    limit: int | None
    used: int
    remaining: int | None


@router.get("")
async def list_entitlements(who: AnyCaller, here: TheHouse, user_id: UserId = None) -> EntitlementList:
    """All that was ever granted to this user, newest first, with what is active now."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        rights = await entitlements.of_user(tx, user_id or who.tenant_id, here.world.clock())
    return EntitlementList(data=[EntitlementAnswer.of(right) for right in rights])


@router.get("/check")
async def check_entitlement(
    feature: Annotated[str, Query(min_length=1, max_length=128)],
    who: AnyCaller,
    here: TheHouse,
    user_id: UserId = None,
) -> Check:
    """Whether this user may use this feature now, how much of it, and until when.

    Several rights add up. No limit means as much as they like.
    """
    async with here.world.database.tenant(who.tenant_id) as tx:
        rights = await entitlements.of_user(tx, user_id or who.tenant_id, here.world.clock(), feature)
    return Check.of(allowance(rights))


@router.post("/usage", status_code=201)
async def use_entitlement(
    body: NewUsage, key: IdempotencyKey, who: Trader, here: TheHouse, about: About
) -> UsageAnswer:
    """Take so much of what this user may use, all or nothing. What is not there is `limit_exceeded`.

    However many ask at once, together they get no more than there is.
    """
    use = usage.Use(
        tenant_id=who.tenant_id,
        idempotency_key=key,
        digest=body.digest(),
        user_id=body.user_id or who.tenant_id,
        feature=body.feature,
        quantity=body.quantity,
    )
    turn = here.turns.of(use.tenant_id, use.user_id, use.feature)
    async with turn, here.world.database.tenant(who.tenant_id) as tx:
        used, repeated = await usage.take(tx, use, here.world.clock())
    if repeated:
        about.headers["Idempotent-Replayed"] = "true"
    return UsageAnswer(**used.model_dump())
