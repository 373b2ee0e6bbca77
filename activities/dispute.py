"""Steps of a dispute: hear what the bank says, keep the deadline in sight, hand in what we know."""

from datetime import datetime, timedelta
from typing import Final

from temporalio import activity

from activities import poison
from activities.world import World, alert
from domain.dispute import (
    UNSETTLED,
    Agenda,
    Dispute,
    DisputeObservation,
    DisputeRef,
    Step,
    agenda,
    decide_dispute,
)
from domain.errors import ProviderRejected
from domain.events import EVIDENCE_DUE, dispute_announcement
from domain.payment import OPEN, Payment
from domain.values import Message
from providers.base import Provider
from storage import deliveries, disputes, events, inbox, payments, proofs

# Words that no rule of ours settles.
_ODD: Final = frozenset({"contradicted", "not_understood"})
_TRIED_AGAIN_AFTER: Final = timedelta(minutes=5)
# Our clock and Temporal's may differ by a little.
_EARLY: Final = timedelta(seconds=1)


class DisputeErrand(Message):
    """A dispute to do something about, perhaps because something was ``said`` of it."""

    ref: DisputeRef
    said: DisputeObservation | None = None
    attached: bool = False
    """Our evidence lies beside it already."""
    submit: bool = False


class DisputeActivities:
    """Each step ends by saying what is due next; None when nothing is, any more."""

    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def look_at_dispute(self, errand: DisputeErrand) -> Agenda | None:
        """What is due, after writing down what was said. Safe to repeat.

        Raises ``Poisonous`` when an event cannot take effect; it is back in the inbox then.
        """
        ref, said = errand.ref, errand.said
        if said is not None:
            await poison.or_back(self._world, ref, said.inbox_id, self._hear(ref, said))
        return await self._due(errand)

    @activity.defn
    async def ask_about_dispute(self, errand: DisputeErrand) -> Agenda | None:
        """Have the provider say how a dispute stands, and write it down."""
        dispute, provider = await self._at(errand.ref)
        said = await provider.read_dispute(dispute.provider_reference, self._world.clock())
        await self._hear(errand.ref, said)
        return await self._due(errand)

    @activity.defn
    async def remind_of_evidence(self, errand: DisputeErrand) -> Agenda | None:
        """Tell the tenant that the bank waits for evidence. Safe to repeat: each deadline is told of once."""
        ref, world, now = errand.ref, self._world, self._world.clock()
        async with world.database.tenant(ref.tenant_id) as tx:
            await payments.get(tx, ref.payment_id, lock=True)
            known = await disputes.get(tx, ref.dispute_id, lock=True)
            due = agenda(known, now, world.scaled, attached=True)
            if due.step is Step.REMIND and due.at <= now + _EARLY:
                known = await disputes.note(tx, ref.dispute_id, reminders=known.reminders + 1)
                told = [dispute_announcement(known, EVIDENCE_DUE)]
                endpoints = await events.announce(tx, ref.tenant_id, told, now)
            else:
                # A repeat: this reminder is out already.
                endpoints = await deliveries.listeners(tx, ref.tenant_id)
        alert("dispute_needs_evidence", tenant_id=ref.tenant_id, dispute_id=ref.dispute_id)
        await world.wake(ref.tenant_id, endpoints)
        return await self._due(errand)

    @activity.defn
    async def answer_dispute(self, errand: DisputeErrand) -> Agenda | None:
        """Lay what we know of the payment beside the dispute; ``submit`` hands it in for good."""
        ref, world = errand.ref, self._world
        dispute, provider = await self._at(ref)
        async with world.database.tenant(ref.tenant_id, frozen=True) as tx:
            facts = await proofs.bundle(tx, ref.payment_id, world.clock())
            statement = await disputes.statement(tx, ref.dispute_id)
        evidence = {"statement": statement, "proof": proofs.signed(world.notary, facts)}
        taken = True
        try:
            said = await provider.answer_dispute(
                dispute.provider_reference, evidence, world.clock(), submit=errand.submit
            )
        except ProviderRejected:
            # Perhaps it cannot be answered any more: how it stands is what we want to know.
            taken = False
            said = await provider.read_dispute(dispute.provider_reference, world.clock())
        await self._hear(ref, said)
        now = world.clock()
        if errand.submit and taken:
            async with world.database.tenant(ref.tenant_id) as tx:
                sent = await disputes.note(tx, ref.dispute_id, evidence_sent_at=now, updated_at=now)
                await disputes.record(tx, sent, "dispute.evidence_submitted", now)
        due = await self._due(errand.model_copy(update={"attached": True}))
        if not taken and due is not None and due.step is Step.SUBMIT:
            # It was not handed in, and the bank still waits for it.
            alert("dispute_evidence_refused", tenant_id=ref.tenant_id, dispute_id=ref.dispute_id)
            due = due.model_copy(update={"at": now + world.scaled(_TRIED_AGAIN_AFTER)})
        return due

    async def _due(self, errand: DisputeErrand) -> Agenda | None:
        now = self._world.clock()
        async with self._world.database.tenant(errand.ref.tenant_id) as tx:
            dispute = await disputes.looked_at(tx, errand.ref.dispute_id, now)
        if dispute is None or dispute.state not in UNSETTLED:
            return None
        return agenda(dispute, now, self._world.scaled, attached=errand.attached)

    async def _at(self, ref: DisputeRef) -> tuple[Dispute, Provider]:
        async with self._world.database.tenant(ref.tenant_id) as tx:
            dispute = await disputes.get(tx, ref.dispute_id)
            _, provider = await self._world.provider(tx, dispute.account_id)
        return dispute, provider

    async def _hear(self, ref: DisputeRef, said: DisputeObservation) -> None:
        world, now, endpoints, odd = self._world, self._world.clock(), [], None
        effect: inbox.Effect | None = None
        async with world.database.tenant(ref.tenant_id) as tx:
            payment = await payments.get(tx, ref.payment_id, lock=True)
            if payment.status in OPEN:
                # It overtook the money it is about; the inbox passes it on again.
                return
            known = await disputes.named(tx, payment.account_id, said.reference)
            verdict = decide_dispute(None if known is None else known.state, said)
            if payment.captured is None:
                odd = "nothing_captured"
            elif verdict.note in _ODD:
                odd = verdict.note
            elif verdict.to is not None:
                told = await disputes.move(tx, payment, known, verdict.to, said, now)
                endpoints = await events.announce(tx, ref.tenant_id, told, now) if told else []
            elif verdict.note != "echo":
                await payments.remark(tx, payment, _cause(payment, said, verdict.note, now))
            if said.inbox_id is not None and odd is None:
                effect = await inbox.processed(tx, said.inbox_id, verdict.note, now)
            elif said.inbox_id is not None:
                await inbox.quarantine(tx, said.inbox_id, odd or "", now)
        world.measures.took_effect(effect)
        if odd is not None:
            alert("word_not_understood", why=odd, payment_id=ref.payment_id, dispute=said.reference)
        await world.wake(ref.tenant_id, endpoints)


def _cause(payment: Payment, said: DisputeObservation, note: str, now: datetime) -> payments.Cause:
    return payments.Cause(
        id=said.cause_id,
        type=f"dispute.{note}",
        actor=f"provider:{payment.order.provider}",
        at=now,
        evidence_sha256=said.evidence_sha256,
        raw_state=said.raw_state,
    )
