"""Opens payloads for operators: Temporal's remote codec protocol, as its UI and its command line speak it.

Only ``decode``. Nobody needs to send a workflow an argument by hand, and whoever could have it sealed here
could tell a payment that it was paid.
"""

import time
from collections.abc import Callable
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.security import APIKeyHeader
from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from temporalio.api.common.v1 import Payloads

from api.browsers import operator_session
from api.deps import Bearer, TheHouse, operator
from api.strict import check_media_type, strict_loads
from domain.errors import BadRequest, Forbidden, NotFound, PayloadUnreadable, TemporarilyUnavailable
from domain.session import PLATFORM
from workflows.payloads import SealedPayloads

router = APIRouter(prefix="/codec", include_in_schema=False)
_log = structlog.get_logger(__name__)

_HEADERS: Final = "Authorization, Content-Type, X-Namespace"
_LONGEST_PREFLIGHT: Final = 600


class Pace:
    """How fast payloads are opened in one process: so many per second, and so many at once.

    A history on a screen is some twenty; a copy of everything takes its time, and is seen in the log.
    """

    def __init__(
        self, per_second: float = 500, at_once: float = 5_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._at_once, self._clock = per_second, at_once, clock
        self._left, self._looked_at = at_once, clock()

    def take(self, payloads: int) -> None:
        """Raises ``TemporarilyUnavailable`` when these would be too many."""
        now = self._clock()
        earned = (now - self._looked_at) * self._per_second
        self._left, self._looked_at = min(self._at_once, self._left + earned), now
        if payloads > self._left:
            raise TemporarilyUnavailable("Too many payloads were opened in a short time")
        self._left -= payloads


_pace = Pace()


def origin(
    response: Response, here: TheHouse, origin: Annotated[str | None, Header(include_in_schema=False)] = None
) -> None:
    """Let pages of Temporal's UI ask and read, and no other page. Raises ``Forbidden``.

    Programs send no origin; what they may do, their key says.
    """
    response.headers["Vary"] = "Origin"
    if origin is None:
        return
    if here.temporal_ui is None or origin != here.temporal_ui:
        raise Forbidden
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"


_admin = APIKeyHeader(name="X-Admin-Key", auto_error=False)


async def reader(
    request: Request, here: TheHouse, key: Annotated[str | None, Depends(_admin)], bearer: Bearer
) -> str:
    """Who reads: the platform's operator, by the key in either header or by a session of the console.

    Temporal's command line can send ``Authorization`` only, and a page of its UI nothing but cookies.
    Raises ``Unauthorized``.
    """
    shown = key or (bearer.credentials if bearer else None)
    if shown is not None:
        return await operator(here, shown)
    await operator_session(request, here)
    return PLATFORM


def codec(
    here: TheHouse, namespace: Annotated[str | None, Header(alias="X-Namespace")] = None
) -> SealedPayloads:
    """What opens payloads of the namespace named. Raises ``NotFound`` where nothing is sealed."""
    found = here.temporal.data_converter.payload_codec
    if not isinstance(found, SealedPayloads) or not found.seals:
        raise NotFound
    if namespace != here.temporal.namespace:
        raise BadRequest("X-Namespace does not name the namespace of this installation")
    return found


@router.options("/decode", dependencies=[Depends(origin)])
async def may_ask(response: Response) -> Response:
    """What a browser asks before it lets a page of the UI ask."""
    return Response(
        status_code=204,
        headers={
            **response.headers,
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": str(_LONGEST_PREFLIGHT),
        },
    )


@router.post("/decode", dependencies=[Depends(origin)])
async def decode(
    request: Request,
    response: Response,
    by: Annotated[str, Depends(reader)],
    opening: Annotated[SealedPayloads, Depends(codec)],
) -> Response:
    """Payloads as they were before they were sealed, in their order; what never was comes back as it is."""
    # Read only now: a stranger's body is not looked at.
    check_media_type(request.headers)
    asked = _payloads(strict_loads(await request.body()))
    _pace.take(1 + len(asked.payloads))
    try:
        opened = opening.show(asked.payloads)
    except PermissionError as why:
        _log.warning("payloads_not_opened", by=by, payloads=len(asked.payloads), why=str(why))
        raise PayloadUnreadable(str(why)) from None
    _log.info("payloads_opened", by=by, payloads=len(opened))
    return Response(
        MessageToJson(Payloads(payloads=opened), indent=None),
        media_type="application/json",
        headers={**response.headers, "Cache-Control": "no-store"},
    )


def _payloads(document: object) -> Payloads:
    try:
        if isinstance(document, dict):
            return ParseDict(document, Payloads())
    except ParseError:
        # Its text quotes what was sent.
        pass
    raise PayloadUnreadable("The body is not a list of payloads in protobuf's JSON") from None
