"""What users may do: the question an application asks on every critical action."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from api.deps import AnyCaller, TheHouse
from api.strict import Answer, Instant, StrictRoute
from domain.entitlement import Entitlement
from storage import entitlements

router = APIRouter(prefix="/v1/entitlements", tags=["entitlements"], route_class=StrictRoute)

UserId = Annotated[str, Query(alias="userId", min_length=1, max_length=128)]


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
            limit=None,
            used=0,
            source=Source(type=right.source_type, id=right.source_id),
            **right.model_dump(exclude={"source_type", "source_id"}),
        )


class EntitlementList(Answer):
    data: list[EntitlementAnswer]


class Check(Answer):
    entitled: bool
    limit: int | None
    used: int
    remaining: int | None
    reason: Literal["active", "not_granted", "not_active"]
    valid_to: Instant | None


@router.get("")
async def list_entitlements(user_id: UserId, who: AnyCaller, here: TheHouse) -> EntitlementList:
    """All that was ever granted to this user, newest first, with what is active now."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        rights = await entitlements.of_user(tx, user_id, here.world.clock())
    return EntitlementList(data=[EntitlementAnswer.of(right) for right in rights])


@router.get("/check")
async def check_entitlement(
    user_id: UserId,
    feature: Annotated[str, Query(min_length=1, max_length=128)],
    who: AnyCaller,
    here: TheHouse,
) -> Check:
    """Whether this user has this feature now, and until when. No limit means as much as they like."""
    async with here.world.database.tenant(who.tenant_id) as tx:
        rights = await entitlements.of_user(tx, user_id, here.world.clock(), feature)
    active = [right for right in rights if right.active]
    ends = [right.valid_to for right in active]
    return Check(
        entitled=bool(active),
        limit=None,
        used=0,
        remaining=None,
        reason="active" if active else "not_active" if rights else "not_granted",
        valid_to=None if None in ends else max((end for end in ends if end), default=None),
    )
