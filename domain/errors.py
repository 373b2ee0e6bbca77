"""Every refusal the house makes on purpose.

A refusal states three facts about itself: the HTTP status a caller sees, a stable ``code`` a program
can switch on, and whether trying again may help. ``api.problems`` renders it as problem+json and
``worker`` as a Temporal failure; nothing else maps errors. Details never repeat what the caller sent.
"""

from collections.abc import Iterator
from typing import Any, ClassVar


class Refusal(Exception):
    """An expected "no", never a bug.

    ``facts`` are extra members of the problem document (ids only, never input).
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, retry_after: int | None = None, **facts: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after = retry_after
        self.facts = facts


# --- The request itself ---------------------------------------------------------------------------


class BadRequest(Refusal):
    status, code, title = 400, "bad_request", "The request cannot be read"


class IdempotencyKeyMissing(Refusal):
    status, code, title = 400, "idempotency_key_missing", "Send an Idempotency-Key header"


class MalformedJson(Refusal):
    status, code, title = 400, "malformed_json", "The body is not strict JSON"


class PayloadUnreadable(Refusal):
    status, code, title = 400, "payload_unreadable", "A payload cannot be opened"


class SignatureMissing(Refusal):
    status, code, title = 400, "signature_missing", "The signature headers are missing or unreadable"


class Unauthorized(Refusal):
    status, code, title = 401, "unauthorized", "Say who you are"


class TokenExpired(Unauthorized):
    code, title = "token_expired", "The token has expired; log in again"


class SignatureInvalid(Refusal):
    status, code, title = 401, "signature_invalid", "The signature does not vouch for this body"


class Forbidden(Refusal):
    status, code, title = 403, "forbidden", "Your role does not allow this"


class NotFromHere(Forbidden):
    """A browser asks in its user's name, and nothing shows that a page of ours had it ask."""

    title = "This was not sent by a page of ours"


class FourEyes(Refusal):
    status, code, title = 403, "four_eyes", "Somebody else must decide about what you asked for"


class TenantSuspended(Refusal):
    status, code, title = 403, "tenant_suspended", "This tenant is suspended"


class NotFound(Refusal):
    status, code, title = 404, "not_found", "There is nothing here"


class MethodNotAllowed(Refusal):
    status, code, title = 405, "method_not_allowed", "This resource does not know that method"


class RequestTimeout(Refusal):
    status, code, title, retryable = 408, "request_timeout", "The request took too long to arrive", True


class BodyTooLarge(Refusal):
    status, code, title = 413, "body_too_large", "The body is too large"


class UnsupportedMediaType(Refusal):
    status, code, title = 415, "unsupported_media_type", "Send uncompressed application/json"


class ValidationFailed(Refusal):
    """``errors`` holds ``(JSON pointer, message)`` pairs; messages never echo the input."""

    status, code, title = 422, "validation_failed", "Some fields are not acceptable"

    def __init__(self, detail: str = "", errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class UnreadableEvent(Refusal):
    """Authentic, but not to be understood: the provider has changed, or lies."""

    status, code, title = 422, "validation_failed", "The event is authentic but cannot be read"


class AmountOutOfRange(ValidationFailed):
    code, title = "amount_out_of_range", "The amount is outside what this currency allows"


class CurrencyUnsupported(ValidationFailed):
    code, title = "currency_unsupported", "The provider does not take this currency"


class RateLimited(Refusal):
    status, code, title, retryable = 429, "rate_limited", "You ask too often; wait a moment", True


# --- The state of things --------------------------------------------------------------------------


class IdempotencyConflict(Refusal):
    status, code, title = 409, "idempotency_conflict", "This key was used before, for another request"


class OrderHasOpenPayment(Refusal):
    status, code, title = 409, "order_has_open_payment", "This order has a payment that is still open"


class OrderAlreadyPaid(Refusal):
    status, code, title = 409, "order_already_paid", "This order has been paid"


class IllegalTransition(Refusal):
    status, code, title = 409, "illegal_transition", "It cannot go there from where it is"


class InProgress(IllegalTransition):
    """Something about it is being carried out, and what may follow depends on how that ends."""

    title, retryable = "Something about it is being carried out; ask again in a moment", True


class PaymentDisputed(Refusal):
    status, code, title = 409, "payment_disputed", "The payer's bank has taken the money back for now"


class AlreadyPaid(Refusal):
    status, code, title = 409, "already_paid", "The payment was paid before it could be cancelled"


class LimitExceeded(Refusal):
    status, code, title = 409, "limit_exceeded", "There is not that much left of what this user may use"


class RefundExceedsCaptured(ValidationFailed):
    code, title = "refund_exceeds_captured", "More would go back than was captured and is left"

    def __init__(self, detail: str = "", **facts: Any) -> None:
        super().__init__(detail)
        self.facts = facts


class Poisonous(Refusal):
    """An event that cannot take effect as it is. Never leaves the house; the inbox tries it again."""

    status, code, title = 500, "internal", "This event could not take effect"


class TemporarilyUnavailable(Refusal):
    status, code, title, retryable = 503, "temporarily_unavailable", "Please try again shortly", True


# --- Providers: was it applied? -------------------------------------------------------------------


class ProviderError(Refusal):
    """A provider did not give the answer we asked for. Base of those below."""


class ProviderRejected(ProviderError):
    """Definitely not applied, and asking again would not help."""

    status, code, title = 502, "provider_misconfigured", "The provider refused our request"


class ProviderAuthFailed(ProviderRejected):
    """Definitely not applied: the account's credentials are not accepted."""

    title = "The provider does not accept this account's credentials"


class ProviderForbidden(ProviderAuthFailed):
    """Definitely not applied: the credentials are good, and may not do just this. Other calls go on."""

    title = "The provider does not let this account's credentials do this"


class ProviderConflict(ProviderRejected):
    """Definitely not applied: the object is in another state. Read it back."""


class ProviderNotFound(ProviderRejected):
    """Definitely not applied: the provider positively knows no such object."""


class ProviderDeclined(ProviderRejected):
    """Definitely not applied: the payer's bank said no. A business outcome, and no fault of anybody here.

    ``reason`` is the company's own code. ``again`` says whether the same method may be tried again later; a
    stolen card never is.
    """

    title = "The payer's bank declined"

    def __init__(self, detail: str = "", *, reason: str | None = None, again: bool = True) -> None:
        super().__init__(detail)
        self.reason = reason
        self.again = again


class ProviderKeyReused(ProviderRejected):
    """This request was not applied: its key went with other parameters before, and that one may have been."""


class ProviderUnsupported(ProviderRejected):
    """Never sent: this provider has no such thing. Its capabilities say so."""


class ProviderUnavailable(ProviderError):
    """Never sent, or refused before anything happened. Safe to send again."""

    status, code, title, retryable = 503, "provider_unavailable", "The provider is not reachable", True


class NeverOpened(ProviderUnavailable):
    """The payment's time was up before the provider answered. It is over, so repeating its key is in vain."""

    retryable = False


class OutcomeUnknown(ProviderError):
    """It may have been applied. Only the same idempotent call or a read-back may follow."""

    status, code, title, retryable = 503, "provider_unavailable", "The provider did not say", True


class NotYet(Refusal):
    """There is no answer so far; ask again after ``retry_after`` seconds. Never leaves the house."""

    status, code, title, retryable = 503, "temporarily_unavailable", "There is no answer yet", True


def refusals(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Every refusal of ours, a general one before the narrower."""
    if kind.__module__ == __name__:
        yield kind
    for narrower in kind.__subclasses__():
        yield from refusals(narrower)
