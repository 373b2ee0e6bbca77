"""Which of several keys signs, and which tokens are believed while one takes another's place."""

import base64
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import jwt
import pytest

from api.tokens import Tokens
from domain.errors import TokenExpired, Unauthorized
from domain.tenant import Credential, Role
from tests.console.payers import payment

HOME, DAY = "https://pay.example", timedelta(hours=24)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLD, NEW = b"old".ljust(32), b"new".ljust(32)
ORDER = payment(order={"created_at": NOW, "expires_at": NOW + DAY}).order
OWNER = Credential(id="crd_1", tenant_id="ten_1", name="owner", role=Role.OWNER, version=1, revoked=False)


def tokens(*seeds: bytes) -> Tokens:
    return Tokens([*seeds], HOME, DAY)


STEPS = [tokens(OLD), tokens(OLD, NEW), tokens(NEW, OLD), tokens(NEW)]


def test_whatever_an_api_signs_the_apis_one_step_before_and_after_believe() -> None:
    for earlier, later in pairwise(STEPS):
        for signs, reads in ((earlier, later), (later, earlier)):
            claims = reads.read_access(signs.access(OWNER, NOW), NOW)
            assert (claims.caller.credential_id, claims.version) == ("crd_1", 1)
            assert reads.read_checkout(signs.checkout(ORDER), NOW) == (ORDER.tenant_id, ORDER.payment_id)


def test_two_steps_at_once_are_one_too_many() -> None:
    for reads, signs in ((STEPS[0], STEPS[2]), (STEPS[3], STEPS[1])):
        with pytest.raises(Unauthorized):
            reads.read_access(signs.access(OWNER, NOW), NOW)


def test_a_payers_token_is_the_same_until_another_key_signs_and_then_says_the_same() -> None:
    first, second, third, last = (step.checkout(ORDER) for step in STEPS)
    assert first == second
    assert third == last != second
    said = [
        jwt.decode(token, options={"verify_signature": False, "verify_exp": False}) for token in (first, last)
    ]
    assert said[0] == said[1]


def test_the_keys_are_published_in_their_order() -> None:
    names = [[key["kid"] for key in step.jwks()["keys"]] for step in STEPS]
    (old,), (new,) = names[0], names[3]
    assert names == [[old], [old, new], [new, old], [new]]
    assert jwt.get_unverified_header(STEPS[1].access(OWNER, NOW))["kid"] == old
    assert base64.b64encode(NEW).decode() not in str(STEPS[3].jwks())


def test_no_token_outlives_its_time_by_a_second() -> None:
    access, checkout = STEPS[0].access(OWNER, NOW), STEPS[0].checkout(ORDER)
    second, longest = timedelta(seconds=1), DAY + timedelta(hours=1)
    STEPS[0].read_access(access, NOW + DAY - second)
    STEPS[0].read_checkout(checkout, NOW + longest - second)
    with pytest.raises(TokenExpired):
        STEPS[0].read_access(access, NOW + DAY)
    with pytest.raises(TokenExpired):
        STEPS[0].read_checkout(checkout, NOW + longest)


def test_clocks_may_differ_by_a_minute_and_no_more() -> None:
    access = STEPS[0].access(OWNER, NOW)
    STEPS[0].read_access(access, NOW - timedelta(seconds=60))
    with pytest.raises(Unauthorized):
        STEPS[0].read_access(access, NOW - timedelta(seconds=61))
