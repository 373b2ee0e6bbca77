"""Webhooks: is it the platform that speaks, and what does it say. Standard Webhooks 1.0.0.

Give ``verify`` the bytes as they arrived: a body that was parsed and written again has another signature.
Nothing of the body is read before its signature is found good.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from pydantic import ValidationError

from paysaga_client.errors import PaysagaError
from paysaga_client.models.outbound import Event

TOLERANCE: Final = timedelta(minutes=5)
_PREFIX: Final = "whsec_"
_MOST_SIGNATURES: Final = 16
# With a full stop in it, id and timestamp could trade places under one signature.
_ID: Final = re.compile(r"[!-\-/-~]{1,255}")
_STAMP: Final = re.compile(r"[0-9]{1,11}")


class WebhookError(PaysagaError):
    """Not to be believed, or not to be understood. Answer 400."""


class WebhookHeadersInvalid(WebhookError):
    """A header of the three is missing, there twice, or no such thing."""


class WebhookSignatureInvalid(WebhookError):
    """No secret of yours made any of the signatures for these very bytes."""


class WebhookTimestampInvalid(WebhookError):
    """Signed with your secret, but too long ago or in the future: a replay, or one of the clocks is wrong."""


class WebhookUnreadable(WebhookError):
    """Authentic, but no event of Paysaga."""


class Headers(Protocol):
    """What the headers of all frameworks have in common."""

    def items(self) -> Iterable[tuple[str, str]]: ...


def verify(
    secrets: str | Iterable[str],
    headers: Headers,
    body: bytes,
    *,
    tolerance: timedelta = TOLERANCE,
    now: datetime | None = None,
) -> Event:
    """The event that ``body`` is, if one of ``secrets`` signed it no longer than ``tolerance`` ago.

    Give the old and the new secret while one replaces the other. Events come at least once: remember
    ``event_id``. Raises a ``WebhookError``, and ``ValueError`` for a secret that is none.
    """
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("there is no webhook secret to verify with")
    identity, stamp, signatures = _three(headers)
    signed = f"{identity}.{stamp}.".encode("utf-8", "replace") + body
    ours = [b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    # All of them are compared, so that the time taken does not tell which was close.
    matches = [hmac.compare_digest(mine, theirs) for mine in ours for theirs in signatures]
    if not any(matches):
        raise WebhookSignatureInvalid("none of the signatures was made for this body with a secret of yours")
    age = (now or datetime.now(UTC)) - datetime.fromtimestamp(int(stamp), UTC)
    if abs(age) > tolerance:
        raise WebhookTimestampInvalid("it was signed too long ago, or in the future")
    try:
        return Event.model_validate_json(body)
    except ValidationError:
        # Its cause would quote the body.
        pass
    raise WebhookUnreadable("it is authentic, but no event that can be read")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not key:
        raise ValueError("a webhook secret is whsec_ and base64")
    return key


def _three(headers: Headers) -> tuple[str, str, list[bytes]]:
    """Id, timestamp and signatures, whatever the case of the names."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        if found.setdefault(name.lower(), value) != value and name.lower().startswith("webhook-"):
            raise WebhookHeadersInvalid(f"{name.lower()} is there twice")
    try:
        identity, stamp, signatures = (found[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise WebhookHeadersInvalid(f"there is no {missing.args[0]}") from None
    if not _ID.fullmatch(identity) or not _STAMP.fullmatch(stamp):
        raise WebhookHeadersInvalid("webhook-id or webhook-timestamp is no such thing")
    return (
        identity,
        stamp,
        [each.encode("utf-8", "replace") for each in signatures.split()[:_MOST_SIGNATURES]],
    )
