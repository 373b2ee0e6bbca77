"""The two kinds of token we issue: for a tenant's backend (RFC 9068), and for one payment's payer.

EdDSA only, by our own keys only (RFC 8725): a token cannot choose its algorithm or bring its key. Signatures
are deterministic, so the same facts make the same token as long as the same key signs.
"""

import base64
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict, Field

from api.strict import strict_loads
from domain.errors import MalformedJson, TokenExpired, Unauthorized
from domain.payment import PaymentOrder
from domain.tenant import Caller, Credential, Role
from domain.values import Value, new_id

_ALGORITHM: Final = "EdDSA"
_ACCESS: Final = "at+jwt"
_CHECKOUT: Final = "checkout+jwt"
_LONGEST: Final = 4096
# Without padding, which the library takes: one token has one spelling.
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS: Final = jwt.PyJWS(algorithms=[_ALGORITHM])
# The payer comes back to a page that tells how it ended, a while after it did.
_AFTERGLOW: Final = timedelta(hours=1)
# The clocks of two of our processes may be this far apart.
_CLOCKS_DIFFER: Final = timedelta(minutes=1)

_Moment = Annotated[int, Field(ge=0, lt=2**33)]


class _Claims(BaseModel):
    """What every token of ours says, each claim of one JSON type. What later versions add is passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    iss: str
    aud: str
    sub: str
    iat: _Moment
    nbf: _Moment
    exp: _Moment


class _Access(_Claims):
    client_id: str
    name: str
    role: Annotated[Role, Field(strict=False)]
    ver: int
    jti: str


class _Checkout(_Claims):
    ten: str


_Said = TypeVar("_Said", bound=_Claims)


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
                "client_id": credential.id,
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
        said = self._read(_ACCESS, _Access, token, now)
        caller = Caller(tenant_id=said.sub, credential_id=said.client_id, name=said.name, role=said.role)
        return AccessClaims(caller=caller, version=said.ver, expires_at=datetime.fromtimestamp(said.exp, UTC))

    def checkout(self, order: PaymentOrder) -> str:
        """The payer's token: reads this one payment until it is over.

        The same for the same order, until another key signs: then it says the same and is as good.
        """
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
        """Where whoever pays this order sees how it stands. The same as long as ``checkout`` is."""
        return f"{self._issuer}/pay/{order.payment_id}?token={self.checkout(order)}"

    def read_checkout(self, token: str, now: datetime) -> tuple[str, str]:
        """(tenant, payment) this token speaks of. Raises ``TokenExpired`` or ``Unauthorized``."""
        said = self._read(_CHECKOUT, _Checkout, token, now)
        return said.ten, said.sub

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
            headers=self._header(kind, self._kid),
        )

    def _read(self, kind: str, shape: type[_Said], token: str, now: datetime) -> _Said:
        """What a token of this kind says. Whoever made a false one is told nothing but that it is none."""
        try:
            said = shape.model_validate(strict_loads(self._payload(kind, token)))
        except (jwt.PyJWTError, MalformedJson, ValueError):
            # Neither the cause nor its context may travel on: both hold the token.
            raise Unauthorized from None
        if {said.iss, said.aud} != {self._issuer} or said.nbf > (now + _CLOCKS_DIFFER).timestamp():
            raise Unauthorized
        if said.exp <= now.timestamp():
            raise TokenExpired
        return said

    def _payload(self, kind: str, token: str) -> bytes:
        """What the signature vouches for. Its header is exactly one that we write: nothing in it is followed.

        Raises ``PyJWTError``, ``MalformedJson`` or ``ValueError``.
        """
        parts = _COMPACT.fullmatch(token) if len(token) <= _LONGEST else None
        if parts is None:
            raise ValueError("this is no token")
        header = strict_loads(base64.urlsafe_b64decode(parts[1] + "=="))
        for kid, key in self._public.items():
            if header == self._header(kind, kid):
                payload: bytes = _JWS.decode_complete(token, key, [_ALGORITHM])["payload"]
                return payload
        raise ValueError("this is no header of ours")

    def _header(self, kind: str, kid: str) -> dict[str, str]:
        return {"alg": _ALGORITHM, "typ": kind, "kid": kid}


def _key_id(key: Ed25519PublicKey) -> str:
    return _base64url(sha256(_raw(key)).digest()[:12])


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
