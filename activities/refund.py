"""The step of a refund: have the provider give the money back, once, or find out what became of it."""

from datetime import datetime, timedelta

from temporalio import activity

from activities.schedule import A_PERSON_AFTER, RESOLVING, next_question
from activities.world import World, alert
from domain.errors import (
    NotYet,
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
)
from domain.refund import (
    UNSETTLED,
    Refund,
    RefundObservation,
    RefundRef,
    RefundState,
    RefundWord,
    decide_refund,
)
from domain.values import Message
from providers.base import Provider
from storage import calls, refunds, tables
from storage.calls import Call


class Errand(Message):
    """A refund to carry out, and since when that is tried, by Temporal's clock."""

    ref: RefundRef
    since: datetime


class RefundActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def carry_out(self, errand: Errand) -> RefundState:
        """How the refund ended. Fails with ``NotYet`` for as long as it has not, and names the next attempt.

        The refund's id is the provider's key. Whatever an earlier attempt did is looked for before anything
        is sent again, and one attempt at a time has leave to send.
        """
        refund, call, provider, broken = await self._begin(errand.ref)
        if call is None:
            return refund.state
        try:
            if provider is None:
                raise broken
            said = await self._ask(provider, refund, call)
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

    async def _begin(self, ref: RefundRef) -> tuple[Refund, Call | None, Provider | None, ProviderRejected]:
        world, provider = self._world, None
        broken = ProviderRejected()
        async with world.database.tenant(ref.tenant_id) as tx:
            refund = await refunds.get(tx, ref.refund_id)
            if refund.state not in UNSETTLED:
                return refund, None, None, broken
            try:
                _, provider = await world.provider(tx, refund.account_id)
            except ProviderRejected as unusable:
                broken = unusable
            return refund, await refunds.calling(tx, refund.id), provider, broken

    async def _ask(self, provider: Provider, refund: Refund, call: Call) -> RefundObservation:
        now = self._world.clock()
        if not call.first:
            found = await provider.find_refund(refund, now)
            if found.word is not RefundWord.ABSENT:
                return found
            # With nobody else calling, none is on its way either: what was sent before came to nothing.
        try:
            return await provider.refund(refund, now)
        except ProviderAuthFailed as refused:
            alert("provider_refuses_account", provider=refund.provider, account_id=refund.account_id)
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
            known = await refunds.get(tx, refund.id, lock=True)
            if not await calls.ended(tx, tables.refunds, call, for_nothing=for_nothing):
                # Who asks by now may be told otherwise, and what was once refused may have gone through.
                said = None
            verdict = None if said is None else decide_refund(known.state, refund.money, said)
            if said is not None and verdict is not None and verdict.to is not None:
                endpoints = await refunds.move(tx, known, verdict.to, said, now)
            state = (await refunds.get(tx, refund.id)).state
        if verdict is not None and verdict.note in {"other_money", "contradicted"}:
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


def _refused(refund: Refund, why: ProviderRejected, now: datetime) -> RefundObservation:
    return RefundObservation(
        word=RefundWord.FAILED,
        raw_state=type(why).__name__,
        cause_id=f"refused:{refund.id}",
        failure_code=why.code,
        failure_message=why.detail,
        observed_at=now,
    )
