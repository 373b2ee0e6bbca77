"""The keys of a sandbox account, which nobody has to set up."""

import base64
import hmac


def ready_made(platform_key: str, account_id: str) -> dict[str, str]:
    """The secrets of a sandbox tenant's account, as the sandbox derives them too.

    Nothing has to be set up over there: whoever holds the platform's key can name any account's keys.
    """
    keyed = platform_key.encode()
    api = hmac.new(keyed, f"api:{account_id}".encode(), "sha256").hexdigest()[:40]
    webhook = hmac.new(keyed, f"webhook:{account_id}".encode(), "sha256").digest()
    return {
        "apiKey": f"sk_sandbox_{account_id}_{api}",
        "webhookSecret": f"whsec_{base64.b64encode(webhook).decode()}",
    }
