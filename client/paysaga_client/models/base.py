"""What all answers have in common: snake_case here, camelCase on the wire, and room for what will come.

Members this package does not know are kept (``model_extra``) and never refused; a word that is newer than
this package passes through as it is, so end a ``match`` over statuses with ``case _``.
"""

from enum import Enum
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class Unset(Enum):
    """Says "leave it as it is" where ``None`` says "have none"."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("this is not a word")  # noqa: TRY004 - what pydantic makes an error of
    return value


Word = PlainValidator(_word)
"""Makes a ``Literal`` one that type checkers know and that takes words of later releases all the same."""


class Answer(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=False,
        extra="allow",
        frozen=True,
    )


class Named(Answer):
    """What has an id of its own."""

    id: str


class Page(Answer, Generic[T]):
    """One page of a list. ``iterate`` beside each ``list`` goes through all of them."""

    data: tuple[T, ...]
    total: int | None = None
    limit: int | None = None
    offset: int | None = None
    next_cursor: str | None = None


class Wish(BaseModel):
    """Part of a request. A name that is misspelt is refused here."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )

    def on_wire(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
