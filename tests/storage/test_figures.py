"""A small business whose sums are known, added up by the database. Nothing of it stays."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise, product
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.reports import Asked
from domain.billing import SubscriptionStatus
from domain.calendar import Interval, Period, Rhythm
from domain.catalog import Plan, Price
from domain.days import edges
from domain.invoice import Invoice, InvoiceStatus, Party, Reason, Tax, Totals
from domain.money import Money
from domain.payment import PaymentOrder
from domain.payment import PaymentStatus as S
from domain.report import Revenue, Span, Standing, Sum, Summary
from domain.standing import Step, Subscription, Terms
from domain.tenant import ProviderAccount
from storage import accounts, catalog, customers, figures, invoices, payments, subscriptions, takings
from storage.database import Database
from storage.tables import disputes, refunds
from storage.tables import payments as payment_rows
from tests.house import House, Json

B = SubscriptionStatus
START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 4, 1, tzinfo=UTC)
MARCH = Span(start=START, end=END)
DAY = timedelta(days=1)
E4 = 10_000

numbers = count(1)


@dataclass(frozen=True)
class Shop:
    """A tenant's transaction in which things have happened as a test wants them."""

    tx: AsyncConnection
    account: ProviderAccount
    prices: dict[str, Price] = field(default_factory=dict)

    @property
    def of_tenant(self) -> dict[str, str]:
        return {"tenant_id": self.account.tenant_id, "account_id": self.account.id, "provider": "sandbox"}

    async def summary(self, span: Span = MARCH) -> Summary:
        return await figures.summary(self.tx, span)

    async def pays(self, at: datetime = START, amount: int = 1_000, **columns: Any) -> str:
        """A payment of that moment; it stands as ``columns`` say, captured in full if it was paid."""
        number, money = next(numbers), Money(amount_minor=amount, currency=columns.pop("currency", "HUF"))
        order = PaymentOrder(
            **(
                dict.fromkeys(("payment_id", "idempotency_key", "digest"), f"pay_{number}")
                | {"tenant_id": self.account.tenant_id, "user_id": "user-1", "money": money}
                | {"provider": "sandbox", "sandbox": True, "created_at": at, "expires_at": at + DAY}
                | {name: columns.pop(name) for name in ("invoice_id", "off_session") if name in columns}
            )
        )
        payment, _ = await payments.place(self.tx, order, self.account.id)
        if columns.get("status") is S.SUCCEEDED:
            columns = {"captured_minor": amount, "captured_currency": money.currency} | columns
        if columns:
            await self.tx.execute(
                update(payment_rows).where(payment_rows.c.id == payment.id).values(**columns)
            )
        return payment.id

    async def paid_after(self, seconds: float, **columns: Any) -> None:
        payment_id = await self.pays(status=S.SUCCEEDED, **columns)
        payment = await payments.get(self.tx, payment_id)
        at = payment.order.created_at + timedelta(seconds=seconds)
        await payments.note(
            self.tx, payment, payments.Cause(id="paid", type="payment.succeeded", actor="test", at=at)
        )

    async def disputed(self, payment_id: str, amount: int, state: str) -> None:
        money = {"amount_minor": amount, "currency": "HUF", "fee_minor": 0, "fee_currency": "HUF"}
        name = {"id": f"dsp_{next(numbers)}", "provider_reference": f"dp_{next(numbers)}"}
        moments = dict.fromkeys(("looked_at", "created_at", "updated_at"), START)
        facts = {"payment_id": payment_id, "state": state, "held": True} | money | name | moments
        await self.tx.execute(insert(disputes).values(**facts, **self.of_tenant))

    async def refunded(self, payment_id: str, amount: int, state: str) -> None:
        facts = {"id": f"ref_{next(numbers)}", "payment_id": payment_id, "checkout_reference": "cs"}
        facts |= {"state": state, "origin": "tenant", "requested_by": "test", "currency": "HUF"}
        moments = dict.fromkeys(("created_at", "updated_at"), START)
        await self.tx.execute(
            insert(refunds).values(**facts, **moments, amount_minor=amount, **self.of_tenant)
        )

    async def subscriber(self, currency: str = "HUF") -> Subscription:
        """Somebody who has begun a checkout."""
        number = next(numbers)
        payer = await customers.ensure(self.tx, self.account, f"user-{number}", START)
        price = self.prices[currency]
        sub = Subscription(
            id=f"sub_{number}",
            user_id=payer.user_id,
            customer_id=payer.id,
            status=B.INCOMPLETE,
            terms=Terms(plan_id="pln", plan_name="Pro", price=price, quantity=1),
            rhythm=Rhythm(anchor=START, interval=price.interval),
            sandbox=True,
            begun_at=START,
            created_at=START,
            updated_at=START,
            **self.of_tenant,
        )
        await subscriptions.add(self.tx, sub, None)
        return sub

    async def becomes(
        self, sub: Subscription, status: B, at: datetime, told: str = "changed", seats: int | None = None
    ) -> Subscription:
        """Its row and its history as a step of that moment leaves them."""
        terms = sub.terms.model_copy(update={"quantity": seats or sub.terms.quantity})
        sub = sub.model_copy(update={"status": status, "updated_at": at, "terms": terms})
        await subscriptions.save(self.tx, sub)
        await subscriptions.record(self.tx, Step(after=sub, at=at, told=(told,)), "test", at)
        return sub

    async def owes(
        self, sub: Subscription, amount: int, status: InvoiceStatus, *tries: S, at: datetime = START
    ) -> Invoice:
        """A renewal's invoice as it stands after these tries."""
        sums = dict.fromkeys(Totals.model_fields, 0) | {"total_minor": amount, "amount_due_minor": amount}
        party = Party(name="Somebody")
        drawn = Invoice(
            id=f"inv_{next(numbers)}",
            tenant_id=sub.tenant_id,
            subscription_id=sub.id,
            user_id=sub.user_id,
            status=InvoiceStatus.OPEN,
            reason=Reason.CYCLE,
            currency=sub.terms.price.money.currency,
            lines=(),
            tax=Tax(),
            totals=Totals(**sums),
            period=Period(start=at, end=at + DAY),
            issuer=party,
            recipient=party,
            sandbox=True,
            created_at=at,
            opened_at=at,
        )
        invoice = await invoices.add(self.tx, drawn)
        for how in tries:
            await self.pays(at, amount, status=how, invoice_id=invoice.id, off_session=True)
        if status is InvoiceStatus.PAID:
            return await invoices.paid(self.tx, invoice, at)
        return invoice if status is InvoiceStatus.OPEN else await invoices.drop(self.tx, invoice, status, at)


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Shop]:
    tenant = await house.tenant()
    database = Database(house.ready["databaseUrl"], pool_size=1)
    async with database.tenant(tenant.id) as tx:
        (account,) = await accounts.live(tx)
        shop = Shop(tx, account)
        for currency in ("HUF", "EUR"):
            money = Money(amount_minor=1_000, currency=currency)
            price = Price(
                id=f"prc_{tenant.id}_{currency}", money=money, interval=Interval.MONTH, per_seat=True
            )
            shop.prices[currency] = price
        plan = Plan(
            id=f"pln_{tenant.id}", tenant_id=tenant.id, name="Pro", created_at=START, updated_at=START
        )
        await catalog.add(tx, plan.model_copy(update={"prices": tuple(shop.prices.values())}))
        yield shop
        await tx.rollback()
    await database.close()


# --- Payments -------------------------------------------------------------------------------------


async def test_of_nothing_there_is_no_share(shop: Shop) -> None:
    empty = await shop.summary()
    assert (empty.volume, empty.mrr, empty.payments_by_status, empty.failures_by_reason) == ((), (), {}, {})
    shares = (empty.success_rate, empty.churn, empty.trials, empty.recovery)
    assert [share.basis_points for share in shares] == [None] * 4
    assert (empty.time_to_pay.median_seconds, empty.time_to_pay.p95_seconds) == (None, None)


async def test_a_span_has_its_first_moment_and_not_its_last(shop: Shop) -> None:
    for at in (START - DAY / 24, START, END - timedelta(milliseconds=1), END):
        await shop.pays(at)
    (huf,) = (await shop.summary()).volume
    assert huf.created == Sum(count=2, amount=2_000)


async def test_volume_is_what_was_paid_less_what_went_back(shop: Shop) -> None:
    await shop.pays(amount=700)
    await shop.pays(status=S.SUCCEEDED, amount=5_000)
    part: Json = {"refund_reserved": 300, "amount_refunded": 300, "refund_status": "PARTIAL"}
    await shop.pays(status=S.SUCCEEDED, **part)
    fought = await shop.pays(status=S.SUCCEEDED, amount=2_000)
    await shop.disputed(fought, 1_500, "LOST")
    await shop.disputed(await shop.pays(status=S.SUCCEEDED), 1_000, "WON")
    # Late money that went back was never volume; what a person accepted counts as it came.
    late: Json = {"captured_minor": 1_000, "captured_currency": "HUF", "late": True, "refund_reserved": 1_000}
    await shop.pays(status=S.EXPIRED, **late, amount_refunded=1_000)
    odd: Json = {"captured_minor": 9, "captured_currency": "EUR", "accepted_by": "ann"}
    await shop.pays(status=S.SUCCEEDED, **odd)
    eur, huf = (await shop.summary()).volume
    assert (huf.created, huf.succeeded) == (Sum(count=7, amount=11_700), Sum(count=4, amount=9_000))
    assert (huf.refunded, huf.disputed) == (Sum(count=1, amount=300), Sum(count=1, amount=1_500))
    assert huf.net == 9_000 - 300 - 1_500
    assert (eur.currency, eur.created, eur.succeeded) == ("EUR", Sum(), Sum(count=1, amount=9))


async def test_what_has_not_ended_is_neither_a_success_nor_a_failure(shop: Shop) -> None:
    for status in (S.SUCCEEDED, S.SUCCEEDED, S.CANCELLED, S.EXPIRED, S.UNKNOWN, S.PROVIDER_PENDING, S.REVIEW):
        await shop.pays(status=status)
    for code in ("card_declined", "card_declined", "stolen_card", None):
        await shop.pays(status=S.FAILED, failure_code=code, currency="EUR")
    told = await shop.summary()
    assert (told.success_rate.succeeded, told.success_rate.ended) == (2, 8)
    assert told.success_rate.basis_points == 2_500
    assert told.failures_by_reason == {"card_declined": 2, "stolen_card": 1, "unknown": 1}
    assert told.payments_by_status["FAILED"] == 4
    assert sum(told.payments_by_status.values()) == 11


async def test_refunds_and_disputes_are_told_by_how_they_stand(shop: Shop) -> None:
    payment_id = await shop.pays(START - 90 * DAY, status=S.SUCCEEDED)
    for amount, state in ((100, "SUCCEEDED"), (200, "SUCCEEDED"), (50, "FAILED")):
        await shop.refunded(payment_id, amount, state)
    for amount, state in ((10, "OPEN"), (20, "LOST"), (40, "LOST"), (80, "WON")):
        await shop.disputed(payment_id, amount, state)
    told = await shop.summary()
    assert told.volume == ()
    assert told.refunds == (
        Standing(status="FAILED", currency="HUF", count=1, amount=50),
        Standing(status="SUCCEEDED", currency="HUF", count=2, amount=300),
    )
    assert (told.disputes.opened, told.disputes.won, told.disputes.lost) == (4, 1, 2)
    assert [(each.status, each.amount) for each in told.disputes.by_status] == [
        *(("LOST", 60), ("OPEN", 10), ("WON", 80)),
    ]


async def test_time_to_pay_is_that_of_people_at_a_checkout(shop: Shop) -> None:
    for seconds in range(1, 21):
        await shop.paid_after(seconds - 0.4)
    await shop.paid_after(86_400, off_session=True)
    await shop.paid_after(86_400, late=True)
    waited = (await shop.summary()).time_to_pay
    assert (waited.payments, waited.median_seconds, waited.p95_seconds) == (20, 10, 19)


# --- Subscriptions --------------------------------------------------------------------------------


def huf(**sums: int) -> Revenue:
    figures_ = dict.fromkeys(set(Revenue.model_fields) - {"currency"}, 0) | sums
    return Revenue(currency="HUF", **figures_)


async def test_what_comes_in_a_month_moves_for_a_reason(shop: Shop) -> None:
    before, within = START - DAY, START + DAY
    stays, grows, shrinks, leaves, returns = [
        await shop.becomes(await shop.subscriber(), B.ACTIVE, before, seats=3) for _ in range(5)
    ]
    await shop.becomes(returns, B.PAUSED, before + DAY / 2)
    await shop.becomes(stays, B.PAST_DUE, within)
    await shop.becomes(grows, B.ACTIVE, within, seats=5)
    await shop.becomes(shrinks, B.ACTIVE, within, seats=2)
    await shop.becomes(leaves, B.CANCELED, within)
    await shop.becomes(returns, B.ACTIVE, within)
    # Whoever begins at the very start is new; whoever comes and goes again leaves no trace; later is later.
    await shop.becomes(await shop.subscriber(), B.ACTIVE, START)
    brief = await shop.becomes(await shop.subscriber(), B.ACTIVE, within)
    await shop.becomes(brief, B.CANCELED, within + DAY)
    await shop.becomes(await shop.subscriber(), B.ACTIVE, END)
    await shop.becomes(await shop.subscriber("EUR"), B.TRIALING, within)
    told = await shop.summary()
    movements = {"new": 1_000, "reactivated": 3_000, "expansion": 2_000, "contraction": 1_000}
    assert told.mrr == (huf(start=12_000, churned=3_000, end=14_000, **movements),)
    assert told.mrr[0].churn_basis_points == 3_333
    assert (told.churn.at_start, told.churn.lost, told.churn.basis_points) == (4, 1, 2_500)


async def test_what_was_written_last_is_true_though_it_is_dated_earlier(shop: Shop) -> None:
    sub = await shop.becomes(await shop.subscriber(), B.ACTIVE, START)
    # A clock set forward: the renewal is settled "now", and the steps after it bear their own dates.
    sub = await shop.becomes(sub, B.ACTIVE, END - DAY, "renewed")
    await shop.becomes(sub, B.CANCELED, START + 5 * DAY, "canceled")
    assert (await shop.summary()).mrr == ()
    until = Span(start=START - DAY, end=START + 5 * DAY)
    assert (await shop.summary(until)).mrr == (huf(new=1_000, end=1_000),)


async def test_any_two_instants_differ_by_the_movements_between_them(shop: Shop) -> None:
    """Against the plain reading of the same history, row by row in the order of writing."""
    dice, written = Random(7), []
    for _ in range(25):
        sub = await shop.subscriber(dice.choice(["HUF", "EUR"]))
        for _ in range(dice.randint(1, 6)):
            at = START + dice.randint(0, 30) * DAY
            sub = await shop.becomes(sub, dice.choice(list(B)), at, seats=dice.randint(1, 5))
            written.append(sub)

    def brought(currency: str, instant: datetime) -> int:
        latest = {sub.id: sub for sub in written if sub.updated_at < instant}
        mine = [sub for sub in latest.values() if sub.terms.price.money.currency == currency]
        return sum(sub.mrr_e4 for sub in mine) // E4

    instants = [START + days * DAY for days in (0, 1, 12, 23, 31)]
    for start, end in product(instants, instants):
        if start < end:
            told = {each.currency: each for each in (await shop.summary(Span(start=start, end=end))).mrr}
            for currency in ("HUF", "EUR"):
                mrr = told.get(currency, huf())
                assert (mrr.start, mrr.end) == (brought(currency, start), brought(currency, end))
                gained = mrr.new + mrr.reactivated + mrr.expansion
                assert mrr.start + gained - mrr.contraction - mrr.churned == mrr.end


async def test_a_trial_that_has_not_ended_does_not_count(shop: Shop) -> None:
    end = START + 14 * DAY
    trials = [
        await shop.becomes(
            (await shop.subscriber()).model_copy(update={"trial_end": end}), B.TRIALING, START, "trialing"
        )
        for _ in range(6)
    ]
    _, converted, left, waits, rests, tried = trials
    await shop.becomes(converted, B.ACTIVE, end, "activated")
    await shop.becomes(left, B.CANCELED, START + DAY, "canceled")
    # One pauses for want of a card when its trial is over, one because somebody wished it, in the middle.
    await shop.becomes(waits.model_copy(update={"paused_at": end}), B.PAUSED, end, "paused")
    await shop.becomes(rests.model_copy(update={"paused_at": START + DAY}), B.PAUSED, START + DAY, "paused")
    later = await shop.becomes(tried, B.PAST_DUE, end, "past_due")
    assert (await shop.summary()).trials.converted == 1
    paid = await shop.becomes(later, B.ACTIVE, end + DAY, "activated")
    await shop.becomes(paid, B.CANCELED, END + DAY, "canceled")
    told = (await shop.summary()).trials
    assert (told.started, told.ended, told.converted, told.basis_points) == (6, 4, 2, 5_000)


async def test_a_renewal_is_recovered_when_it_is_paid_after_all(shop: Shop) -> None:
    paid, failed = S.SUCCEEDED, S.FAILED
    subs = [await shop.subscriber() for _ in range(6)]
    await shop.owes(subs[0], 100, InvoiceStatus.PAID, paid)
    await shop.owes(subs[1], 200, InvoiceStatus.PAID, failed, failed, paid)
    await shop.owes(subs[2], 400, InvoiceStatus.UNCOLLECTIBLE, failed)
    await shop.owes(subs[3], 800, InvoiceStatus.OPEN, failed)
    await shop.owes(subs[4], 999, InvoiceStatus.PAID, failed, paid, at=END)
    # The next renewal took it over, was in vain itself at first, and was paid: both were recovered.
    first = await shop.owes(subs[5], 1_600, InvoiceStatus.VOID, failed)
    second = await shop.owes(subs[5], 4_800, InvoiceStatus.PAID, failed, paid)
    await invoices.replaced(shop.tx, first, second)
    told = (await shop.summary()).recovery
    assert (told.failed, told.recovered, told.lost, told.pending) == (5, 3, 1, 1)
    assert told.basis_points == 7_500
    (huf,) = told.by_currency
    assert (huf.failed.amount, huf.recovered.amount) == (200 + 400 + 800 + 4_800, 200 + 4_800)
    assert (huf.lost.amount, huf.pending.amount) == (400, 800)


# --- The span -----------------------------------------------------------------------------------


async def test_what_a_clock_set_forward_brought_about_is_part_of_the_usual_span(shop: Shop) -> None:
    usual = Span(start=START - 30 * DAY, end=START)
    assert await Asked(None, None).span(shop.tx, START) == usual
    await shop.becomes(await shop.subscriber(), B.ACTIVE, START - DAY)
    assert await Asked(None, None).span(shop.tx, START) == usual
    await shop.becomes(await shop.subscriber(), B.ACTIVE, START + 700 * DAY)
    whole = await Asked(None, None).span(shop.tx, START)
    assert (whole.start, (await shop.summary(whole)).mrr) == (usual.start, (huf(new=2_000, end=2_000),))
    # Who names the end means it.
    assert await Asked(None, END).span(shop.tx, START) == Span(start=END - 30 * DAY, end=END)


# --- The sheet ------------------------------------------------------------------------------------


async def test_a_sheet_is_turned_page_by_page_and_no_row_is_on_two(shop: Shop) -> None:
    made = [await shop.pays(START + DAY * (number // 3)) for number in range(10)]
    await shop.pays(END)
    seen: list[str] = []
    after = (START, "")
    while rows := await figures.sheet(shop.tx, MARCH, after, 4):
        seen += [row.id for row in rows]
        after = (rows[-1].created_at, rows[-1].id)
    assert sorted(seen) == sorted(made)
    assert len(seen) == len(made)


# --- Day by day -----------------------------------------------------------------------------------


async def test_days_come_to_what_the_span_comes_to(shop: Shop) -> None:
    """In a zone whose clocks change on one of them."""
    dice, zone = Random(11), ZoneInfo("Europe/Budapest")
    for _ in range(120):
        at = START + timedelta(seconds=dice.randrange(31 * 86_400))
        status, currency = dice.choice(list(S)), dice.choice(["HUF", "EUR"])
        made = await shop.pays(at, dice.randint(1, 9_999), status=status, currency=currency)
        if status is S.SUCCEEDED and dice.random() < 0.3:
            await shop.disputed(made, 1, dice.choice(["LOST", "WON"]))
    cut = edges(MARCH, zone, END)
    days, whole = await takings.pieces(shop.tx, MARCH, cut), await shop.summary()
    assert [each.start for each in days] == cut
    assert len(days) == 32  # the last of them an hour or two, before April begins in UTC
    for currency in ("EUR", "HUF"):
        mine = [volume for day in days for volume in day.volume if volume.currency == currency]
        (all_,) = [volume for volume in whole.volume if volume.currency == currency]
        assert sum(volume.net for volume in mine) == all_.net
        for name in ("created", "succeeded", "refunded", "disputed"):
            sums: list[Sum] = [getattr(volume, name) for volume in mine]
            total = Sum(count=sum(each.count for each in sums), amount=sum(each.amount for each in sums))
            assert total == getattr(all_, name), name
    for name in ("succeeded", "ended"):
        assert sum(getattr(day.success_rate, name) for day in days) == getattr(whole.success_rate, name)
    for reason, number in whole.failures_by_reason.items():
        assert sum(day.failures_by_reason.get(reason, 0) for day in days) == number


async def test_a_day_is_told_like_a_span_of_its_own(shop: Shop) -> None:
    for day, seconds in product(range(3), (5, 9, 30)):
        await shop.paid_after(seconds + day, at=START + day * DAY)
    cut = edges(MARCH, ZoneInfo("UTC"), START + 3 * DAY)
    days = await takings.pieces(shop.tx, MARCH, cut)
    for told, (start, end) in zip(days, pairwise(cut), strict=False):
        alone = await shop.summary(Span(start=start, end=end))
        assert (told.time_to_pay, told.volume) == (alone.time_to_pay, alone.volume)
    assert [day.time_to_pay.median_seconds for day in days] == [9, 10, 11]


async def test_what_comes_in_a_month_is_known_for_the_end_of_every_day(shop: Shop) -> None:
    dice = Random(5)
    for _ in range(12):
        sub = await shop.subscriber(dice.choice(["HUF", "EUR"]))
        for _ in range(dice.randint(1, 6)):
            at = START + dice.randint(-5, 30) * DAY
            sub = await shop.becomes(sub, dice.choice(list(B)), at, seats=dice.randint(1, 5))
    cut = edges(MARCH, ZoneInfo("UTC"), END)
    monthly = await figures.monthly(shop.tx, MARCH, cut)
    assert set(monthly) == {"HUF", "EUR"}
    for number, end in list(enumerate([*cut[1:], END]))[::5]:
        told = {each.currency: each.end for each in (await shop.summary(Span(start=START, end=end))).mrr}
        for currency, ends in monthly.items():
            assert ends[number] == told.get(currency, 0)
