"""Somebody who makes tokens that nearly hold: without our key, or with it, as a bug of ours would."""

import base64
import hashlib
import json
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.house import House, Json, Tenant

# The order of Ed25519's group: RFC 8032, section 5.1.
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493


def signing_seed(house: House) -> bytes:
    """The platform's own signing key: what no outsider has."""
    return base64.b64decode(json.loads((house.data_dir / "secrets.json").read_text())["signing_key"])


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forger:
    """Holds a good token and what it takes to make others like it: a stranger, a server that listens."""

    def __init__(self, tenant: Tenant, token: str, stranger: Tenant, trap: str) -> None:
        self.token, self.stranger, self.trap = token, stranger, trap
        self.head, self.body, self.signature = token.split(".")
        self.key = Ed25519PrivateKey.from_private_bytes(signing_seed(tenant.house))
        self.header: Json = jwt.get_unverified_header(token)
        self.claims: Json = jwt.decode(token, options={"verify_signature": False})

    def of(self, tenant: Tenant) -> "Forger":
        """The same, with another's access token."""
        return Forger(tenant, tenant.token, self.stranger, self.trap)

    def seal(self, header: bytes, claims: bytes, key: Ed25519PrivateKey | None = None) -> str:
        """Any bytes at all, with a signature that is good for them."""
        signed = f"{base64url(header)}.{base64url(claims)}"
        return f"{signed}.{base64url((key or self.key).sign(signed.encode()))}"

    def sign(self, header: Json | None = None, key: Ed25519PrivateKey | None = None, **claims: Any) -> str:
        """The token, but for these members, signed by us or by ``key``."""
        head = json.dumps(self.header | (header or {}))
        return self.seal(head.encode(), json.dumps(self.claims | claims).encode(), key)

    def without(self, name: str) -> str:
        """The token without a claim, or without a member of its header."""
        header, claims = ({k: v for k, v in part.items() if k != name} for part in (self.header, self.claims))
        return self.seal(json.dumps(header).encode(), json.dumps(claims).encode())

    def twice(self, name: str, first: object) -> str:
        """With a member that is there twice and says something else first: readers differ in which counts."""
        mine = (self.header, self.claims)
        header, claims = (
            json.dumps(part).replace("{", "{" + f"{json.dumps(name)}: {json.dumps(first)}, ", 1)
            if name in part
            else json.dumps(part)
            for part in mine
        )
        return self.seal(header.encode(), claims.encode())

    def written(self, name: str, literal: str) -> str:
        """With a claim that is written like this, be it JSON or not."""
        claims = json.dumps(self.claims | {name: "@"}).replace('"@"', literal)
        return self.seal(json.dumps(self.header).encode(), claims.encode())

    def foreign(self, alg: str, key: Any, **header: Any) -> str:
        """By another algorithm."""
        return jwt.encode(self.claims, key, alg, headers=self.header | header | {"alg": alg})

    def unsigned(self, alg: str = "none", signature: str = "") -> str:
        """What RFC 7519 calls unsecured."""
        return f"{base64url(json.dumps(self.header | {'alg': alg}).encode())}.{self.body}.{signature}"

    def swapped(self, **claims: object) -> str:
        """Other claims under the signature that was made for the true ones."""
        return f"{self.head}.{base64url(json.dumps(self.claims | claims).encode())}.{self.signature}"

    def resigned(self, signature: bytes) -> str:
        return f"{self.head}.{self.body}.{base64url(signature)}"

    def flipped(self, bit: int) -> str:
        """One bit of the signature is another."""
        raw = bytearray(self.raw_signature)
        raw[bit // 8] ^= 1 << bit % 8
        return self.resigned(bytes(raw))

    @property
    def raw_signature(self) -> bytes:
        return base64.urlsafe_b64decode(self.signature + "==")

    def malleable(self) -> str:
        """The other solution of the same equation, which RFC 8032 has us refuse: S plus the order."""
        raw = self.raw_signature
        second = int.from_bytes(raw[32:], "little") + _ORDER
        return self.resigned(raw[:32] + second.to_bytes(32, "little"))

    def respelt(self) -> str:
        """The last character has bits that stand for nothing: others of it would read as the same bytes."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        return self.token[:-1] + alphabet[alphabet.index(self.token[-1]) ^ 1]

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @staticmethod
    def kid_of(key: Ed25519PrivateKey) -> str:
        """What we would call a key."""
        return base64url(hashlib.sha256(key.public_key().public_bytes_raw()).digest()[:12])
