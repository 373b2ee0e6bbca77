"""The catalogue of events: nothing is told that it does not name and describe."""

import re
from pathlib import Path
from typing import get_args

import pytest

from domain.event_data import EVENT_DATA
from domain.event_types import EVENT_TYPES, SubscriptionNews

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "storage", "activities", "workflows", "api")
NOUNS = {type_.partition(".")[0] for type_ in EVENT_TYPES}

# In histories and in the audit trail, where tenants and operators read; told to nobody.
ON_RECORD_ONLY = {
    "dispute.evidence_submitted",
    "dispute.evidence_wanted",
    "endpoint.created",
    "endpoint.deleted",
    "endpoint.recovered",
    "endpoint.secret_rotated",
    "endpoint.tested",
    "endpoint.updated",
    "payment.cancel_requested",
    "payment.failover",
    "reconciliation.done",
    "reconciliation.failed",
    "reconciliation.requested",
    "subscription.reconciled",
}


def test_every_name_of_an_event_in_the_code_is_in_the_catalogue() -> None:
    code = [path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    name = re.compile(rf'(?<!f)"((?:{"|".join(sorted(NOUNS))})\.[a-z_]+)"')
    named = {found for text in code for found in name.findall(text)}
    assert named - ON_RECORD_ONLY <= set(EVENT_TYPES)
    assert named & set(EVENT_TYPES)


def test_what_is_told_of_subscriptions_is_in_the_catalogue_and_nothing_else() -> None:
    told = {f"subscription.{news}" for news in get_args(SubscriptionNews)}
    assert told == {type_ for type_ in EVENT_TYPES if type_.startswith("subscription.")}


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_a_type_says_when_it_is_told_and_what_it_holds(type_: str) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", type_)
    assert EVENT_TYPES[type_].endswith(".")
    assert EVENT_DATA[type_]
