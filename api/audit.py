"""The audit trail over HTTP: what happened, whether it is still as it was sealed, and the keys that vouch."""

from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.deps import AnyCaller, TheHouse
from api.strict import Answer, Moment, StrictRoute
from domain.custody import Kind
from storage import audit, custody

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=StrictRoute)

# What one request examines takes about half a second.
MOST_AT_ONCE: Final = 20_000


class RecordAnswer(Answer):
    id: str
    tenant_id: str
    organization: str | None
    actor: str
    correlation_id: str | None
    action: str
    resource: str
    provider: str | None
    result: str
    failure: str | None
    at: str
    """To the microsecond, as it is sealed."""
    number: int | None
    """Its place in the tenant's chain; null until it is sealed, some seconds later."""


class RecordPage(Answer):
    data: list[RecordAnswer]
    limit: int
    next_cursor: str | None


class BreachAnswer(Answer):
    kind: Kind
    number: int
    record: str | None
    detail: str


class Verification(Answer):
    verified: bool
    """Nothing was found in what was examined."""
    complete: bool
    """The end of the chain was reached; else go on with ``after=until``."""
    after: int
    until: int
    records: int
    sealed: int
    pending: int
    checkpoints: int
    head: str | None
    exported: bool
    """Always false here: to compare with what is kept elsewhere is for ``paysaga audit verify``."""
    findings: list[BreachAnswer]
    more_findings: int

    @classmethod
    def of(cls, report: custody.Report) -> Self:
        shared = report.model_dump(include=set(cls.model_fields) - {"findings"})
        return cls(
            verified=report.verified,
            records=report.sealed + report.pending,
            findings=[BreachAnswer(**breach.model_dump()) for breach in report.findings],
            **shared,
        )


Word = Annotated[str | None, Query(min_length=1, max_length=160)]


def _wanted(
    actor: Word = None,
    action: Word = None,
    resource: Word = None,
    correlation_id: Annotated[str | None, Query(alias="correlationId", min_length=1, max_length=128)] = None,
    result: Word = None,
    failure: Word = None,
    provider: Word = None,
) -> audit.Search:
    return audit.Search(
        actor=actor,
        action=action,
        resource=resource,
        correlation_id=correlation_id,
        result=result,
        failure=failure,
        provider=provider,
    )


@router.get("")
async def list_records(
    who: AnyCaller,
    here: TheHouse,
    wanted: Annotated[audit.Search, Depends(_wanted)],
    written_from: Annotated[Moment | None, Query(alias="from")] = None,
    written_to: Annotated[Moment | None, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(pattern="^aud_[0-9]{19}$")] = None,
) -> RecordPage:
    """The tenant's trail, newest first, for every role. A cursor is the id of the last record seen."""
    before = None if cursor is None else min(int(cursor.removeprefix("aud_")), 2**63 - 1)
    page: dict[str, Any] = {"written_from": written_from, "written_to": written_to, "before": before}
    async with here.world.database.tenant(who.tenant_id) as tx:
        found = await audit.find(tx, wanted.model_copy(update=page | {"limit": limit}))
    data = [
        RecordAnswer.model_validate(record | {"number": number}, by_alias=True) for record, number in found
    ]
    return RecordPage(data=data, limit=limit, next_cursor=data[-1].id if len(data) == limit else None)


@router.get("/verify")
async def verify_trail(
    who: AnyCaller,
    here: TheHouse,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = MOST_AT_ONCE,
) -> Verification:
    """Examine the tenant's chain and the checkpoints signed along it, so many records a request."""
    wanted = custody.Request(tenant_id=who.tenant_id, after=after, at_most=limit)
    async with here.world.database.tenant(who.tenant_id, frozen=True) as tx:
        report = await custody.examine(tx, wanted, here.world.notary.keyring.trusts)
    return Verification.of(report)


class Key(Answer):
    kty: str
    crv: str
    use: str
    alg: str
    kid: str
    x: str


class KeySet(Answer):
    keys: Annotated[list[Key], Field(min_length=1)]


@router.get("/keys")
async def list_keys(_: AnyCaller, here: TheHouse) -> KeySet:
    """RFC 7517: the public keys of checkpoints and proofs. Keep them where you will verify."""
    return KeySet.model_validate(here.world.notary.keyring.jwks, by_alias=True)
