"""JSON at the edge: read so strictly that two readers cannot disagree, written in one fixed way.

``json`` takes duplicate keys, ``NaN`` and lone surrogates; pydantic takes ``"12"`` for twelve. In a payment
each of them is a way to mean two amounts at once, so each of them is refused here (RFC 8259, RFC 7493).
"""

import email.message
import json
import math
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Request, Response, params
from fastapi.routing import APIRoute
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema, to_json
from starlette.datastructures import Headers

from domain.errors import MalformedJson, UnsupportedMediaType

MAX_DEPTH = 32
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

wire_names: set[str] = set()
"""Every member name a request model declares: the only names an error may point at, the rest is input."""


def strict_loads(body: bytes) -> Any:
    """Return the value ``body`` spells, or raise MalformedJson, which never says what was sent.

    Refused: anything but UTF-8 without a byte order mark, duplicate keys, ``NaN`` and infinities, floats
    beyond double precision, NUL and lone surrogates (escaped ones too), nesting deeper than ``MAX_DEPTH``.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):
        # Neither the cause nor its context may travel on: both hold the document.
        raise MalformedJson from None
    _check_values(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJson("An object names the same member twice")
    return members


def _refuse_constant(_name: str) -> None:
    raise MalformedJson("NaN and Infinity are not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise MalformedJson("A number is too large")
    return number


def _check_values(root: Any) -> None:
    """Look at every string and at the depth; by levels, since documents may nest deeper than calls."""
    level, depth = [root], 0
    while level:
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and _UNSTORABLE.search(value):
                raise MalformedJson("Text holds NUL or half of a surrogate pair")
            if depth == MAX_DEPTH and isinstance(value, dict | list):
                raise MalformedJson("The document nests too deeply")
        level, depth = below, depth + 1


def check_media_type(headers: Headers) -> None:
    """Raise UnsupportedMediaType unless the headers promise uncompressed UTF-8 JSON (RFC 8259, RFC 6839)."""
    content_types = headers.getlist("content-type")
    message = email.message.Message()
    message["content-type"] = content_types[0] if len(content_types) == 1 else ""
    media_type = message.get_content_type()
    charset = message.get_content_charset("utf-8")
    is_json = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    if not is_json or charset not in ("utf-8", "utf8") or "content-encoding" in headers:
        raise UnsupportedMediaType


class _StrictRequest(Request):
    """A request whose ``json()`` is strict. FastAPI asks it for the body; nothing else changes."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = strict_loads(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """Reads a declared JSON body strictly: ``APIRouter(route_class=StrictRoute)``.

    Raises UnsupportedMediaType and MalformedJson before FastAPI looks, since it would turn any exception
    into a 400 of its own. An empty body is "no body", as ever. Routes without a JSON body, those that read
    raw bytes or forms included, are left alone.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, preceded by our reading."""
        handle = super().get_route_handler()
        if self.body_field is None or isinstance(self.body_field.field_info, params.Form):
            return handle

        async def read_then_handle(request: Request) -> Response:
            strict = _StrictRequest(request.scope, request.receive)
            if await strict.body():
                check_media_type(strict.headers)
                await strict.json()
            return await handle(strict)

        return read_then_handle


class Model(BaseModel):
    """What a caller may send: exactly these members, camelCase on the wire, of exactly these types.

    Only wire names are taken: in Python, make one with ``model_validate``.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
    )

    def digest(self, **beside: str) -> str:
        """Of what was meant, and of what stands beside the body: tells a repeat from another request.

        The order of the members and the white space between them do not matter. What is not said does not
        count: a member that a later version knows changes no old digest.
        """
        said = self.model_dump(mode="json", exclude_defaults=True) | beside
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @classmethod
    def __pydantic_init_subclass__(cls, **_kwargs: Any) -> None:
        """Note the names that errors may speak of."""
        wire_names.update(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read dictionaries by JSON's rules.

        FastAPI hands over parsed Python values, for which strictness forbids what JSON has no other way
        to say: a date is a string there, a tuple a list. Strict JSON rules know that.
        """
        schema = handler(source)

        def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
            try:
                return handler(value)
            except ValidationError:
                if not isinstance(value, dict):
                    raise
                return cls.model_validate_json(to_json(value, serialize_unknown=True))

        python_schema = core_schema.no_info_wrap_validator_function(read, schema)
        return core_schema.json_or_python_schema(json_schema=schema, python_schema=python_schema)


_SPELT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].+")


def _spelt(text: str) -> str:
    if not _SPELT.fullmatch(text):
        raise ValueError("a date and a time as in RFC 3339 are needed")
    return text


def in_utc(instant: datetime) -> datetime:
    """The same moment in UTC, where PostgreSQL can hold it; ValueError without an offset or out of reach."""
    if instant.tzinfo is None:
        raise ValueError("an offset from UTC is needed")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("this moment is too far away") from None


Moment = Annotated[datetime, BeforeValidator(_spelt), AfterValidator(in_utc)]
"""A moment in a query: RFC 3339, nothing that merely can be read as one, such as a number."""


def rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Instant = Annotated[AwareDatetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A moment in an answer: RFC 3339 in UTC with ``Z`` and milliseconds, as everywhere on the wire."""


class Answer(BaseModel):
    """What we send: camelCase on the wire, snake_case in Python. Declare moments as ``Instant``."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=False,
        serialize_by_alias=True,
    )
