"""What two people agree on stands: PostgreSQL keeps others from changing it, whoever asks."""

# ruff: noqa: S608 - the conditions and columns are our own

from dataclasses import dataclass

import asyncpg
import pytest

from tests.house import House, Json, Tenant
from tests.storage.test_guards import above_the_rules
from tests.stories.test_approvals import careful, decide, propose, reviewed, waiting


@dataclass(frozen=True)
class Asked:
    """What waits for a second person, or did, by its id."""

    tenant: Tenant
    approver: str
    refund: str
    waiting: str
    approved: str
    review: Json


@pytest.fixture(scope="module")
async def asked(house: House) -> Asked:
    """Refunds of a tenant that had to be approved: one waits, one was, and a review waits."""
    tenant, approver = await careful(house)
    refund, approval = await waiting(tenant)
    _, done = await waiting(tenant)
    assert (await decide(approver, done, "approve")).status_code == 200
    review = (await propose(tenant, await reviewed(tenant), "accept")).json()
    return Asked(
        tenant, approver.registered["credentialId"], refund["id"], approval["id"], done["id"], review
    )


@pytest.mark.parametrize(
    "change",
    [
        *("amount_minor = amount_minor - 1", "amount_minor = amount_minor + 1", "currency = 'EUR'"),
        *("payment_id = 'pay_other'", "approval_id = NULL", "approval_id = 'apr_other'"),
    ],
)
async def test_not_even_a_superuser_changes_what_a_refund_is_of(
    house: House, asked: Asked, change: str
) -> None:
    async with above_the_rules(house) as db:
        with pytest.raises(asyncpg.RestrictViolationError, match="what was asked for in refunds"):
            await db.execute(f"UPDATE refunds SET {change} WHERE id = $1", asked.refund)


@pytest.mark.parametrize(
    "change",
    [
        *("amount_minor = amount_minor + 1", "currency = 'EUR'", "payment_id = 'pay_other'"),
        *("refund_id = NULL", "kind = 'review', choice = 'accept'", "expires_at = now() + interval '1 year'"),
        *("requester_credential_id = NULL", "requested_by = 'somebody else'"),
    ],
)
async def test_not_even_a_superuser_changes_what_an_approval_is_of(
    house: House, asked: Asked, change: str
) -> None:
    async with above_the_rules(house) as db:
        for approval in (asked.waiting, asked.approved):
            with pytest.raises(asyncpg.RestrictViolationError, match="what was asked for in approvals"):
                async with db.transaction():
                    await db.execute(f"UPDATE approvals SET {change} WHERE id = $1", approval)


async def test_what_two_people_would_do_with_money_under_review_does_not_change(
    house: House, asked: Asked
) -> None:
    async with above_the_rules(house) as db:
        with pytest.raises(asyncpg.RestrictViolationError):
            await db.execute("UPDATE approvals SET choice = 'refund' WHERE id = $1", asked.review["id"])


@pytest.mark.parametrize("change", ["state = 'REJECTED'", "decided_by = 'me'", "decided_at = now()"])
async def test_not_even_a_superuser_changes_a_decision(house: House, asked: Asked, change: str) -> None:
    async with above_the_rules(house) as db:
        with pytest.raises(asyncpg.RestrictViolationError):
            await db.execute(f"UPDATE approvals SET {change} WHERE id = $1", asked.approved)


DECIDED = "state = 'APPROVED', decided_at = now()"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        (f"{DECIDED}, decided_by = 'me', decider_credential_id = requester_credential_id", "four_eyes"),
        (DECIDED, "decided_by_somebody"),
        (f"{DECIDED}, decided_by = 'me'", "decided_by_somebody"),
        ("state = 'APPROVED'", "decided_at"),
        ("state = 'EXPIRED', decided_at = now(), decided_by = 'me'", "decided_by_somebody"),
        ("state = 'PERHAPS', decided_at = now()", "state"),
    ],
)
async def test_a_decision_is_somebodys_and_never_the_askers(
    house: House, asked: Asked, change: str, constraint: str
) -> None:
    async with above_the_rules(house) as db:
        with pytest.raises(asyncpg.CheckViolationError, match=f'"ck_approvals_{constraint}"'):
            await db.execute(f"UPDATE approvals SET {change} WHERE id = $1", asked.waiting)


async def test_a_refund_waits_for_an_approval_or_for_none(house: House, asked: Asked) -> None:
    async with above_the_rules(house) as db:
        row = await db.fetchrow("SELECT * FROM refunds WHERE id = $1", asked.refund)
        assert row is not None
        again = dict(row) | {"id": "ref_guard", "approval_id": None, "idempotency_key": None, "digest": None}
        places = ", ".join(f"${place}" for place in range(1, len(again) + 1))
        with pytest.raises(asyncpg.CheckViolationError, match='"ck_refunds_decided_on"'):
            await db.execute(f"INSERT INTO refunds ({', '.join(again)}) VALUES ({places})", *again.values())


async def test_a_payment_is_decided_about_once_at_a_time_and_for_good(house: House, asked: Asked) -> None:
    columns = "tenant_id, payment_id, kind, choice, amount_minor, currency, requested_by"
    another = (
        f"INSERT INTO approvals (id, state, created_at, expires_at, {columns})"
        f" SELECT 'apr_guard', 'PENDING', now(), now(), {columns}"
        " FROM approvals WHERE id = $1"
    )
    decided = f"UPDATE approvals SET {DECIDED}, decided_by = 'me', decider_credential_id = $2 WHERE id = $1"
    async with above_the_rules(house) as db:
        for _ in range(2):
            with pytest.raises(asyncpg.UniqueViolationError, match="one_review_per_payment"):
                async with db.transaction():
                    await db.execute(another, asked.review["id"])
            await db.execute(decided, asked.review["id"], asked.approver)
