"""Reading forms and query strings whose names nest, as Stripe's libraries write them: ``a[b][0]=c``."""

import re
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request

from sandbox.errors import Refused
from sandbox.wire import LARGEST_BODY

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MOST_FIELDS = 2_000
_MOST_ITEMS = 1_000
_DEEPEST = 10

Params = dict[str, Any]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=500)]], Field(max_length=50)
]


class Form(BaseModel):
    """The parameters of a call. Unknown ones are refused; ``IDLE`` ones are known and have no effect here."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    IDLE: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_idle(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if name not in cls.IDLE}


F = TypeVar("F", bound=Form)


async def read_body(request: Request) -> Params:
    """Read a form."""
    raw = await request.body()
    if len(raw) > LARGEST_BODY:
        raise Refused(413, "body_too_large", "a body is at most 256 KiB")
    try:
        return nested(raw.decode())
    except ValueError:
        raise Refused(400, "form_unreadable", "this form cannot be read") from None


def read_query(request: Request) -> Params:
    """Read a query string."""
    try:
        return nested(request.url.query)
    except ValueError:
        raise Refused(400, "form_unreadable", "this query cannot be read") from None


def nested(text: str) -> Params:
    """Take a form apart; ``ValueError`` where its names contradict each other."""
    tree: Params = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS):
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(name)
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(path) > _DEEPEST:
            raise ValueError(name)
        _put(tree, path, value)
    return {name: _listed(value) for name, value in tree.items()}


def _put(tree: Params, path: list[str], value: str) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step or str(len(tree)), {})
        if not isinstance(tree, dict):
            raise ValueError(step)  # noqa: TRY004 - a form that contradicts itself
    last = path[-1] or str(len(tree))
    if isinstance(tree.get(last), dict):
        raise ValueError(last)  # noqa: TRY004 - a form that contradicts itself
    tree[last] = value


def _listed(value: Any) -> Any:
    """Turn what was counted (``[0]``, ``[1]``, ``[]``) into a list."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(item) for name, item in value.items()}
    if inner and len(inner) <= _MOST_ITEMS and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def understand(params: Params, model: type[F]) -> F:
    """Check parameters; a refusal names the one that is wrong and does not repeat its value."""
    try:
        return model.model_validate(params)
    except ValidationError as error:
        raise _explained(error) from None


def _explained(error: ValidationError) -> Refused:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if not first["loc"]:
        # It is the parameters together that make no sense.
        return Refused(400, "parameter_invalid", first["msg"])
    head, *rest = (str(part) for part in first["loc"])
    param = head + "".join(f"[{part}]" for part in rest)
    if first["type"] == "extra_forbidden":
        return Refused(400, "parameter_unknown", f"Received unknown parameter: {param}", param)
    if first["type"] == "missing":
        return Refused(400, "parameter_missing", f"Missing required param: {param}.", param)
    return Refused(400, "parameter_invalid", f"Invalid {param}: {first['msg']}", param)
