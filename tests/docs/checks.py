"""What hidden notes of the pages ask of a guide's code that reads webhooks: it takes ours, and nothing else.

``python -m tests.docs.checks URL SECRET`` asks it of a server in any language.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

from domain.signatures import new_secret, sign

Headers = dict[str, str]
BODY = '{"sequence":1,"type":"payment.created","data":{"userId":"Zoë"}}'.encode()
OTHER = new_secret(b"o" * 32)


def signed(secret: str, body: bytes = BODY, *, age_seconds: int = 0) -> Headers:
    """Headers as ours of some time ago."""
    stamp = int(time.time()) - age_seconds
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(secret, "evt_1", stamp, body),
    }


def honest(secret: str) -> list[tuple[Headers, bytes]]:
    """What must be taken: also while a secret is changed, when there are two signatures."""
    two = signed(secret)
    two["webhook-signature"] = f"v1,AAAA {two['webhook-signature']}"
    return [(signed(secret), BODY), (two, BODY)]


def forged(secret: str) -> list[tuple[Headers, bytes]]:
    """What must be refused: another's, changed, too old, from the future, unsigned."""
    return [
        (signed(OTHER), BODY),
        (signed(secret), BODY + b" "),
        (signed(secret, age_seconds=600), BODY),
        (signed(secret, age_seconds=-600), BODY),
        ({}, BODY),
    ]


def reads_ours_only(read: Callable[[str, Headers, bytes], Any]) -> None:
    """Of a function that gives the event, or raises."""
    secret = new_secret(b"s" * 32)
    for headers, body in honest(secret):
        event = read(secret, headers, body)
        assert event == json.loads(BODY), event
    for headers, body in forged(secret):
        try:
            read(secret, headers, body)
        except Exception:  # noqa: BLE001, S112 - a guide may say: any
            continue
        raise AssertionError(f"it takes {headers} for {body!r}")


def answers_ours_only(url: str, secret: str) -> None:
    """Of a server: 2xx to ours, 4xx to all else."""
    kind = {"content-type": "application/json"}
    with httpx.Client(trust_env=False) as http:
        for headers, body in honest(secret):
            answer = http.post(url, content=body, headers=headers | kind)
            assert answer.is_success, answer
        for headers, body in forged(secret):
            answer = http.post(url, content=body, headers=headers | kind)
            assert answer.is_client_error, answer


if __name__ == "__main__":
    answers_ours_only(*sys.argv[1:])
