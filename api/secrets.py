"""App secrets: 256 random bits behind a name, shown once, kept as argon2id hashes."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's parameters for argon2id; a login costs some 50 ms of one core.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_PREFIX: Final = "pss_"
_LONGEST: Final = 256


def new_secret(credential_id: str) -> str:
    """A secret that names its credential, so that checking it means checking one hash."""
    return f"{_PREFIX}{credential_id.removeprefix('crd_')}_{secrets.token_urlsafe(32)}"


def credential_of(secret: str) -> str | None:
    """Which credential this secret claims to open; None when it does not look like one of ours."""
    name, separator, rest = secret.removeprefix(_PREFIX).partition("_")
    if len(secret) > _LONGEST or not secret.startswith(_PREFIX) or not separator or not rest:
        return None
    return f"crd_{name}"


async def hashed(secret: str) -> str:
    return await asyncio.to_thread(_HASHER.hash, secret)


async def opens(secret: str, hashes: Sequence[str]) -> bool:
    """Whether the secret is behind one of the hashes; takes as long when there are none."""
    return await asyncio.to_thread(_opens, secret, hashes)


def _opens(secret: str, hashes: Sequence[str]) -> bool:
    found = False
    for candidate in hashes or (_NOBODYS,):
        try:
            _HASHER.verify(candidate, secret)
        except (VerificationError, InvalidHashError):
            continue
        found = found or candidate is not _NOBODYS
    return found


_NOBODYS: Final = _HASHER.hash(secrets.token_urlsafe(32))
