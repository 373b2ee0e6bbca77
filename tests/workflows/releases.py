"""Releases that might come after today's: a change made with care, and made as if nothing were running."""

from temporalio import workflow

from activities.courier import Round
from activities.reconciliation import Books
from domain.approval import ApprovalRef, ApprovalState
from domain.dispute import DisputeRef
from domain.payment import PaymentRef, PaymentStatus
from domain.refund import RefundRef, RefundState
from domain.standing import SubscriptionRef
from workflows import policies
from workflows.courier import CourierWorkflow
from workflows.dispute import DisputeWorkflow
from workflows.late import LateWorkflow
from workflows.payment import PaymentWorkflow
from workflows.reconciliation import ReconciliationWorkflow
from workflows.refund import RefundWorkflow
from workflows.review import ReviewWorkflow
from workflows.subscription import SubscriptionWorkflow


@workflow.defn(name="Payment")
class OneStepMore(PaymentWorkflow):
    """Changed as our rules have it: a step more, behind a patch."""

    @workflow.init
    def __init__(self, ref: PaymentRef) -> None:
        super().__init__(ref)

    @workflow.run
    async def run(self, ref: PaymentRef) -> PaymentStatus:
        return await super().run(ref)

    async def _open(self) -> None:
        await super()._open()
        if workflow.patched("a-moment-of-rest"):
            await workflow.sleep(policies.AT_ONCE)


@workflow.defn(name="Payment")
class Careless(PaymentWorkflow):
    """The same step, and no patch."""

    @workflow.init
    def __init__(self, ref: PaymentRef) -> None:
        super().__init__(ref)

    @workflow.run
    async def run(self, ref: PaymentRef) -> PaymentStatus:
        return await super().run(ref)

    async def _open(self) -> None:
        await super()._open()
        await workflow.sleep(policies.AT_ONCE)


@workflow.defn(name="Late")
class CarelessLate(LateWorkflow):
    @workflow.init
    def __init__(self, ref: PaymentRef) -> None:
        super().__init__(ref)

    @workflow.run
    async def run(self, ref: PaymentRef) -> None:
        await workflow.sleep(policies.AT_ONCE)
        await super().run(ref)


@workflow.defn(name="Refund")
class CarelessRefund(RefundWorkflow):
    @workflow.run
    async def run(self, ref: RefundRef) -> RefundState:
        await workflow.sleep(policies.AT_ONCE)
        return await super().run(ref)


@workflow.defn(name="Review")
class CarelessReview(ReviewWorkflow):
    @workflow.run
    async def run(self, ref: ApprovalRef) -> ApprovalState:
        await workflow.sleep(policies.AT_ONCE)
        return await super().run(ref)


@workflow.defn(name="Dispute")
class CarelessDispute(DisputeWorkflow):
    @workflow.init
    def __init__(self, ref: DisputeRef) -> None:
        super().__init__(ref)

    @workflow.run
    async def run(self, ref: DisputeRef) -> None:
        await workflow.sleep(policies.AT_ONCE)
        await super().run(ref)


@workflow.defn(name="Courier")
class CarelessCourier(CourierWorkflow):
    @workflow.init
    def __init__(self, errand: Round) -> None:
        super().__init__(errand)

    @workflow.run
    async def run(self, errand: Round) -> None:
        await workflow.sleep(policies.AT_ONCE)
        await super().run(errand)


@workflow.defn(name="Reconciliation")
class CarelessReconciliation(ReconciliationWorkflow):
    @workflow.run
    async def run(self, books: Books) -> str | None:
        await workflow.sleep(policies.AT_ONCE)
        return await super().run(books)


@workflow.defn(name="Subscription")
class CarelessSubscription(SubscriptionWorkflow):
    @workflow.init
    def __init__(self, ref: SubscriptionRef) -> None:
        super().__init__(ref)

    @workflow.run
    async def run(self, ref: SubscriptionRef) -> str:
        await workflow.sleep(policies.AT_ONCE)
        return await super().run(ref)
