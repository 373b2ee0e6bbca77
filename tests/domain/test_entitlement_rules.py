"""What several rights to one feature come to, and from which of them a use is taken."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.entitlement import Entitlement, allowance, portions
from domain.errors import LimitExceeded

NOW = datetime(2027, 1, 31, tzinfo=UTC)


def right(name: str, limit: int | None, used: int = 0, days: int | None = 30, **facts: object) -> Entitlement:
    """A right to reports of somebody who has it now, unless said otherwise."""
    known = {
        "id": name,
        "user_id": "user-123",
        "feature": "reports",
        "quantity": 1,
        "limit": limit,
        "used": used,
        "source_type": "subscription",
        "source_id": "sub_1",
        "payment_id": None,
        "valid_from": NOW,
        "valid_to": None if days is None else NOW + timedelta(days=days),
        "active": True,
    }
    return Entitlement.model_validate(known | facts)


def taken(rights: list[Entitlement], quantity: int) -> dict[str, int]:
    return {portion.entitlement_id: portion.quantity for portion in portions(rights, quantity)}


def test_rights_that_hold_add_up_and_others_do_not_count() -> None:
    rights = [right("a", 10, 4), right("b", 5, 5, days=60), right("c", 100, 1, active=False)]
    found = allowance(rights)
    assert (found.entitled, found.reason) == (True, "active")
    assert (found.limit, found.used, found.remaining) == (15, 9, 6)
    assert found.valid_to == NOW + timedelta(days=60)


def test_a_right_without_a_limit_outweighs_all_others() -> None:
    found = allowance([right("a", 10, 10), right("b", None, 7, days=None)])
    assert (found.entitled, found.reason) == (True, "active")
    assert (found.limit, found.used, found.remaining, found.valid_to) == (None, 17, None, None)


@pytest.mark.parametrize("limit", [0, 3])
def test_who_has_used_all_of_it_may_use_no_more(limit: int) -> None:
    found = allowance([right("a", limit, limit)])
    assert (found.entitled, found.reason, found.remaining) == (False, "limit_reached", 0)
    assert found.valid_to == NOW + timedelta(days=30)


def test_no_right_is_another_thing_than_one_that_does_not_hold() -> None:
    assert allowance([]).reason == "not_granted"
    off = allowance([right("a", 10, active=False)])
    assert (off.entitled, off.reason, off.valid_to) == (False, "not_active", None)


def test_a_plan_that_gives_less_than_was_used_gives_nothing_and_owes_nothing() -> None:
    # The other right's ten are still there.
    found = allowance([right("a", 5, 8), right("b", 10)])
    assert (found.limit, found.used, found.remaining) == (15, 8, 10)
    assert taken([right("a", 5, 8), right("b", 10)], 10) == {"b": 10}


def test_what_ends_first_is_used_first() -> None:
    rights = [right("later", 10, days=60), right("never", 10, days=None), right("soon", 10, 7)]
    assert taken(rights, 3) == {"soon": 3}
    assert taken(rights, 14) == {"soon": 3, "later": 10, "never": 1}


def test_while_something_is_unlimited_no_quota_is_spent() -> None:
    rights = [right("quota", 10), right("later", None, days=None), right("free", None, days=60)]
    assert taken(rights, 1_000) == {"free": 1_000}


def test_what_is_not_there_in_full_is_not_taken_at_all() -> None:
    with pytest.raises(LimitExceeded) as refusal:
        portions([right("a", 10, 4), right("b", 10, 10), right("c", None, active=False)], 7)
    assert refusal.value.facts == {"remaining": 6}


def test_a_portion_names_the_period_it_was_taken_in() -> None:
    (portion,) = portions([right("a", 10)], 2)
    assert (portion.entitlement_id, portion.valid_from, portion.quantity) == ("a", NOW, 2)
