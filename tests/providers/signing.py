"""How companies sign, from their documentation and not from our code: a second opinion for the verifiers."""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime


def new_secret(first: int) -> str:
    """A secret after Standard Webhooks, another for each number."""
    return "whsec_" + base64.b64encode(bytes(range(first, first + 32))).decode()


def standard_webhook(
    secrets: Sequence[str], body: bytes, at: datetime, name: str = "evt_1"
) -> dict[str, str]:
    """Standard Webhooks 1.0.0: a signature by each secret over ``id.timestamp.body``."""
    stamp = str(int(at.timestamp()))
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    digests = [hmac.digest(key, f"{name}.{stamp}.".encode() + body, "sha256") for key in keys]
    signatures = ["v1," + base64.b64encode(digest).decode() for digest in digests]
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": " ".join(signatures)}
