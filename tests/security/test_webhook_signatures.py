"""Every way of forging a payment company's word that we could think of, at the doors of all companies.

The statuses are those of the contract: 400 for what is no signature, 401 for one that does not fit.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from tests.house import House, Json, Tenant, sandbox_keys
from tests.providers.case import NAMES, Case, case_of
from tests.providers.signing import new_secret
from tests.security.test_outbound_attacks import DODO, STRIPE

SECRETS: Final = {"stripe": "whsec_" + "s" * 32, "dodo": new_secret(7)}
CREDENTIALS: Final = {"stripe": STRIPE, "dodo": DODO}
Headers = list[tuple[str, str]]
Sent = tuple[Headers, bytes]


@dataclass(frozen=True)
class Pen:
    """A forger's: it knows how a company signs, some secrets, and a true event with its signature."""

    case: Case
    secret: str
    """The right one. Only what was sent with it before may be used, and what the last table shows."""
    others: str
    """Another account's, at the same company."""
    event: bytes

    def signed(self, body: bytes | None = None, secret: str | None = None, late: float = 0) -> dict[str, str]:
        at = datetime.now(UTC) - timedelta(seconds=late)
        secrets = (self.secret if secret is None else secret,)
        return self.case.sign(secrets, self.event if body is None else body, at)

    @property
    def value(self) -> str:
        """The right signature header over the event."""
        return self.signed()[self.case.signature_header]

    def with_value(self, value: str) -> Sent:
        return [*(self.signed() | {self.case.signature_header: value}).items()], self.event

    def over(self, body: bytes) -> Sent:
        """The event's headers over another body."""
        return [*self.signed().items()], body

    def by(self, secret: str, late: float = 0) -> Sent:
        return [*self.signed(secret=secret, late=late).items()], self.event

    def right(self, **also: str) -> Sent:
        """Truly signed, and about nothing."""
        return [*self.signed(b"{}").items(), *also.items()], b"{}"

    def made(self, digest: Callable[[bytes, bytes], bytes]) -> Sent:
        """The right headers, with a signature that is made in another way from the secret and the bytes."""
        stripe = self.case.signature_header == "stripe-signature"
        raw = self.secret.encode() if stripe else base64.b64decode(self.secret.removeprefix("whsec_"))
        made = digest(raw, self.event)
        stamp = self.value.split(",")[0]
        return self.with_value(
            f"{stamp},v1={made.hex()}" if stripe else f"v1,{base64.b64encode(made).decode()}"
        )


def words(body: bytes) -> bytes:
    """The same JSON in other bytes."""
    return json.dumps(json.loads(body), indent=1).encode()


def stranger(pen: Pen) -> Case:
    """A company that signs in another way."""
    return case_of("sandbox" if pen.case.provider.name == "stripe" else "stripe")


MISSING: Final[Mapping[str, Callable[[Pen], Sent]]] = {
    "nothing": lambda pen: ([], pen.event),
    "no signature": lambda pen: (
        [(name, value) for name, value in pen.signed().items() if name != pen.case.signature_header],
        pen.event,
    ),
    "an empty one": lambda pen: pen.with_value(""),
    "two signs": lambda pen: pen.with_value("=,"),
    "nonsense": lambda pen: pen.with_value("nonsense"),
    "only a scheme": lambda pen: pen.with_value("v1"),
    "a token of ours": lambda pen: ([("authorization", "Bearer x")], pen.event),
    "another company's": lambda pen: (
        [*stranger(pen).sign((new_secret(1),), pen.event, datetime.now(UTC)).items()],
        pen.event,
    ),
    "its own header under another name": lambda pen: ([("x-signature", pen.value)], pen.event),
}
INVALID: Final[Mapping[str, Callable[[Pen], Sent]]] = {
    "a secret that is nobody's": lambda pen: pen.by(new_secret(99)),
    "another account's secret": lambda pen: pen.by(pen.others),
    "301 seconds old": lambda pen: pen.by(pen.secret, late=302),
    "an hour old": lambda pen: pen.by(pen.secret, late=3600),
    "ten years old": lambda pen: pen.by(pen.secret, late=315_360_000),
    "from the future": lambda pen: pen.by(pen.secret, late=-330),
    "from next year": lambda pen: pen.by(pen.secret, late=-31_536_000),
    "replayed over another event": lambda pen: pen.over(pen.event.replace(b"1", b"2")),
    "one byte changed": lambda pen: pen.over(pen.event[:-2] + b" " + pen.event[-1:]),
    "one byte more": lambda pen: pen.over(pen.event + b" "),
    "a line feed more": lambda pen: pen.over(pen.event + b"\n"),
    "another event behind it": lambda pen: pen.over(pen.event + pen.event),
    "one byte less": lambda pen: pen.over(pen.event[:-1]),
    "a mark in front": lambda pen: pen.over(b"\xef\xbb\xbf" + pen.event),
    "the same JSON otherwise spaced": lambda pen: pen.over(words(pen.event)),
    "nothing to it": lambda pen: pen.over(b""),
    "signed for nothing": lambda pen: ([*pen.signed(b"").items()], pen.event),
    "the secret as an empty key": lambda pen: pen.made(lambda _, body: hmac.digest(b"", body, "sha256")),
    "the body alone signed": lambda pen: pen.made(lambda key, body: hmac.digest(key, body, "sha256")),
    "hashed without the secret": lambda pen: pen.made(lambda _, body: hashlib.sha256(body).digest()),
    "the secret hashed after": lambda pen: pen.made(lambda key, body: hashlib.sha256(body + key).digest()),
    "zeros": lambda pen: pen.made(lambda _key, _body: bytes(32)),
    "many wrong ones": lambda pen: pen.with_value(
        pen.value.partition(",")[0] + ",v1=" + ",v1=".join(["0" * 64] * 200)
        if "v1=" in pen.value
        else " ".join(["v1," + "A" * 43 + "="] * 200)
    ),
}
EITHER: Final[Mapping[str, Callable[[Pen], Sent]]] = {
    "a lot of nonsense": lambda pen: pen.with_value("v1," * 5000),
    "of the scheme v0": lambda pen: pen.with_value(pen.value.replace("v1", "v0")),
    "of the scheme v2": lambda pen: pen.with_value(pen.value.replace("v1", "v2")),
    "in capitals": lambda pen: pen.with_value(pen.value.upper()),
    "in the other case": lambda pen: pen.with_value(pen.value.swapcase()),
    "cut short": lambda pen: pen.with_value(pen.value[:-6]),
    "drawn out": lambda pen: pen.with_value(pen.value + "A"),
    "with bytes behind it": lambda pen: pen.with_value(pen.value + "%00"),
    "by SHA-1": lambda pen: pen.made(lambda key, body: hmac.digest(key, body, "sha1")),
    "by SHA-512": lambda pen: pen.made(lambda key, body: hmac.digest(key, body, "sha512")),
    "empty": lambda pen: pen.made(lambda _key, _body: b""),
    "twice, the wrong one last": lambda pen: (
        [
            *pen.signed().items(),
            (pen.case.signature_header, pen.signed(secret=pen.others)[pen.case.signature_header]),
        ],
        pen.event,
    ),
    "with a time that is none": lambda pen: (
        [
            (name, value.replace("1", "x") if "timestamp" in name else value.replace("t=1", "t=x"))
            for name, value in pen.signed().items()
        ],
        pen.event,
    ),
}
AUTHENTIC: Final[Mapping[str, Callable[[Pen], Sent]]] = {
    "right": lambda pen: pen.right(),
    "right, in plain text": lambda pen: pen.right(**{"content-type": "text/plain"}),
    "right, with its names in capitals": lambda pen: (
        [(name.upper(), value) for name, value in pen.signed(b"{}").items()],
        b"{}",
    ),
    "right, and four minutes old": lambda pen: ([*pen.signed(b"{}", late=240).items()], b"{}"),
}
TABLE: Final = (
    (MISSING, {(400, "signature_missing")}),
    (INVALID, {(401, "signature_invalid")}),
    (EITHER, {(400, "signature_missing"), (401, "signature_invalid")}),
    # The signature fits; that a word about nothing cannot be read is another matter.
    (AUTHENTIC, {(200, None), (422, "validation_failed")}),
)


async def account_of(house: House, tenant: Tenant, name: str, secret: str | None) -> tuple[str, str]:
    """The tenant's account at this company, and the secret that the company signs with."""
    if name not in CREDENTIALS:
        account = await tenant.account()
        return account, sandbox_keys(house, account)[0]
    credentials: Json = CREDENTIALS[name] | {"webhookSecret": secret}
    body = {"credentials": credentials}
    answer = await tenant.call("PUT", f"/v1/tenants/me/providers/{name}", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["accountId"]), credentials["webhookSecret"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_forged_word_is_refused_whatever_the_forgery(house: House, tenant: Tenant, name: str) -> None:
    case, neighbour = case_of(name), await house.tenant()
    account, secret = await account_of(house, tenant, name, SECRETS.get(name))
    _, others = await account_of(house, neighbour, name, new_secret(42))
    pen = Pen(case, secret, others, json.dumps(case.events["paid"].body).encode())
    wrong = []
    for rows, expected in TABLE:
        for what, write in rows.items():
            headers, body = write(pen)
            path = f"/v1/billing/webhooks/{name}/{account}"
            answer = await house.http.post(path, content=body, headers=headers)
            if (answer.status_code, answer.json().get("code")) not in expected:
                wrong.append(f"{what}: {answer.status_code} {answer.text}")
    assert wrong == []
    assert await tenant.rows("SELECT * FROM inbox") == []
    forged = await tenant.rows(
        "SELECT failure, count(*) FROM audit_records WHERE result = 'refused' GROUP BY 1"
    )
    assert {row["failure"]: row["count"] for row in forged}.get("signature_invalid", 0) <= 1
