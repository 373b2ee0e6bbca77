"""What users may do, because somebody paid for it."""

from typing import Annotated, Literal

from pydantic import AwareDatetime

from paysaga_client.models.base import Answer, Word

Why = Annotated[Literal["active", "limit_reached", "not_active", "not_granted"], Word]


class Source(Answer):
    type: str
    """``payment`` or ``subscription``."""
    id: str


class Entitlement(Answer):
    id: str
    user_id: str
    feature: str
    quantity: int
    limit: int | None
    used: int
    source: Source
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None
    active: bool


class Check(Answer):
    """Whether a user may use a feature now. It is truthy if so: ``if client.entitlements.check(…):``."""

    entitled: bool
    limit: int | None
    used: int
    remaining: int | None
    reason: Why
    valid_to: AwareDatetime | None

    def __bool__(self) -> bool:
        return self.entitled


class Usage(Answer):
    """What was taken, and how the right stands after it."""

    user_id: str
    feature: str
    quantity: int
    limit: int | None
    used: int
    remaining: int | None
