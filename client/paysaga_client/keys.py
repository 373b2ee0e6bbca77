"""Idempotency keys, so that whatever is asked twice is done once.

A key made of chance helps only as long as somebody remembers it: a process that dies between sending and
storing has lost it, and charges again. So where a request has a name of its caller's (an order, a reference),
the key is derived from it, and whoever asks again, after a crash or on another machine, asks with the same
key.
"""

import hashlib
import json
import uuid
from typing import Any


def derived_key(*parts: Any) -> str:
    """The same key for the same parts, for ever. 70 printable characters."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"derived-{hashlib.sha256(text.encode()).hexdigest()}"


def fresh_key() -> str:
    """A key for one call and all its tries."""
    return f"fresh-{uuid.uuid4().hex}"


def key_for(deed: str, *, key: str | None, reference: str | None, about: str) -> str:
    """The caller's own key; else one derived from what it is about and its reference; else a fresh one.

    The body is not part of a derived key: the same reference with another amount is refused as a conflict,
    and not done beside the first.
    """
    if key is not None:
        return key
    return fresh_key() if reference is None else derived_key(deed, about, reference)
