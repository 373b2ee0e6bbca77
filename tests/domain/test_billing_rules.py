"""Subscriptions: where each status may lead, and what it gives."""

import pytest

from domain.billing import TRANSITIONS, Access, SubscriptionStatus, access, sources
from domain.subscription import SubscriptionWord

S = SubscriptionStatus


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Access.NONE),
        (S.INCOMPLETE, Access.NONE),
        (S.INCOMPLETE_EXPIRED, Access.NONE),
        (S.TRIALING, Access.FULL),
        (S.ACTIVE, Access.FULL),
        (S.PAST_DUE, Access.GRACE),
        (S.UNPAID, Access.NONE),
        (S.PAUSED, Access.NONE),
        (S.CANCELED, Access.NONE),
    ],
)
def test_each_status_gives_what_the_contract_says(status: S | None, expected: Access) -> None:
    assert access(status) is expected


def test_what_has_ended_stays_ended() -> None:
    assert {status for status in S if not TRANSITIONS[status]} == {S.CANCELED, S.INCOMPLETE_EXPIRED}


def test_everything_that_lives_can_be_cancelled() -> None:
    assert {*sources(S.CANCELED)} == {*S} - {S.CANCELED, S.INCOMPLETE_EXPIRED}


def test_a_provider_has_a_word_for_each_status_and_one_for_none() -> None:
    assert {word.value for word in SubscriptionWord} - {"unclear"} == {status.value for status in S}
