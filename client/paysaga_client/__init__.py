"""Paysaga for a tenant's backend: ``Paysaga`` for ordinary programs, ``AsyncPaysaga`` for asynchronous ones.

Answers and the parts of requests are in ``paysaga_client.models``, webhooks are verified by
``paysaga_client.webhooks``.
"""

from paysaga_client import models, webhooks
from paysaga_client._async.client import AsyncPaysaga
from paysaga_client._sync.client import Paysaga
from paysaga_client.errors import (
    AlreadyPaid,
    AmountOutOfRange,
    ApiError,
    BadRequest,
    Conflict,
    CurrencyUnsupported,
    FieldError,
    Forbidden,
    FourEyes,
    IdempotencyConflict,
    IllegalTransition,
    LimitExceeded,
    NetworkError,
    NotFound,
    OrderAlreadyPaid,
    OrderHasOpenPayment,
    PaymentDisputed,
    PaysagaError,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    RefundExceedsCaptured,
    ServerError,
    ServiceUnavailable,
    TenantSuspended,
    TokenExpired,
    Unauthorized,
    UnexpectedAnswer,
    ValidationFailed,
    WaitTimeout,
)
from paysaga_client.models import Event, Grant
from paysaga_client.retry import Retry
from paysaga_client.wire import __version__

__all__ = [
    "AlreadyPaid",
    "AmountOutOfRange",
    "ApiError",
    "AsyncPaysaga",
    "BadRequest",
    "Conflict",
    "CurrencyUnsupported",
    "Event",
    "FieldError",
    "Forbidden",
    "FourEyes",
    "Grant",
    "IdempotencyConflict",
    "IllegalTransition",
    "LimitExceeded",
    "NetworkError",
    "NotFound",
    "OrderAlreadyPaid",
    "OrderHasOpenPayment",
    "PaymentDisputed",
    "Paysaga",
    "PaysagaError",
    "ProviderMisconfigured",
    "ProviderUnavailable",
    "RateLimited",
    "RefundExceedsCaptured",
    "Retry",
    "ServerError",
    "ServiceUnavailable",
    "TenantSuspended",
    "TokenExpired",
    "Unauthorized",
    "UnexpectedAnswer",
    "ValidationFailed",
    "WaitTimeout",
    "__version__",
    "models",
    "webhooks",
]
