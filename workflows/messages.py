"""How others start our workflows and talk to them: the one place that knows ids, queues and policies."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from temporalio.api.common.v1 import Header, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import WorkflowSerializationContext
from temporalio.service import RPCError, RPCStatusCode

from activities.courier import Round
from domain.approval import ApprovalRef
from domain.dispute import DisputeObservation, DisputeRef, dispute_id
from domain.evidence import Observation
from domain.payment import OPEN, Payment, PaymentRef, Progress
from domain.refund import RefundObservation, RefundRef
from domain.said import Said
from domain.standing import SubscriptionRef
from workflows import courier, dispute, late, payment, policies, refund, review, subscription, tracing
from workflows.courier import CourierWorkflow
from workflows.dispute import DisputeWorkflow
from workflows.late import LateWorkflow
from workflows.payment import PaymentWorkflow, attributes
from workflows.refund import RefundWorkflow
from workflows.review import ReviewWorkflow
from workflows.subscription import SubscriptionWorkflow

_QUICK: Final = timedelta(seconds=5)


def _birth(ref: PaymentRef) -> dict[str, Any]:
    """How a payment's workflow is started, by whoever comes first; the others meet it."""
    return {
        "id": payment.workflow_id(ref.tenant_id, ref.payment_id),
        "task_queue": policies.QUEUE,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        # One that was terminated, or failed, may be started again: it goes on from its row.
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        "search_attributes": attributes(ref),
        "static_summary": f"{ref.money} at {ref.provider}",
        "static_details": (
            f"Payment {ref.payment_id} of {ref.tenant_id}. The row in PostgreSQL is the truth of it:"
            f" `paysaga payments show {ref.payment_id}` and the console tell it."
        ),
        "priority": policies.fair(ref.tenant_id, 2),
    }


async def open_checkout(client: Client, ref: PaymentRef, patience: timedelta) -> Progress:
    """Start the payment, or meet the one that runs, and wait for its checkout: one RPC.

    Raises ``temporalio`` errors when that takes longer than ``patience`` or Temporal is away; the workflow
    may have been started all the same.
    """
    with _starting(ref) as start:
        return await client.execute_update_with_start_workflow(
            PaymentWorkflow.checkout,
            id=ref.digest,
            start_workflow_operation=start,
            rpc_timeout=patience,
        )


async def cancel(client: Client, ref: PaymentRef, patience: timedelta) -> Progress:
    """Ask a payment to end without money. Raises as ``open_checkout`` does, with the wish standing."""
    with _starting(ref) as start:
        return await client.execute_update_with_start_workflow(
            PaymentWorkflow.cancel,
            id=f"cancel-{ref.digest}",
            start_workflow_operation=start,
            rpc_timeout=patience,
        )


@contextmanager
def _starting(ref: PaymentRef) -> Iterator[WithStartWorkflowOperation[Any, Any]]:
    start = WithStartWorkflowOperation(PaymentWorkflow.run, ref, **_birth(ref))
    try:
        yield start
    except RuntimeError as error:
        # So the SDK says that Temporal is away, when a client has never reached it.
        if "Failed client connect" not in str(error):
            raise
        raise RPCError("Temporal cannot be reached", RPCStatusCode.UNAVAILABLE, b"") from error
    finally:
        # Nobody asks for this handle; asyncio would complain about an exception nobody saw.
        future = start._workflow_handle  # noqa: SLF001 - the public accessor is a coroutine that would wait
        future.add_done_callback(lambda done: done.cancelled() or done.exception())


async def start_payment(client: Client, ref: PaymentRef) -> None:
    """Make sure the payment's workflow exists."""
    await client.start_workflow(PaymentWorkflow.run, ref, rpc_timeout=_QUICK, **_birth(ref))


async def report(client: Client, known: Payment, said: Said, hearing: str) -> None:
    """Pass a provider's word on to whoever decides about this payment. Safe to repeat.

    ``hearing`` names this try, and is the request's id: Temporal delivers it once however often it is sent.
    A payment that has ended hears it by way of its late workflow.
    """
    ref = known.ref
    if isinstance(said, RefundObservation):
        await _tell_late(client, ref, "refund_reported", said, f"a refund is {said.word}")
        return
    if isinstance(said, DisputeObservation):
        await _tell_dispute(client, _disputed(known, said), "provider_reported", said)
        return
    try:
        await _signal(client, payment.workflow_id(ref.tenant_id, ref.payment_id), said, hearing)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    else:
        return
    if known.status in OPEN:
        await client.start_workflow(
            PaymentWorkflow.run,
            ref,
            start_signal="provider_reported",
            start_signal_args=[said],
            rpc_timeout=_QUICK,
            **_birth(ref),
        )
    else:
        await _tell_late(client, ref, "provider_reported", said, f"{said.word} after the end")


async def _tell_late(
    client: Client, ref: PaymentRef, signal: str, news: Observation | RefundObservation, summary: str
) -> None:
    await client.start_workflow(
        LateWorkflow.run,
        ref,
        id=late.workflow_id(ref.tenant_id, ref.payment_id),
        task_queue=policies.QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        start_signal=signal,
        start_signal_args=[news],
        search_attributes=policies.found_by(ref.tenant_id, ref.provider, ref.money),
        static_summary=f"{summary} of {ref.payment_id}",
        priority=policies.fair(ref.tenant_id, 1),
        rpc_timeout=_QUICK,
    )


def _disputed(payment: Payment, said: DisputeObservation) -> DisputeRef:
    return DisputeRef(
        tenant_id=payment.order.tenant_id,
        payment_id=payment.id,
        dispute_id=dispute_id(payment, said.reference),
        provider=payment.order.provider,
        money=said.money,
    )


async def nudge_dispute(client: Client, ref: DisputeRef) -> None:
    """Make sure the dispute's workflow exists, and looks at its row again."""
    await _tell_dispute(client, ref, "nudge")


async def _tell_dispute(client: Client, ref: DisputeRef, signal: str, *news: DisputeObservation) -> None:
    await client.start_workflow(
        DisputeWorkflow.run,
        ref,
        id=dispute.workflow_id(ref),
        task_queue=policies.QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        start_signal=signal,
        start_signal_args=news,
        search_attributes=policies.found_by(ref.tenant_id, ref.provider, ref.money),
        static_summary=f"{ref.money} of {ref.payment_id} disputed at {ref.provider}",
        priority=policies.fair(ref.tenant_id, 1),
        rpc_timeout=_QUICK,
    )


async def nudge(client: Client, ref: PaymentRef) -> None:
    """Have the provider asked now what became of a payment that nobody can account for."""
    await client.start_workflow(
        PaymentWorkflow.run, ref, start_signal="nudge", rpc_timeout=_QUICK, **_birth(ref)
    )


async def wish_cancelled(client: Client, ref: PaymentRef) -> None:
    """Have a payment end without money, for one who does not wait to see it."""
    await client.start_workflow(
        PaymentWorkflow.run, ref, start_signal="cancel_wished", rpc_timeout=_QUICK, **_birth(ref)
    )


async def start_refund(client: Client, ref: RefundRef) -> None:
    """Make sure the refund's workflow exists, and knows it when somebody decided that it may go out."""
    await client.start_workflow(
        RefundWorkflow.run,
        ref,
        id=refund.workflow_id(ref.tenant_id, ref.refund_id),
        task_queue=policies.QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        start_signal="decided" if ref.approval_id and not ref.awaits_approval else None,
        search_attributes=refund.attributes(ref),
        static_summary=f"{ref.money} of {ref.payment_id} at {ref.provider}",
        priority=policies.fair(ref.tenant_id, 1),
        rpc_timeout=_QUICK,
    )


async def wake_subscription(client: Client, ref: SubscriptionRef) -> None:
    """Make sure the subscription is led, and that whoever leads it looks at its row again."""
    await client.start_workflow(
        SubscriptionWorkflow.run,
        ref,
        id=subscription.workflow_id(ref.tenant_id, ref.subscription_id),
        task_queue=policies.QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        search_attributes=subscription.attributes(ref),
        start_signal="wake",
        static_summary=f"subscription {ref.subscription_id}",
        priority=policies.fair(ref.tenant_id, 3),
        rpc_timeout=_QUICK,
    )


async def start_review(client: Client, ref: ApprovalRef) -> None:
    """Make sure the review's workflow exists, and knows it when somebody decided."""
    await client.start_workflow(
        ReviewWorkflow.run,
        ref,
        id=review.workflow_id(ref.tenant_id, ref.approval_id),
        task_queue=policies.QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        start_signal=None if ref.awaited else "decided",
        search_attributes=policies.found_by(ref.tenant_id),
        static_summary=f"review of {ref.payment_id}",
        priority=policies.fair(ref.tenant_id, 1),
        rpc_timeout=_QUICK,
    )


async def _signal(client: Client, workflow_id: str, said: Observation, hearing: str) -> None:
    # The SDK's handle.signal() makes up a request id of its own, and three calls are three signals.
    bound = client.data_converter.with_context(WorkflowSerializationContext(client.namespace, workflow_id))
    with tracing.calling("Payment.provider_reported", workflow_id):
        headers = tracing.handed_on({})
        await client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=workflow_id),
                signal_name="provider_reported",
                input=Payloads(payloads=await bound.encode([said])),
                identity=client.identity,
                request_id=hearing,
                header=Header(fields=headers) if headers else None,
            ),
            timeout=_QUICK,
        )


async def wake(client: Client, tenant_id: str, endpoint_ids: Sequence[str]) -> None:
    """Tell these endpoints' couriers that there is something to carry."""
    for endpoint_id in endpoint_ids:
        await client.start_workflow(
            CourierWorkflow.run,
            Round(tenant_id=tenant_id, endpoint_id=endpoint_id),
            id=courier.workflow_id(tenant_id, endpoint_id),
            task_queue=policies.COURIER_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            start_signal="wake",
            search_attributes=policies.found_by(tenant_id),
            static_summary=f"webhooks to {endpoint_id}",
            priority=policies.fair(tenant_id, 4),
            rpc_timeout=_QUICK,
        )
