"""Every kind of false token we know of, made of a good one.

After RFC 8725 (JWT best current practices), RFC 9068 (access tokens) and ASVS 5.0, chapter V9.
"""

import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.house import Json
from tests.security.forger import Forger, base64url

STRANGER = Ed25519PrivateKey.generate()
STRANGERS_KID = Forger.kid_of(STRANGER)
STRANGERS_JWK = {
    "kty": "OKP",
    "crv": "Ed25519",
    "kid": STRANGERS_KID,
    "x": base64url(STRANGER.public_key().public_bytes_raw()),
}
Forgery = Callable[[Forger], str]


def of_header(members: Json) -> Forgery:
    return lambda it: it.sign(members)


def of_claim(name: str, value: Any) -> Forgery:
    return lambda it: it.sign(**{name: ours(it, value)})


def ours(it: Forger, value: Any) -> Any:
    """``@`` stands for who we are."""
    if isinstance(value, list):
        return [ours(it, each) for each in value]
    return value.replace("@", it.claims["iss"]) if isinstance(value, str) else value


def with_password(password: Callable[[Forger], bytes]) -> Forgery:
    """HS256, made by hand: libraries refuse to take a public key for a password."""

    def forged(it: Forger) -> str:
        signed = f"{base64url(json.dumps(it.header | {'alg': 'HS256'}).encode())}.{it.body}"
        return f"{signed}.{base64url(hmac.digest(password(it), signed.encode(), 'sha256'))}"

    return forged


def of_key(alg: str, key: Any) -> Forgery:
    return lambda it: it.foreign(alg, key)


def of_alg(alg: str) -> Forgery:
    return lambda it: it.unsigned(alg)


def without(name: str) -> Forgery:
    return lambda it: it.without(name)


def written(name: str, literal: str) -> Forgery:
    return lambda it: it.written(name, literal)


def twice(name: str, first: Any) -> Forgery:
    return lambda it: it.twice(name, first)


def headed(raw: bytes) -> Forgery:
    return lambda it: it.seal(raw, json.dumps(it.claims).encode())


def resigned(change: Callable[[bytes], bytes]) -> Forgery:
    return lambda it: it.resigned(change(it.raw_signature))


def flipped(bit: int) -> Forgery:
    return lambda it: it.flipped(bit)


def spelt(change: Callable[[str], str]) -> Forgery:
    return lambda it: change(it.token)


def just(word: str) -> Forgery:
    return lambda _: word


def pointing(name: str) -> dict[str, Forgery]:
    """A header that tells where the key is: the attacker's key, or, as it must not even be read, ours."""

    def to_stranger(it: Forger) -> Json:
        where = {"jku": it.trap, "x5u": it.trap, "jwk": STRANGERS_JWK, "x5c": ["MIIB"]}
        return {name: where[name]}

    return {
        f"{name} of a stranger": lambda it: it.sign({"kid": STRANGERS_KID} | to_stranger(it), key=STRANGER),
        f"{name} of a stranger under our kid": lambda it: it.sign(to_stranger(it), key=STRANGER),
        f"{name}, signed by us": lambda it: it.sign(to_stranger(it)),
    }


def by_another_algorithm() -> dict[str, Forgery]:
    """RFC 8725, sections 3.1 and 3.2; ASVS V9.1.2."""
    rsa, curve = generate_rsa_key(65537, 2048), generate_private_key(SECP256R1())
    pem = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = ("eddsa", "Ed25519", "HS256", None, ["EdDSA"], 1)
    return {
        "HS256 with our public key": with_password(lambda it: it.public),
        "HS256 with our public key as a PEM": with_password(
            lambda it: it.key.public_key().public_bytes(*pem)
        ),
        "HS256 with our public key as text": with_password(lambda it: base64url(it.public).encode()),
        "HS256 with nothing": with_password(lambda _: b""),
        "alg none under our signature": lambda it: it.unsigned(signature=it.signature),
        "no alg, signed by us": without("alg"),
        "RS256": of_key("RS256", rsa),
        "ES256": of_key("ES256", curve),
        "Ed448": of_key("EdDSA", Ed448PrivateKey.generate()),
        **{f"alg {alg!r}": of_alg(alg) for alg in ("none", "None", "nOnE", "")},
        **{f"alg {alg!r}, signed by us": of_header({"alg": alg}) for alg in signed},
    }


def by_another_key() -> dict[str, Forgery]:
    """RFC 8725, section 3.10; ASVS V9.1.3."""
    kids: tuple[Any, ...] = (
        "unknown",
        "../../../dev/null",
        "' UNION SELECT 'key",
        "$(id)",
        "",
        "0",
        None,
        0,
        [],
        {},
        True,
    )
    return {
        "a stranger's key under our kid": lambda it: it.sign(key=STRANGER),
        **{
            name: forgery
            for place in ("jku", "x5u", "jwk", "x5c")
            for name, forgery in pointing(place).items()
        },
        **{f"kid {json.dumps(kid)}, signed by us": of_header({"kid": kid}) for kid in kids},
    }


HEADERS: list[Json] = [
    {"typ": "JWT"},
    {"typ": "AT+JWT"},
    {"typ": ""},
    {"typ": None},
    {"typ": ["at+jwt", "checkout+jwt"]},
    {"crit": ["exp"]},
    {"crit": []},
    {"crit": ["b64"], "b64": True},
    {"crit": ["b64"], "b64": False},
    {"crit": ["http://example.com/UNDEFINED"], "http://example.com/UNDEFINED": True},
    {"zip": "DEF"},
    {"cty": "JWT"},
]
NO_HEADERS = (b"[]", b"null", b"{}", b"{", b"\xff\xfe", b'"EdDSA"', b"[" * 2000, b'{"kid":"\\ud800"}')


def with_another_header() -> dict[str, Forgery]:
    """RFC 8725, section 3.11 (typ); RFC 7515, sections 4 (no member twice) and 4.1.11 (crit)."""
    firsts = {"alg": "none", "typ": "JWT", "kid": "unknown", "sub": "ten_x", "exp": 0}
    return {
        "no typ": without("typ"),
        "no kid": without("kid"),
        **{f"header {json.dumps(header)}": of_header(header) for header in HEADERS},
        **{f"header {raw[:20]!r}": headed(raw) for raw in NO_HEADERS},
        **{f"{name} twice": twice(name, first) for name, first in firsts.items()},
    }


CLAIMS: dict[str, tuple[Any, ...]] = {
    "iss": ("https://example.com", "", None, 1, ["@"], "@/", "@@"),
    "aud": ("https://example.com", "", None, 1, ["@"], ["@", "https://example.com"], {}, "@/"),
    "sub": (None, 1, [], "\0"),
    "nbf": ("1", 1.5, None, True, -1, 2**33, [], 4_000_000_000),
    "iat": ("1", 1.5, None, True, -1, 2**33, []),
    "exp": ("tomorrow", "4000000000", 4e9, None, True, -1, 2**33, 10**30, [], {}),
}
NO_NUMBERS = ("NaN", "Infinity", "1e400", "0x7fffffff", "4000000000.0", '"\\ud800"', "[" * 50 + "]" * 50)


def with_other_claims() -> dict[str, Forgery]:
    """RFC 8725, sections 3.8 and 3.9; ASVS V9.2: refused even where one of our own keys has signed it."""
    several = [(name, value) for name, values in CLAIMS.items() for value in values]
    return {
        **{f"{name} {json.dumps(value)[:30]}": of_claim(name, value) for name, value in several},
        **{f"exp {literal[:12]}": written("exp", literal) for literal in NO_NUMBERS},
        **{f"no {name}": without(name) for name in CLAIMS},
        "more than we ever say": lambda it: it.sign(more="A" * 3000),
    }


def with_another_signature() -> dict[str, Forgery]:
    """RFC 8725, section 3.3; RFC 8032, section 5.1.7."""
    return {
        "signature: none": resigned(lambda _: b""),
        "signature: zeros": resigned(lambda _: bytes(64)),
        "signature: a point of small order": resigned(lambda _: b"\1" + bytes(63)),
        "signature: too short": resigned(lambda raw: raw[:-1]),
        "signature: too long": resigned(lambda raw: raw + b"\0"),
        "signature: turned around": resigned(lambda raw: raw[::-1]),
        **{f"signature: bit {bit} flipped": flipped(bit) for bit in (0, 255, 256, 511)},
        "signature: the other one": lambda it: it.malleable(),
        "claims swapped": lambda it: it.swapped(sub=it.stranger.id),
        "prolonged": lambda it: it.swapped(exp=it.claims["exp"] + 1),
        "a stranger's signature": lambda it: f"{it.head}.{it.body}.{it.stranger.token.rpartition('.')[2]}",
    }


def with_another_spelling() -> dict[str, Forgery]:
    """RFC 7515, sections 2 (base64url without padding) and 5.2."""
    return {
        "its end in another spelling": lambda it: it.respelt(),
        "padded": spelt(lambda token: token + "=="),
        "padded once": spelt(lambda token: token + "="),
        "in the other alphabet": spelt(lambda token: token.replace("-", "+").replace("_", "/") + "+"),
        "with a fourth part": spelt(lambda token: token + ".e30"),
        "with five parts": spelt(lambda token: token + ".e30.e30"),
        "of two parts": spelt(lambda token: token.rpartition(".")[0]),
        "upside down": spelt(lambda token: ".".join(reversed(token.split(".")))),
        "in quotes": spelt(lambda token: f'"{token}"'),
        "as JSON": spelt(lambda token: json.dumps(dict(enumerate(token.split("."))))),
        "in other letters": spelt(str.swapcase),
        "with a stop at its end": spelt(lambda token: token + "."),
        "with a blank inside": spelt(lambda token: token[:50] + " " + token[50:]),
        "with an escape inside": spelt(lambda token: token.replace(".", "%2e", 1)),
        "in wide letters": spelt(lambda token: token[:-1] + "Ａ"),
        "very long": spelt(lambda token: token + "A" * 6000),
        "a little too long": spelt(lambda token: token.ljust(4097, "A")),
        **{
            f"the word {word!r}": just(word)
            for word in ("", "..", ".", "a.b.c", "null", "ä.ö.ü", "e30.e30.e30", "Bearer")
        },
    }


FORGERIES: dict[str, Callable[[], dict[str, Forgery]]] = {
    "by another algorithm": by_another_algorithm,
    "by another key": by_another_key,
    "with another header": with_another_header,
    "with other claims": with_other_claims,
    "with another signature": with_another_signature,
    "with another spelling": with_another_spelling,
}
