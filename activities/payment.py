"""The steps of a payment: ask or tell the provider once, then write down in one transaction what it means.

A crash in between is repaired by running the step again: the provider knows the payment's id, and every write
of ours meets its own work. What a word means is decided on the locked row that it changes.
"""

from datetime import datetime, timedelta
from typing import Final

from temporalio import activity

from activities import opening, poison, settling
from activities.schedule import A_PERSON_AFTER, ASKED_FOR, RESOLVING, WAITING, next_question
from activities.world import World, alert
from domain.errors import NotYet, Refusal
from domain.evidence import Observation, Word
from domain.payment import PaymentRef, PaymentStatus, Progress
from domain.values import Message
from domain.verdicts import Report, Ruling
from providers.base import Provider
from storage import checkouts, payments

_SETTLING: Final = frozenset({Word.PAID, Word.FAILED, Word.EXPIRED, Word.CANCELLED})


class Inquiry(Message):
    """What is asked about a payment, once or again and again until the answer settles something."""

    ref: PaymentRef
    reference: str | None
    closing: bool = False
    """Whether the checkout must take no more money; else we merely wait for the payer."""
    intent: PaymentStatus = PaymentStatus.EXPIRED
    since: datetime | None = None
    """When it was first asked, by Temporal's clock: what the schedule counts from."""
    at_once: bool = False
    """Somebody wants to know now; the schedule goes on after that."""


class PaymentActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def open_checkout(self, ref: PaymentRef) -> Progress:
        """The provider's checkout for this payment; what the row says when it has moved on already.

        A definite "no" fails the payment; any other trouble is raised, for the step to be tried again.
        """
        return await opening.open_checkout(self._world, ref)

    @activity.defn
    async def close_checkout(self, inquiry: Inquiry) -> Progress:
        """Have the provider take no more money, and settle the payment by what became of the checkout."""
        said = await self._look(inquiry)
        return await settling.settle(self._world, Report(ref=inquiry.ref, said=said, intent=inquiry.intent))

    @activity.defn
    async def ask(self, inquiry: Inquiry) -> Progress:
        """Settle the payment by the provider's word, once it says something that settles anything.

        Until then each attempt fails with ``NotYet`` and names when the next is due. Attempts leave no
        trace in the workflow's history, so asking for thirty days costs it no more than asking once. After
        those it returns, with nothing settled.
        """
        info = activity.info()
        first = info.attempt == 1 and not inquiry.at_once
        asked_for = info.started_time - (inquiry.since or info.scheduled_time)
        pause = self._pause(asked_for, closing=inquiry.closing)
        if first:
            raise NotYet("It is too early to ask.", retry_after=pause)
        try:
            said = await self._look(inquiry)
        except Refusal as error:
            # Nothing that stands in the way of an answer may end the question.
            return await self._go_on(inquiry, asked_for, pause, f"No answer: {error}")
        # That there is none settles something when we want there to be none, and never knew of any.
        never_was = said.word is Word.ABSENT and inquiry.closing and said.reference is None
        if said.word not in _SETTLING and not never_was:
            return await self._go_on(inquiry, asked_for, pause, f"The provider says: {said.raw_state}.")
        return await settling.settle(self._world, Report(ref=inquiry.ref, said=said, intent=inquiry.intent))

    @activity.defn
    async def settle(self, report: Report) -> Progress:
        """Decide what a provider's word means and write it down, all in one transaction.

        Raises ``Poisonous`` when an event from the inbox cannot take effect, whatever is tried: the inbox
        tries it again later, and the payment goes on without it.
        """
        effect = settling.settle(self._world, report)
        return await poison.or_back(self._world, report.ref, report.said.inbox_id, effect)

    @activity.defn
    async def rule(self, ruling: Ruling) -> Progress:
        """Carry out what an operator decided about money under review."""
        return await settling.rule_on(self._world, ruling)

    def _pause(self, asked_for: timedelta, *, closing: bool) -> int:
        scaled = self._world.scaled
        marks, afterwards = (RESOLVING, timedelta(days=1)) if closing else (WAITING, timedelta(hours=1))
        return next_question([scaled(mark) for mark in marks], scaled(afterwards), asked_for)

    async def _go_on(self, inquiry: Inquiry, asked_for: timedelta, pause: int, why: str) -> Progress:
        scaled = self._world.scaled
        ids = {"tenant_id": inquiry.ref.tenant_id, "payment_id": inquiry.ref.payment_id}
        before = asked_for < scaled(A_PERSON_AFTER)
        if inquiry.closing and before and asked_for + timedelta(seconds=pause) >= scaled(A_PERSON_AFTER):
            alert("payment_unknown_for_a_day", **ids)
        if not inquiry.closing or asked_for < scaled(ASKED_FOR):
            raise NotYet(why, retry_after=pause)
        alert("payment_unknown_for_a_month", **ids)
        async with self._world.database.tenant(inquiry.ref.tenant_id) as tx:
            return (await payments.get(tx, inquiry.ref.payment_id)).progress

    async def _look(self, inquiry: Inquiry) -> Observation:
        world = self._world
        async with world.database.tenant(inquiry.ref.tenant_id) as tx:
            payment = await payments.get(tx, inquiry.ref.payment_id)
            _, provider = await world.provider(tx, payment.account_id)
            # What was asked without a name may have got one since, by an event.
            named = inquiry.model_copy(update={"reference": inquiry.reference or payment.provider_reference})
            if named.reference is None and await checkouts.being_made(tx, payment.id):
                raise NotYet("Somebody is still asking for the checkout.", retry_after=5)
        return await _ask_provider(provider, named, world.clock())


async def _ask_provider(provider: Provider, inquiry: Inquiry, now: datetime) -> Observation:
    reference = inquiry.reference
    if reference is None:
        found = await provider.find_checkout(inquiry.ref.payment_id, now)
        if not inquiry.closing or found.word is not Word.OPEN or found.reference is None:
            return found
        reference = found.reference
    if inquiry.closing:
        return await provider.close_checkout(reference, now)
    return await provider.read_checkout(reference, now)
