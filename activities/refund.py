"""The step of a refund: have the provider give the money back, once, or find out what became of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities import poison
from activities.schedule import A_PERSON_AFTER, RESOLVING, next_question
from activities.world import World, alert
from domain.errors import (
    NotYet,
    OutcomeUnknown,
    PaymentDisputed,
    ProviderAuthFailed,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
    RefundExceedsCaptured,
)
from domain.payment import DISPUTED, OPEN, Payment, PaymentRef
from domain.refund import (
    UNSETTLED,
    Origin,
    Refund,
    RefundObservation,
    RefundRef,
    RefundState,
    RefundWord,
    decide_refund,
)
from domain.values import Message
from providers.base import Provider
from storage import calls, inbox, payments, refunds, tables
from storage.calls import Call

# Words that no rule of ours settles.
_ODD: Final = frozenset({"other_money", "contradicted"})


class Errand(Message):
    """A refund to carry out, and since when that is tried, by Temporal's clock."""

    ref: RefundRef
    since: datetime


class Hearing(Message):
    """What a webhook says of a refund of this payment, ours or not."""

    ref: PaymentRef
    said: RefundObservation


@dataclass
class _Attempt:
    """One leave to ask, and what stands in the way; without a ``call`` there is nothing to ask any more."""

    refund: Refund
    call: Call | None = None
    provider: Provider | None = None
    broken: ProviderError = field(default_factory=ProviderRejected)
    disputed: bool = False


class RefundActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def carry_out(self, errand: Errand) -> RefundState:
        """How the refund ended. Fails with ``NotYet`` for as long as it has not, and names the next attempt.

        The refund's id is the provider's key. Whatever an earlier attempt did is looked for before anything
        is sent again, and one attempt at a time has leave to send.
        """
        attempt = await self._begin(errand.ref)
        refund, call = attempt.refund, attempt.call
        if call is None:
            return refund.state
        try:
            said = await self._ask(attempt, call)
        except ProviderError as trouble:
            said = self._unheard(refund, trouble)
            sent = isinstance(trouble, OutcomeUnknown)
            await self._note(refund, call, said if sent else None, for_nothing=not sent)
            raise self._not_yet(errand, trouble.detail) from trouble
        state = await self._note(refund, call, said, for_nothing=False)
        if state in UNSETTLED:
            raise self._not_yet(errand, f"The provider says: {said.raw_state}.")
        if state is RefundState.FAILED:
            alert("refund_failed", tenant_id=refund.tenant_id, refund_id=refund.id, why=said.failure_code)
        return state

    @activity.defn
    async def hear(self, hearing: Hearing) -> None:
        """Write down what the provider says of a refund. One that is not ours is booked as that.

        Raises ``Poisonous`` when the event cannot take effect; it is back in the inbox then.
        """
        said = hearing.said
        await poison.or_back(self._world, hearing.ref, said.inbox_id, self._hear(hearing.ref, said))

    async def _hear(self, ref: PaymentRef, said: RefundObservation) -> None:
        world, now, endpoints, odd = self._world, self._world.clock(), [], None
        effect: inbox.Effect | None = None
        async with world.database.tenant(ref.tenant_id) as tx:
            payment = await payments.get(tx, ref.payment_id, lock=True)
            if payment.status in OPEN:
                # It overtook the money it gives back; the inbox passes it on again.
                return
            refund = await refunds.named(tx, said)
            if refund is None:
                refund, odd = await self._not_ours(tx, payment, said, now)
            if refund is not None:
                verdict = decide_refund(refund.state, refund.money, said)
                if verdict.to is not None:
                    endpoints = await refunds.move(tx, refund, verdict.to, said, now)
                odd = verdict.note if verdict.note in _ODD else None
            if said.inbox_id is not None and odd is None:
                effect = await inbox.processed(tx, said.inbox_id, said.word, now)
            elif said.inbox_id is not None:
                await inbox.quarantine(tx, said.inbox_id, odd or "", now)
        world.measures.took_effect(effect)
        if odd is not None:
            alert("word_not_understood", why=odd, payment_id=ref.payment_id, refund=said.reference)
        await world.wake(ref.tenant_id, endpoints)

    async def _not_ours(
        self, tx: AsyncConnection, payment: Payment, said: RefundObservation, now: datetime
    ) -> tuple[Refund | None, str | None]:
        """A refund that somebody made over there, on record; or why it cannot be."""
        if said.refund_id is not None:
            return None, "unknown_refund"
        if said.word is RefundWord.FAILED:
            # It never reached our books, and need not any more.
            return None, None
        if said.money is None or said.reference is None:
            return None, "no_amount"
        wish = refunds.Wish(
            name=f"provider:{said.reference}",
            money=said.money,
            origin=Origin.PROVIDER,
            reason=None,
            by=f"provider:{payment.order.provider}",
        )
        try:
            async with tx.begin_nested():
                return await refunds.request(tx, payment, wish, now), None
        except RefundExceedsCaptured:
            return None, "more_than_captured"

    async def _begin(self, ref: RefundRef) -> _Attempt:
        world, provider = self._world, None
        broken: ProviderError = ProviderRejected()
        async with world.database.tenant(ref.tenant_id) as tx:
            refund = await refunds.get(tx, ref.refund_id)
            if refund.state not in UNSETTLED:
                return _Attempt(refund)
            try:
                _, provider = await world.provider(tx, refund.account_id)
            except ProviderError as unusable:
                broken = unusable
            payment = await payments.get(tx, refund.payment_id)
            call = await refunds.calling(tx, refund.id)
        return _Attempt(refund, call, provider, broken, disputed=payment.dispute_status in DISPUTED)

    async def _ask(self, attempt: _Attempt, call: Call) -> RefundObservation:
        now, refund, provider = self._world.clock(), attempt.refund, attempt.provider
        if provider is None:
            raise attempt.broken
        if not call.first:
            found = await provider.find_refund(refund, now)
            if found.word is not RefundWord.ABSENT:
                return found
            # With nobody else calling, none is on its way either: what was sent before came to nothing.
        if attempt.disputed:
            # The bank has the money by now; what we gave back would be given twice.
            return _refused(refund, PaymentDisputed(), now)
        try:
            return await provider.refund(refund, now)
        except ProviderAuthFailed as refused:
            # Somebody sets others; until then it waits.
            raise ProviderUnavailable(refused.detail) from refused
        except ProviderRejected as refused:
            # "Refunded already" is good news if it was us.
            found = await provider.find_refund(refund, now)
            return found if found.word is not RefundWord.ABSENT else _refused(refund, refused, now)

    def _unheard(self, refund: Refund, trouble: ProviderError) -> RefundObservation:
        now = self._world.clock()
        return RefundObservation(
            word=RefundWord.UNCLEAR,
            raw_state=type(trouble).__name__,
            cause_id=f"unheard:{refund.id}",
            observed_at=now,
        )

    async def _note(
        self, refund: Refund, call: Call, said: RefundObservation | None, *, for_nothing: bool
    ) -> RefundState:
        world, now, endpoints = self._world, self._world.clock(), []
        async with world.database.tenant(refund.tenant_id) as tx:
            # In this order everywhere: whoever holds the payment may take its refunds.
            await payments.get(tx, refund.payment_id, lock=True)
            known = await refunds.get(tx, refund.id, lock=True)
            if not await calls.ended(tx, tables.refunds, call, for_nothing=for_nothing):
                # Who asks by now may be told otherwise, and what was once refused may have gone through.
                said = None
            verdict = None if said is None else decide_refund(known.state, refund.money, said)
            if said is not None and verdict is not None and verdict.to is not None:
                endpoints = await refunds.move(tx, known, verdict.to, said, now)
            state = (await refunds.get(tx, refund.id)).state
        if verdict is not None and verdict.note in _ODD:
            alert("word_not_understood", why=verdict.note, refund_id=refund.id)
        await world.wake(refund.tenant_id, endpoints)
        return state

    def _not_yet(self, errand: Errand, why: str) -> NotYet:
        info, scaled = activity.info(), self._world.scaled
        asked_for = info.started_time - errand.since
        pause = next_question([scaled(mark) for mark in RESOLVING], scaled(timedelta(days=1)), asked_for)
        if asked_for < scaled(A_PERSON_AFTER) <= asked_for + timedelta(seconds=pause):
            alert("refund_unknown_for_a_day", refund_id=errand.ref.refund_id)
        return NotYet(why, retry_after=pause)


def _refused(refund: Refund, why: ProviderRejected | PaymentDisputed, now: datetime) -> RefundObservation:
    return RefundObservation(
        word=RefundWord.FAILED,
        raw_state=type(why).__name__,
        cause_id=f"refused:{refund.id}",
        failure_code=why.code,
        failure_message=why.detail,
        observed_at=now,
    )
