"""Ed25519 signatures under what must be believed elsewhere and later: checkpoints and proof bundles.

The keys are apart from those of tokens: who can let somebody in cannot rewrite what has happened.
"""

import base64
import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALGORITHM: Final = "EdDSA"
_RAW: Final = 32


class Keyring:
    """Public keys that somebody trusts. A key's id is made of the key, so none can pose as another."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        """``keys`` are raw, 32 bytes each. Raises ``ValueError`` for anything else."""
        self._keys = {key_id(key): Ed25519PublicKey.from_public_bytes(key) for key in keys}

    def trusts(self, key: str, signed: bytes, signature: bytes) -> bool:
        """Whether the key of this id is one of ours, and made this signature."""
        known = self._keys.get(key)
        if known is None:
            return False
        try:
            known.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    @property
    def jwks(self) -> dict[str, Any]:
        """RFC 7517, RFC 8037."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "use": "sig",
                    "alg": ALGORITHM,
                    "kid": kid,
                    "x": b64url(_raw(key)),
                }
                for kid, key in self._keys.items()
            ]
        }


class Notary:
    """Signs with the first of these Ed25519 seeds; what any of them signed is believed."""

    def __init__(self, seeds: list[bytes]) -> None:
        keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]
        self._key = keys[0]
        self.key_id = key_id(_raw(keys[0].public_key()))
        self.keyring = Keyring(_raw(key.public_key()) for key in keys)

    def sign(self, statement: bytes) -> bytes:
        """The same for the same statement, for ever."""
        return self._key.sign(statement)


def key_id(key: bytes) -> str:
    return b64url(sha256(b"paysaga audit key" + key).digest())


def read_keys(text: str) -> list[bytes]:
    """The raw keys in what a person was given: a JWKS, or one key in base64. Raises ``ValueError``."""
    if text.lstrip().startswith("{"):
        found = json.loads(text)
        keys = found["keys"] if isinstance(found, dict) and isinstance(found.get("keys"), list) else [found]
        raw = [
            unb64url(str(key["x"])) for key in keys if isinstance(key, dict) and key.get("crv") == "Ed25519"
        ]
    else:
        raw = [unb64url(text.strip())]
    if not raw or any(len(key) != _RAW for key in raw):
        raise ValueError("an Ed25519 public key is 32 bytes")
    return raw


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    """Either alphabet, padded or not. Raises ``ValueError``."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
