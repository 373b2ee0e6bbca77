"""Requests and answers as they travel: names in camelCase, times in RFC 3339, problems as problem+json."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from paysaga_client.errors import ApiError, PaysagaError, UnexpectedAnswer, kind_of
from paysaga_client.models.base import UNSET, Wish

A = TypeVar("A", bound=BaseModel)

_SAFE_METHODS: Final = {"GET", "PUT", "DELETE"}


def _version() -> str:
    try:
        return version("paysaga-client")
    except PackageNotFoundError:
        # It runs from a checkout that was not installed.
        return "0"


__version__: Final = _version()
USER_AGENT: Final = f"paysaga-client/{__version__}"


@dataclass(frozen=True)
class Call:
    """One thing to ask of the platform."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    key: str | None = None
    harmless: bool = False
    """A POST or PATCH without a key that does the same when done twice."""

    @property
    def repeatable(self) -> bool:
        return self.method in _SAFE_METHODS or self.key is not None or self.harmless

    def asking(self, **more: Any) -> "Call":
        return replace(self, query=dict(self.query) | more)

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.key is None else {"Idempotency-Key": self.key}

    @property
    def parameters(self) -> dict[str, str]:
        return {_member(name): _text(value) for name, value in self.query.items() if value is not None}


def path(template: str, *parts: str) -> str:
    """``template`` with each ``{}`` replaced by one segment of a path, whatever characters it has."""
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError("an id is needed")
    return template.format(*(quote(part, safe="") for part in parts))


def members(**given: Any) -> dict[str, Any]:
    """A body of what was given: None means that nothing was."""
    return {_member(name): _json(value) for name, value in given.items() if value is not None}


def changes(**given: Any) -> dict[str, Any]:
    """A body of what shall change: None is a value there, ``UNSET`` is what stays."""
    return {_member(name): _json(value) for name, value in given.items() if value is not UNSET}


def _member(name: str) -> str:
    return to_camel(name.rstrip("_"))


def _json(value: Any) -> Any:
    match value:
        case Wish():
            return value.on_wire()
        case datetime():
            return _text(value)
        case Mapping():
            return dict(value)
        case Sequence() if not isinstance(value, str):
            return [_json(each) for each in value]
        case _:
            return value


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime() if value.tzinfo is None:
            raise ValueError("a time needs its zone: datetime(…, tzinfo=UTC)")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return str(value)


# --- Answers --------------------------------------------------------------------------------------


def read(response: httpx.Response, answer: type[A]) -> A:
    """What the platform said. Raises ``UnexpectedAnswer`` for what cannot be read."""
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        # Pydantic's own text would quote the answer, which may hold a secret that was just made.
        where = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
    raise UnexpectedAnswer(
        f"this is no {answer.__name__}: {', '.join(where) or 'no JSON'}",
        status=response.status_code,
        request_id=response.headers.get("X-Request-Id"),
    )


def refusal_of(response: httpx.Response) -> PaysagaError:
    """The exception that this answer is."""
    problem = problem_of(response)
    if problem is None:
        return UnexpectedAnswer(
            "this is no answer of Paysaga's",
            status=response.status_code,
            request_id=response.headers.get("X-Request-Id"),
        )
    kind: type[ApiError] = kind_of(response.status_code, problem["code"])
    return kind(response.status_code, problem, retry_after=retry_after(response))


def problem_of(response: httpx.Response) -> dict[str, Any] | None:
    """The problem document of a refusal, or None if it has none."""
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return None
    try:
        found = response.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("code"), str) else None


def retry_after(response: httpx.Response) -> timedelta | None:
    """How long the platform asks to be left alone: seconds or an HTTP date (RFC 9110, 10.2.3)."""
    said = response.headers.get("Retry-After", "")
    if re.fullmatch("[0-9]{1,9}", said, re.ASCII):
        return timedelta(seconds=int(said))
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(at.astimezone(UTC) - datetime.now(UTC), timedelta())
