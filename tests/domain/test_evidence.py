"""What a company says is taken only as far as our books can hold it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from domain.dispute import DisputeObservation, DisputeWord
from domain.evidence import Channel, Observation, Word
from domain.money import Money

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("field", ["raw_state", "cause_id", "reference", "checkout_url", "failure_message"])
@pytest.mark.parametrize("text", ["NUL \0", "half a pair \ud800"])
def test_text_that_no_column_takes_is_refused(field: str, text: str) -> None:
    said: dict[str, Any] = {"word": Word.OPEN, "raw_state": "open", "channel": Channel.READ, "cause_id": "c"}
    with pytest.raises(ValidationError):
        Observation(**said | {"observed_at": NOW, field: text})


def test_a_time_without_a_zone_is_no_time() -> None:
    said: dict[str, Any] = {
        "word": DisputeWord.OPENED,
        "raw_state": "open",
        "cause_id": "c",
        "reference": "d",
    }
    said |= {"money": Money(amount_minor=1, currency="HUF"), "observed_at": NOW}
    assert DisputeObservation(**said, evidence_due_by=NOW).evidence_due_by == NOW
    with pytest.raises(ValidationError):
        DisputeObservation(**said, evidence_due_by=NOW.replace(tzinfo=None))
