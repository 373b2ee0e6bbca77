"""Rights of subscriptions: they follow the money and the period, and what is used counts in one period."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.world import World
from domain.catalog import Feature
from domain.changes import Proration, change
from domain.dispute import DisputeObservation, DisputeState, DisputeWord
from domain.errors import LimitExceeded
from domain.events import Announcement
from domain.lifecycle import cancel, pause, resume
from domain.refund import Origin, RefundObservation, RefundState, RefundWord
from domain.standing import Step, Subscription
from storage import catalog, disputes, entitlements, invariants, payments, refunds, subscriptions, usage
from tests.house import House, Json, Tenant, eventually
from tests.subscribers import MONTHLY, Subscriber, plan_of, terms_of
from tests.world import world_of

I4 = "I4 rights follow the money"
REPORTS, SSO = Feature(feature="reports", limit=100), Feature(feature="sso")


@pytest.fixture(scope="module")
async def world(house: House) -> AsyncIterator[World]:
    async with world_of(house) as world:
        yield world


@pytest.fixture(scope="module")
async def shop(house: House) -> Tenant:
    return await house.tenant()


@pytest.fixture
async def somebody(world: World, shop: Tenant) -> Subscriber:
    """Who pays by the month for a hundred reports, and single sign-on."""
    user = f"user-{secrets.token_hex(6)}"
    return await Subscriber.paying(world, shop, plan_of(shop.id, REPORTS, SSO), user=user)


async def taken(tx: AsyncConnection, who: Subscriber, quantity: int) -> usage.Used:
    key = secrets.token_hex(8)
    use = usage.Use(
        tenant_id=who.tenant.id,
        idempotency_key=key,
        digest=sha256(key.encode()).hexdigest(),
        user_id=who.user,
        feature="reports",
        quantity=quantity,
    )
    used, _ = await usage.take(tx, use, datetime.now(UTC))
    return used


async def use(who: Subscriber, quantity: int) -> usage.Used:
    async with who.world.database.tenant(who.tenant.id) as tx:
        return await taken(tx, who, quantity)


async def reports(who: Subscriber) -> Json:
    """The row of the right to reports."""
    (row,) = await who.tenant.rows(
        "SELECT * FROM entitlements WHERE subscription_id = $1 AND feature = 'reports'", who.id
    )
    return row


async def active(who: Subscriber) -> set[str]:
    """What somebody may use now."""
    async with who.world.database.tenant(who.tenant.id) as tx:
        rights = await entitlements.of_user(tx, who.user, datetime.now(UTC))
    return {right.feature for right in rights if right.active}


async def moves(who: Subscriber, deed: Callable[[Subscription, datetime], Step]) -> list[Announcement]:
    """Something is done with the subscription, and paid if it costs; what is told."""
    async with who.world.database.tenant(who.tenant.id) as tx:
        sub = await subscriptions.get(tx, who.id, lock=True)
        return await who.carry_out(tx, sub, deed(sub, sub.time(datetime.now(UTC), 1)))


async def renewed(who: Subscriber) -> list[Announcement]:
    async with who.world.database.tenant(who.tenant.id) as tx:
        return await who.renew(tx)


def of_rights(told: list[Announcement]) -> dict[str, set[str]]:
    """Which features were granted, and which revoked."""
    said: dict[str, set[str]] = {}
    for each in told:
        kind, _, deed = each.type.partition(".")
        if kind == "entitlement":
            said.setdefault(deed, set()).add(each.data["feature"])
    return said


async def findings(who: Subscriber) -> list[str]:
    """What is wrong with this subscriber's rights."""
    async with who.world.database.system() as tx:
        found = await invariants.ask(tx, I4, datetime.now(UTC))
    every_id = (
        "SELECT id FROM entitlements WHERE user_id = $1 UNION SELECT id FROM payments WHERE user_id = $1"
    )
    theirs = {row["id"] for row in await who.tenant.rows(every_id, who.user)}
    return [each.problem for each in found if each.subject in theirs]


# --- The period, and the payment a right stands with ----------------------------------------------


async def test_a_renewal_starts_the_quota_anew_and_brings_its_own_payment(somebody: Subscriber) -> None:
    await use(somebody, 100)
    before = await reports(somebody)
    assert before["payment_id"] == somebody.first_payment
    # What goes on is not told.
    assert of_rights(await renewed(somebody)) == {}
    after = await reports(somebody)
    assert (after["valid_from"], after["used"]) == (before["valid_to"], 0)
    assert after["payment_id"] not in {None, before["payment_id"]}
    assert (await use(somebody, 100)).remaining == 0
    assert await findings(somebody) == []


async def test_a_pause_stops_time_and_nothing_else(somebody: Subscriber) -> None:
    await use(somebody, 100)
    before = await reports(somebody)
    assert of_rights(await moves(somebody, pause)) == {"revoked": {"reports", "sso"}}
    assert await active(somebody) == set()
    with pytest.raises(LimitExceeded):
        await use(somebody, 1)
    assert of_rights(await moves(somebody, resume)) == {"granted": {"reports", "sso"}}
    after = await reports(somebody)
    # No second quota for the same money, and the same payment still answers for it.
    assert (after["used"], after["payment_id"]) == (100, before["payment_id"])
    assert (after["valid_from"], after["valid_to"] > before["valid_to"]) == (before["valid_from"], True)
    assert await findings(somebody) == []


async def test_a_better_plan_gives_more_of_the_same_quota_and_stands_with_the_same_payment(
    world: World, shop: Tenant, somebody: Subscriber
) -> None:
    await use(somebody, 60)
    better = plan_of(
        shop.id,
        *(Feature(feature="reports", limit=500), Feature(feature="audit")),
        price=MONTHLY.model_copy(update={"amount_minor": 999_000}),
    )
    async with world.database.tenant(shop.id) as tx:
        await catalog.add(tx, better)
    told = await moves(somebody, lambda sub, at: change(sub, terms_of(better), Proration.PRORATE, at))
    assert of_rights(told) == {"granted": {"audit"}, "revoked": {"sso"}}
    assert await active(somebody) == {"reports", "audit"}
    row = await reports(somebody)
    assert (row["quota"], row["used"]) == (500, 60)
    # What the better plan adds goes with the money of the period as well, not with the mere difference.
    assert await refunded(somebody, somebody.first_payment) == {"revoked": {"reports", "audit"}}
    assert await findings(somebody) == []


async def test_a_plan_that_is_left_and_taken_again_gives_no_second_quota(
    world: World, shop: Tenant, somebody: Subscriber
) -> None:
    await use(somebody, 60)
    plans = [plan_of(shop.id, SSO), plan_of(shop.id, REPORTS)]
    async with world.database.tenant(shop.id) as tx:
        for plan in plans:
            await catalog.add(tx, plan)
    left, taken_again = map(terms_of, plans)
    told = await moves(somebody, lambda sub, at: change(sub, left, Proration.NONE, at))
    assert of_rights(told) == {"revoked": {"reports"}}
    told = await moves(somebody, lambda sub, at: change(sub, taken_again, Proration.NONE, at))
    assert of_rights(told) == {"granted": {"reports"}, "revoked": {"sso"}}
    row = await reports(somebody)
    assert (row["used"], row["payment_id"]) == (60, somebody.first_payment)


async def test_more_seats_bring_more_of_everything_that_is_limited(world: World, shop: Tenant) -> None:
    plan = plan_of(shop.id, REPORTS, SSO, per_seat=True)
    team = await Subscriber.paying(world, shop, plan, user=f"team-{secrets.token_hex(6)}", seats=2)
    await use(team, 150)
    await moves(team, lambda sub, at: change(sub, terms_of(plan, 5), Proration.PRORATE, at))
    row = await reports(team)
    assert (row["quantity"], row["quota"], row["used"]) == (5, 500, 150)
    await moves(team, lambda sub, at: change(sub, terms_of(plan, 1), Proration.NONE, at))
    # One seat has less than was used: nothing is left, and nothing is owed.
    with pytest.raises(LimitExceeded):
        await use(team, 1)
    assert await findings(team) == []


async def test_what_ends_gives_nothing_from_that_moment_on(somebody: Subscriber) -> None:
    told = await moves(somebody, lambda sub, at: cancel(sub, at, at_period_end=False))
    assert of_rights(told) == {"revoked": {"reports", "sso"}}
    assert await active(somebody) == set()


# --- Money back -----------------------------------------------------------------------------------


async def refunded(who: Subscriber, payment_id: str) -> dict[str, set[str]]:
    """All of a payment goes back; which rights went, or came, with it."""
    now = datetime.now(UTC)
    async with who.world.database.tenant(who.tenant.id) as tx:
        payment = await payments.get(tx, payment_id, lock=True)
        assert payment.captured is not None
        wish = refunds.Wish(
            name="all of it", money=payment.captured, origin=Origin.TENANT, reason=None, by="test"
        )
        refund = await refunds.request(tx, payment, wish, now)
        said = RefundObservation(
            word=RefundWord.SUCCEEDED, raw_state="succeeded", cause_id=refund.id, observed_at=now
        )
        await refunds.move(tx, refund, RefundState.SUCCEEDED, said, now)
    return await last_told(who)


async def last_told(who: Subscriber) -> dict[str, set[str]]:
    """What the tenant was told of this subscriber's rights last, in one transaction."""
    rows = await who.tenant.rows(
        "SELECT type, data FROM events WHERE type LIKE 'entitlement.%' AND data ->> 'userId' = $1 AND at ="
        " (SELECT max(at) FROM events WHERE type LIKE 'entitlement.%' AND data ->> 'userId' = $1)",
        who.user,
    )
    told = [Announcement(type=row["type"], payment_id=None, data=json.loads(row["data"])) for row in rows]
    return of_rights(told)


async def test_money_back_takes_the_period_and_the_next_payment_brings_the_next(somebody: Subscriber) -> None:
    await use(somebody, 10)
    assert await refunded(somebody, somebody.first_payment) == {"revoked": {"reports", "sso"}}
    assert await active(somebody) == set()
    with pytest.raises(LimitExceeded):
        await use(somebody, 1)
    assert await findings(somebody) == []
    assert of_rights(await renewed(somebody)) == {"granted": {"reports", "sso"}}
    assert await active(somebody) == {"reports", "sso"}


async def test_money_of_a_period_that_is_over_takes_nothing(somebody: Subscriber) -> None:
    told = await last_told(somebody)
    await renewed(somebody)
    assert await refunded(somebody, somebody.first_payment) == told == {"granted": {"reports", "sso"}}
    assert await active(somebody) == {"reports", "sso"}


async def test_a_dispute_takes_the_period_and_winning_it_brings_it_back(somebody: Subscriber) -> None:
    await use(somebody, 10)
    for word, state, told in (
        (DisputeWord.OPENED, DisputeState.OPEN, "revoked"),
        (DisputeWord.WON, DisputeState.WON, "granted"),
    ):
        now = datetime.now(UTC)
        async with somebody.world.database.tenant(somebody.tenant.id) as tx:
            payment = await payments.get(tx, somebody.first_payment, lock=True)
            said = DisputeObservation(
                word=word,
                raw_state=word,
                cause_id=f"{payment.id}:{word}",
                reference=f"dp_{payment.id}",
                money=MONTHLY,
                observed_at=now,
            )
            known = await disputes.named(tx, payment.account_id, said.reference)
            found = await disputes.move(tx, payment, known, state, said, now)
        assert of_rights(found) == {told: {"reports", "sso"}}
        assert await active(somebody) == ({"reports", "sso"} if told == "granted" else set())
    # With what was used of it.
    assert (await use(somebody, 1)).used == 11
    assert await findings(somebody) == []


# --- A use and a renewal at the same moment -------------------------------------------------------


async def somebody_waits(house: House) -> None:
    """Until a transaction of the application waits for another's lock."""

    async def waits() -> bool | None:
        async with house.database(role="postgres") as db:
            waiting = (
                "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'entitlements'"
            )
            return bool(await db.fetchval(waiting)) or None

    await eventually(waits)


async def counted_in(who: Subscriber) -> dict[datetime, int]:
    """By the beginning of the period, how much was used in it."""
    counted: dict[datetime, int] = {}
    for row in await who.tenant.rows("SELECT taken FROM usage WHERE user_id = $1", who.user):
        for portion in json.loads(row["taken"]):
            began = datetime.fromisoformat(portion["valid_from"])
            counted[began] = counted.get(began, 0) + portion["quantity"]
    return counted


async def test_a_use_that_meets_a_renewal_counts_in_the_new_period(
    house: House, world: World, somebody: Subscriber
) -> None:
    await use(somebody, 100)
    old = await reports(somebody)
    async with world.database.tenant(somebody.tenant.id) as tx:
        await somebody.renew(tx)
        # Of the old period there is nothing left.
        late = asyncio.create_task(use(somebody, 30))
        await somebody_waits(house)
    (met,) = await asyncio.gather(late, return_exceptions=True)
    assert isinstance(met, usage.Used)
    assert met.remaining == 70
    new = await reports(somebody)
    assert new["used"] == 30
    assert await counted_in(somebody) == {old["valid_from"]: 100, new["valid_from"]: 30}
    assert await findings(somebody) == []


async def test_a_renewal_that_meets_a_use_leaves_it_in_the_old_period(
    house: House, world: World, somebody: Subscriber
) -> None:
    old = await reports(somebody)
    async with world.database.tenant(somebody.tenant.id) as tx:
        await taken(tx, somebody, 30)
        renewing = asyncio.create_task(renewed(somebody))
        await somebody_waits(house)
    await renewing
    assert (await reports(somebody))["used"] == 0
    assert await counted_in(somebody) == {old["valid_from"]: 30}
    assert await findings(somebody) == []


# --- What is found when it is wrong ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("used = used + 1", "says 11 were used in its period, 10 were"),
        ("payment_id = NULL", "stands with no payment, but its period was paid"),
        ("valid_to = valid_to + interval '1 day'", "ends when its period does not"),
        ("user_id = 'somebody-else'", "is not the subscriber's"),
    ],
)
async def test_a_right_that_is_not_as_it_was_paid_for_is_found(
    somebody: Subscriber, harm: str, problem: str
) -> None:
    await use(somebody, 10)
    assert await findings(somebody) == []
    row = await reports(somebody)
    await somebody.tenant.rows(f"UPDATE entitlements SET {harm} WHERE id = $1", row["id"])  # noqa: S608 - our own words
    async with somebody.world.database.system() as tx:
        found = await invariants.ask(tx, I4, datetime.now(UTC))
    assert [each.problem for each in found if each.subject == row["id"]] == [problem]
    await somebody.tenant.rows(
        "UPDATE entitlements SET used = $2, payment_id = $3, valid_to = $4, user_id = $5 WHERE id = $1",
        *(row[name] for name in ("id", "used", "payment_id", "valid_to", "user_id")),
    )
    assert await findings(somebody) == []
