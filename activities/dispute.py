"""Steps of a dispute: hear what the bank says, keep the deadline in sight, hand in what we know."""

from datetime import timedelta
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
    agenda,
    decide_dispute,
)
from domain.errors import NotFound, ProviderRejected
from domain.events import EVIDENCE_DUE, dispute_announcement
from domain.payment import OPEN
from domain.values import Message
from providers.base import Provider
from storage import disputes, events, inbox, payments

# Words that no rule of ours settles.
_ODD: Final = frozenset({"contradicted", "not_understood"})


class DisputeHearing(Message):
    """What somebody says of a dispute."""

    ref: DisputeRef
    said: DisputeObservation


class Errand(Message):
    """A dispute to do something about. ``attached``: our evidence lies beside it already."""

    ref: DisputeRef
    attached: bool = False
    submit: bool = False


class DisputeActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def hear_dispute(self, hearing: DisputeHearing) -> None:
        """Write down what the provider says of a dispute. Safe to repeat.

        Raises ``Poisonous`` when the event cannot take effect; it is back in the inbox then.
        """
        said = hearing.said
        await poison.or_back(self._world, hearing.ref, said.inbox_id, self._hear(hearing.ref, said))

    @activity.defn
    async def look_at_dispute(self, errand: Errand) -> Agenda | None:
        """What is due next about a dispute; None when nothing is, any more."""
        now = self._world.clock()
        async with self._world.database.tenant(errand.ref.tenant_id) as tx:
            try:
                dispute = await disputes.get(tx, errand.ref.dispute_id)
            except NotFound:
                return None
            if dispute.state not in UNSETTLED:
                return None
            await disputes.note(tx, dispute.id, looked_at=now)
        return agenda(dispute, now, self._world.scaled, attached=errand.attached)

    @activity.defn
    async def ask_about_dispute(self, ref: DisputeRef) -> None:
        """Have the provider say how a dispute stands, and write it down."""
        dispute, provider = await self._at(ref)
        await self._hear(ref, await provider.read_dispute(dispute.provider_reference, self._world.clock()))

    @activity.defn
    async def remind_of_evidence(self, ref: DisputeRef) -> None:
        """Tell the tenant that the bank waits for evidence. Safe to repeat: each deadline is told of once."""
        world, now = self._world, self._world.clock()
        async with world.database.tenant(ref.tenant_id) as tx:
            await payments.get(tx, ref.payment_id, lock=True)
            known = await disputes.get(tx, ref.dispute_id, lock=True)
            if agenda(known, now, world.scaled, attached=True).at > now + timedelta(seconds=1):
                # A repeat: this reminder is out already.
                endpoints = await events.listeners(tx, ref.tenant_id)
            else:
                dispute = await disputes.note(tx, ref.dispute_id, reminders=known.reminders + 1)
                told = [dispute_announcement(dispute, EVIDENCE_DUE)]
                endpoints = await events.announce(tx, ref.tenant_id, told, now)
        alert("dispute_needs_evidence", tenant_id=ref.tenant_id, dispute_id=ref.dispute_id)
        await world.wake(ref.tenant_id, endpoints)

    @activity.defn
    async def answer_dispute(self, errand: Errand) -> None:
        """Lay what we know of the payment beside the dispute; ``submit`` hands it in for good."""
        ref, world = errand.ref, self._world
        dispute, provider = await self._at(ref)
        async with world.database.tenant(ref.tenant_id) as tx:
            facts = {
                "payment": ref.payment_id,
                "statement": await disputes.statement(tx, ref.dispute_id),
            }
        try:
            said = await provider.answer_dispute(
                dispute.provider_reference, facts, world.clock(), submit=errand.submit
            )
        except ProviderRejected:
            # It cannot be answered any more: how it stands is what we want to know.
            said = await provider.read_dispute(dispute.provider_reference, world.clock())
        await self._hear(ref, said)
        if errand.submit:
            now = world.clock()
            async with world.database.tenant(ref.tenant_id) as tx:
                sent = await disputes.note(tx, ref.dispute_id, evidence_sent_at=now, updated_at=now)
                await disputes.record(tx, sent, "dispute.evidence_submitted", now)

    async def _at(self, ref: DisputeRef) -> tuple[Dispute, Provider]:
        async with self._world.database.tenant(ref.tenant_id) as tx:
            dispute = await disputes.get(tx, ref.dispute_id)
            _, provider = await self._world.provider(tx, dispute.account_id)
        return dispute, provider

    async def _hear(self, ref: DisputeRef, said: DisputeObservation) -> None:
        world, now, endpoints, odd = self._world, self._world.clock(), [], None
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
                _, told = await disputes.move(tx, payment, known, verdict.to, said, now)
                endpoints = await events.announce(tx, ref.tenant_id, told, now) if told else []
            if said.inbox_id is not None and odd is None:
                await inbox.processed(tx, said.inbox_id, verdict.note, now)
            elif said.inbox_id is not None:
                await inbox.quarantine(tx, said.inbox_id, odd or "")
        if odd is not None:
            alert("word_not_understood", why=odd, payment_id=ref.payment_id, dispute=said.reference)
        await world.wake(ref.tenant_id, endpoints)
