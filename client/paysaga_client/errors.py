"""Everything that can go wrong, as exceptions: one class per reason the platform gives.

Catch ``PaysagaError`` for all of it, a family (``Conflict``) or a reason (``OrderAlreadyPaid``). A code that
is newer than this package arrives as the class of its HTTP status, so a family keeps catching what belongs to
it. No exception holds a request's body or headers: neither secrets nor tokens travel with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar


class PaysagaError(Exception):
    """Base of all exceptions of this package. They can be copied and pickled: task queues do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[PaysagaError], args: tuple[Any, ...], facts: dict[str, Any]) -> PaysagaError:
    error = kind.__new__(kind, *args)
    vars(error).update(facts)
    return error


class NetworkError(PaysagaError):
    """No answer came, after all tries. What was asked may have been done: ask again with the same key.

    ``request_id`` is in the platform's log if the request arrived there.
    """

    def __init__(self, message: str, *, request_id: str, attempts: int) -> None:
        super().__init__(f"{message} (request {request_id}, tries: {attempts})")
        self.request_id = request_id
        self.attempts = attempts


class UnexpectedAnswer(PaysagaError):
    """An answer that is none of the platform's: a proxy's page, a redirect, a body that cannot be read."""

    def __init__(self, message: str, *, status: int, request_id: str | None) -> None:
        super().__init__(f"{message} (status {status}, request {request_id})")
        self.status = status
        self.request_id = request_id


class WaitTimeout(PaysagaError):
    """What was waited for has not happened yet. It may still; nothing was stopped by giving up."""

    def __init__(self, payment_id: str, status: str) -> None:
        super().__init__(f"{payment_id} is still {status}")
        self.payment_id = payment_id
        self.status = status


@dataclass(frozen=True)
class FieldError:
    """One fault of a request. ``pointer`` is a JSON pointer into the body, or ``/query/…``, ``/header/…``."""

    pointer: str
    message: str


class ApiError(PaysagaError):
    """The platform said no. Switch on the class or on ``code``; ``title`` and ``detail`` are for people."""

    status_is: ClassVar[int | None] = None
    code_is: ClassVar[str | None] = None

    def __init__(
        self, status: int, problem: Mapping[str, Any], *, retry_after: timedelta | None = None
    ) -> None:
        self.status = status
        self.code: str = problem["code"]
        self.title: str = problem.get("title", "")
        self.detail: str = problem.get("detail", "")
        self.retryable = bool(problem.get("retryable", False))
        """Whether the same request may succeed later, without a change."""
        self.request_id: str | None = problem.get("instance")
        """Quote it when you ask the operator something."""
        self.errors = tuple(_faults(problem.get("errors")))
        self.retry_after = retry_after
        self.facts = {name: fact for name, fact in problem.items() if name not in _MEMBERS}
        """What else this refusal says, as it stands in the document: ``paymentId``, ``remaining`` …"""
        where = "".join(f"; {fault.pointer}: {fault.message}" for fault in self.errors)
        super().__init__(f"{status} {self.code}: {self.detail}{where} (request {self.request_id})")

    @property
    def payment_id(self) -> str | None:
        """The payment that stands in the way, or that was begun and is over."""
        found = self.facts.get("paymentId")
        return found if isinstance(found, str) else None

    @property
    def remaining(self) -> int | None:
        """How much there is left, where less was left than asked for."""
        found = self.facts.get("remaining")
        return found if isinstance(found, int) else None


def _faults(said: Any) -> Iterator[FieldError]:
    for fault in said if isinstance(said, list) else ():
        if isinstance(fault, dict):
            yield FieldError(str(fault.get("pointer", "")), str(fault.get("message", "")))


_MEMBERS = {"type", "title", "status", "detail", "instance", "code", "retryable", "errors"}


# --- The request ----------------------------------------------------------------------------------


class BadRequest(ApiError):
    status_is = 400


class Unauthorized(ApiError):
    """App name and secret do not belong together, or the credential was revoked."""

    status_is = 401


class TokenExpired(Unauthorized):
    code_is = "token_expired"


class Forbidden(ApiError):
    """The credential's role does not allow this."""

    status_is = 403


class FourEyes(Forbidden):
    code_is = "four_eyes"


class TenantSuspended(Forbidden):
    code_is = "tenant_suspended"


class NotFound(ApiError):
    status_is = 404


class ValidationFailed(ApiError):
    """Some members are not acceptable; ``errors`` says which."""

    status_is = 422


class AmountOutOfRange(ValidationFailed):
    code_is = "amount_out_of_range"


class CurrencyUnsupported(ValidationFailed):
    code_is = "currency_unsupported"


class RefundExceedsCaptured(ValidationFailed):
    code_is = "refund_exceeds_captured"


class RateLimited(ApiError):
    """Too much at once; ``retry_after`` says when to come back."""

    status_is = 429


# --- The state of things --------------------------------------------------------------------------


class Conflict(ApiError):
    status_is = 409


class IdempotencyConflict(Conflict):
    """The key was used before, for another request. Nothing was done."""

    code_is = "idempotency_conflict"


class OrderHasOpenPayment(Conflict):
    """``payment_id`` can still succeed: send the payer there, or cancel it first."""

    code_is = "order_has_open_payment"


class OrderAlreadyPaid(Conflict):
    """``payment_id`` paid for this order."""

    code_is = "order_already_paid"


class IllegalTransition(Conflict):
    code_is = "illegal_transition"


class PaymentDisputed(Conflict):
    code_is = "payment_disputed"


class AlreadyPaid(Conflict):
    code_is = "already_paid"


class LimitExceeded(Conflict):
    """Nothing was taken; ``remaining`` says how much there is."""

    code_is = "limit_exceeded"


# --- The platform ---------------------------------------------------------------------------------


class ServerError(ApiError):
    """5xx, after all tries. What was asked may have been done: ask again with the same key."""


class ProviderMisconfigured(ServerError):
    status_is = 502
    code_is = "provider_misconfigured"


class ServiceUnavailable(ServerError):
    status_is = 503


class ProviderUnavailable(ServiceUnavailable):
    code_is = "provider_unavailable"


def _kinds(kind: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


_BY_CODE = {kind.code_is: kind for kind in _kinds() if "code_is" in vars(kind)}
_BY_STATUS = {kind.status_is: kind for kind in _kinds() if "status_is" in vars(kind) and not kind.code_is}


def kind_of(status: int, code: str) -> type[ApiError]:
    """The class for a problem document: by its code, else by its status."""
    family = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    kind = _BY_CODE.get(code, family)
    # A known code under another status would be another thing by the same name.
    return kind if kind.status_is in {None, status} else family
