"""The two kinds of token we issue: for a tenant's backend, and for one payment's payer.

EdDSA only, by our own keys only (RFC 8725): a token cannot choose its algorithm or bring its key. Signatures
are deterministic, so the same facts always make the same token.
"""

import base64
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domain.errors import TokenExpired, Unauthorized
from domain.payment import PaymentOrder
from domain.tenant import Caller, Credential, Role
from domain.values import Value, new_id

_ALGORITHM: Final = "EdDSA"
_ACCESS: Final = "at+jwt"
_CHECKOUT: Final = "checkout+jwt"
_LONGEST: Final = 4096
# The payer comes back to a page that tells how it ended, a while after it did.
_AFTERGLOW: Final = timedelta(hours=1)


class AccessClaims(Value):
    caller: Caller
    version: int
    """Of the credential when the token was made; an older one than the credential's is void."""
    expires_at: datetime


class Tokens:
    """Makes and reads tokens. ``seeds`` are Ed25519 seeds: the first signs, all of them verify.

    ``issuer`` is our public address, without a slash at the end.
    """

    def __init__(self, seeds: list[bytes], issuer: str, life: timedelta) -> None:
        keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]
        self._signing = keys[0]
        self._public = {_key_id(key.public_key()): key.public_key() for key in keys}
        self._kid = _key_id(keys[0].public_key())
        self._issuer = issuer
        self.life = life

    def access(self, credential: Credential, now: datetime) -> str:
        return self._sign(
            _ACCESS,
            {
                "aud": self._issuer,
                "sub": credential.tenant_id,
                "cid": credential.id,
                "name": credential.name,
                "role": credential.role.value,
                "ver": credential.version,
                "jti": new_id("jti", now),
                "iat": now,
                "nbf": now,
                "exp": now + self.life,
            },
        )

    def read_access(self, token: str, now: datetime) -> AccessClaims:
        """Raises ``TokenExpired`` or ``Unauthorized``."""
        claims = self._read(_ACCESS, token, now, ["sub", "cid", "role", "ver", "exp", "iat", "nbf", "jti"])
        try:
            caller = Caller(
                tenant_id=claims["sub"],
                credential_id=claims["cid"],
                name=claims["name"],
                role=Role(claims["role"]),
            )
        except (KeyError, ValueError):
            raise Unauthorized from None
        return AccessClaims(
            caller=caller, version=claims["ver"], expires_at=datetime.fromtimestamp(claims["exp"], UTC)
        )

    def checkout(self, order: PaymentOrder) -> str:
        """The payer's token: reads this one payment until it is over. The same for the same order."""
        return self._sign(
            _CHECKOUT,
            {
                "aud": self._issuer,
                "sub": order.payment_id,
                "ten": order.tenant_id,
                "iat": order.created_at,
                "nbf": order.created_at,
                "exp": order.expires_at + _AFTERGLOW,
            },
        )

    def payers_page(self, order: PaymentOrder) -> str:
        """Where whoever pays this order sees how it stands. The same for the same order."""
        return f"{self._issuer}/pay/{order.payment_id}?token={self.checkout(order)}"

    def read_checkout(self, token: str, now: datetime) -> tuple[str, str]:
        """(tenant, payment) this token speaks of. Raises ``TokenExpired`` or ``Unauthorized``."""
        claims = self._read(_CHECKOUT, token, now, ["sub", "ten", "exp", "iat", "nbf"])
        return str(claims["ten"]), str(claims["sub"])

    def jwks(self) -> dict[str, Any]:
        """RFC 7517: the keys that verify, public halves only."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "use": "sig",
                    "alg": _ALGORITHM,
                    "kid": kid,
                    "x": _base64url(_raw(key)),
                }
                for kid, key in self._public.items()
            ]
        }

    def _sign(self, kind: str, claims: dict[str, Any]) -> str:
        return jwt.encode(
            {"iss": self._issuer, **claims},
            self._signing,
            algorithm=_ALGORITHM,
            headers={"typ": kind, "kid": self._kid},
        )

    def _read(self, kind: str, token: str, now: datetime, required: list[str]) -> dict[str, Any]:
        if len(token) > _LONGEST:
            raise Unauthorized
        try:
            header = jwt.get_unverified_header(token)
            key = self._public[header["kid"]]
            if header.get("typ") != kind:
                raise Unauthorized
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=self._issuer,
                issuer=self._issuer,
                # Against the injected clock, below: the library only knows its own.
                options={"require": required, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise Unauthorized from None
        if not all(isinstance(claims[name], int) for name in ("exp", "nbf", "iat")):
            raise Unauthorized
        if claims["nbf"] > now.timestamp() + 60:
            raise Unauthorized
        if claims["exp"] <= now.timestamp():
            raise TokenExpired
        return claims


def _key_id(key: Ed25519PublicKey) -> str:
    return _base64url(sha256(_raw(key)).digest()[:12])


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
