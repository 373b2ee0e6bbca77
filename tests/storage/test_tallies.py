"""Payments that ended are counted when their records are sealed, and none of them twice."""

from datetime import UTC, datetime
from typing import Final

from domain.outcome import KNOWN, REASONS
from storage import tallies
from tests.house import House
from tests.storage.trails import Trail, trail

# Nobody else's payments end so while the test runs.
OURS: Final = ("pickup_card", "restricted_card", "other")


async def happened(told: Trail, *deeds: tuple[str, str | None]) -> None:
    for action, failure in deeds:
        await told.db.execute(
            "INSERT INTO audit_records (tenant_id, actor, action, resource, result, failure, at)"
            " VALUES ($1, 'test', $2, 'pay_x', $4, $3, now())",
            told.tenant_id,
            action,
            failure,
            "noted" if failure == "noted" else "ok",
        )


async def ended(told: Trail) -> dict[str, int]:
    found = (await tallies.totals(told.tx, told.ids[-1])).ended
    return {reason: found.get(reason, 0) for reason in OURS}


async def test_an_end_counts_at_once_and_its_seal_changes_nothing(house: House) -> None:
    async with trail(house, 1) as told:
        before = await ended(told)
        await happened(
            told,
            ("payment.failed", "pickup_card"),
            ("payment.failed", "pickup_card"),
            ("payment.failed", "what a company made up"),
            ("payment.created", "restricted_card"),
            ("payment.failed", "noted"),
        )
        after = await ended(told)
        assert after == before | {"pickup_card": before["pickup_card"] + 2, "other": before["other"] + 1}
        await told.seal(datetime.now(UTC))
        assert await ended(told) == after
        kept = await told.db.fetch("SELECT outcome, payments FROM payment_tallies WHERE payments > 0")
        assert {"pickup_card", "other"} <= {row["outcome"] for row in kept}


async def test_what_was_sealed_without_being_counted_is_counted_with_the_next(house: House) -> None:
    async with trail(house, 1) as told:
        await happened(told, ("payment.failed", "pickup_card"))
        await told.seal(datetime.now(UTC))
        # As a worker of an older release leaves it.
        await told.db.execute("DELETE FROM payment_tallies WHERE tenant_id = $1", told.tenant_id)
        await happened(told, ("payment.failed", "restricted_card"))
        await told.seal(datetime.now(UTC))
        counted = await told.db.fetch(
            "SELECT outcome, payments FROM payment_tallies WHERE tenant_id = $1 AND outcome <> ''",
            told.tenant_id,
        )
        assert {row["outcome"]: row["payments"] for row in counted} == {
            "pickup_card": 1,
            "restricted_card": 1,
        }


def test_every_reason_has_one_series() -> None:
    assert len(REASONS) == len(set(REASONS)) == len(KNOWN) + 3
