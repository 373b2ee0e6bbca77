"""How things get their names: ids that sort by time, and names that a repeated step finds again."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.values import Value, derived_id, minted_at, new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)

moments = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis wants them naive
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
names = st.lists(st.text(alphabet="ab:", max_size=3), min_size=1, max_size=3)


@given(moments, st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=9_999)))
def test_ids_sort_by_the_millisecond_they_were_made_in(earlier: datetime, apart: timedelta) -> None:
    earlier = earlier.replace(microsecond=earlier.microsecond // 1000 * 1000)
    assert new_id("pay", earlier) < new_id("pay", earlier + apart)


@given(moments)
def test_an_id_is_its_prefix_and_26_plain_characters(at: datetime) -> None:
    for made in (new_id("pay", at), derived_id("pay", at, "x")):
        assert re.fullmatch(r"pay_[0-9abcdefghjkmnpqrstvwxyz]{26}", made)


@given(moments)
def test_an_id_tells_to_the_millisecond_when_it_was_made(at: datetime) -> None:
    for made in (new_id("pay", at), derived_id("pay", at, "x")):
        assert timedelta(0) <= at - minted_at(made) <= timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text",
    ["", "pay", "pay_", "pay_1", "_" + "0" * 26, "pay_" + "u" * 26, "pay_" + "A" * 26, "pay_" + "z" * 26],
)
def test_what_is_no_id_was_not_made_at_any_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"no id|substring"):
        minted_at(text)


def test_ids_of_one_instant_differ() -> None:
    assert len({new_id("pay", NOW) for _ in range(10_000)}) == 10_000


@given(moments)
def test_an_id_tells_to_the_millisecond_when_it_was_minted(at: datetime) -> None:
    for made in (new_id("pay", at), derived_id("pay", at, "x")):
        assert abs(minted_at(made) - at) <= timedelta(milliseconds=1)


def test_what_is_no_id_tells_no_instant() -> None:
    some = new_id("pay", NOW)
    for other in (
        "",
        "pay",
        "pay_",
        some.removeprefix("pay_"),
        some + "0",
        some[:-1] + "U",
        "pay_" + "z" * 26,
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each is wrong in a way of its own
            minted_at(other)


@given(moments, names)
def test_the_same_parts_and_instant_give_the_same_name(at: datetime, parts: list[str]) -> None:
    assert derived_id("dlv", at, *parts) == derived_id("dlv", at, *parts)


@given(names, names)
def test_other_parts_give_another_name(some: list[str], others: list[str]) -> None:
    # ("ab", "c") is not ("a", "bc").
    assert (derived_id("dlv", NOW, *some) == derived_id("dlv", NOW, *others)) == (some == others)


def test_an_instant_is_the_same_wherever_its_clock_hangs() -> None:
    in_budapest = NOW.astimezone(timezone(timedelta(hours=1)))
    assert derived_id("dlv", NOW, "x") == derived_id("dlv", in_budapest, "x")


def test_values_are_frozen_and_take_no_unknown_fields() -> None:
    class Fact(Value):
        name: str = "?"

    with pytest.raises(ValidationError):
        Fact().name = "!"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Fact.model_validate({"nmae": "!"})
