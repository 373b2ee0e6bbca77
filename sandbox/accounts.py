"""Who a caller is. Keys are derived from the account's name, so accounts need no provisioning."""

import base64
import hmac
import re
from hashlib import sha256

ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEY_PREFIX = "sk_sandbox_"
TAG_LENGTH = 40
SHORTEST_PLATFORM_KEY = 16


class Accounts:
    """Derives and recognises the two secrets of every account. Never shows the platform key."""

    def __init__(self, platform_key: str) -> None:
        """Refuse a key that is missing or short enough to guess."""
        if len(platform_key) < SHORTEST_PLATFORM_KEY:
            raise ValueError(f"the platform key needs at least {SHORTEST_PLATFORM_KEY} characters")
        self._key = platform_key.encode()

    def api_key(self, account: str) -> str:
        """Derive the bearer key of an account."""
        tag = hmac.new(self._key, f"api:{account}".encode(), sha256).hexdigest()[:TAG_LENGTH]
        return f"{KEY_PREFIX}{account}_{tag}"

    def webhook_secret(self, account: str) -> str:
        """Derive the secret that signs an account's webhooks, unless it registered an endpoint of its own."""
        digest = hmac.new(self._key, f"webhook:{account}".encode(), sha256).digest()
        return "whsec_" + base64.b64encode(digest).decode()

    def recognise(self, authorization: str | None) -> str | None:
        """Name the account behind an ``Authorization`` header, or None; constant in time."""
        scheme, _, presented = (authorization or "").partition(" ")
        account, _, _ = presented.strip().removeprefix(KEY_PREFIX).rpartition("_")
        if scheme.lower() != "bearer" or not ACCOUNT.fullmatch(account):
            return None
        expected = self.api_key(account)
        return account if hmac.compare_digest(presented.strip().encode(), expected.encode()) else None
