"""Root: runs the workflows and their steps, renders our refusals as Temporal failures, drains the inbox."""

import asyncio
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError
from temporalio.runtime import Runtime
from temporalio.service import RPCError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    PatchActivationInput,
    UnsandboxedWorkflowRunner,
    Worker,
)

from activities.approval import ApprovalActivities
from activities.courier import CourierActivities
from activities.dispute import DisputeActivities
from activities.measures import Measures, new_registry
from activities.payment import PaymentActivities
from activities.reconciliation import ReconciliationActivities
from activities.refund import RefundActivities
from activities.subscription import SubscriptionActivities
from activities.world import World
from domain.errors import NotYet, Refusal
from exposition import showing
from installation import connect_temporal, open_world
from logs import configure_logging
from settings import Settings, read
from traces import traced
from workflows.archive import ARCHIVED_EVERY, Archivist, Histories
from workflows.courier import CourierWorkflow
from workflows.dispute import DisputeWorkflow
from workflows.late import LateWorkflow
from workflows.payment import PaymentWorkflow
from workflows.policies import BOOKS_QUEUE, COURIER_QUEUE, QUEUE
from workflows.reconciliation import ReconciliationWorkflow
from workflows.refund import RefundWorkflow
from workflows.retention import FORGOTTEN_EVERY, Keep, Keeper
from workflows.review import ReviewWorkflow
from workflows.subscription import SubscriptionWorkflow
from workflows.sweeps import Chore, Sweeps

log = structlog.get_logger(__name__)

# The SDK's sandbox finds what is not deterministic, and takes an eighth of a worker's processor time, even
# where it imports nothing anew. The tests' replays run in it, and find that before it gets here.
_RUNNER: Final = UnsandboxedWorkflowRunner()
_STICKY: Final = timedelta(seconds=3)
# How long running steps may take to finish when we are told to stop.
_GRACE: Final = timedelta(seconds=6)

OF_MONEY: Final = (
    PaymentWorkflow,
    LateWorkflow,
    RefundWorkflow,
    ReviewWorkflow,
    DisputeWorkflow,
    ReconciliationWorkflow,
    SubscriptionWorkflow,
)
OF_NEWS: Final = (CourierWorkflow,)


class Failures(Interceptor):
    """Turns a ``Refusal`` into a Temporal failure that knows whether, and when, to try again."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Failures(next)


class _Failures(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        try:
            with structlog.contextvars.bound_contextvars(
                workflow_id=info.workflow_id,
                activity=info.activity_type,
                attempt=info.attempt,
                **_request_behind(input.args),
            ):
                return await super().execute_activity(input)
        except Refusal as refusal:
            after = refusal.retry_after
            raise ApplicationError(
                refusal.detail,
                type=type(refusal).__name__,
                non_retryable=not refusal.retryable,
                next_retry_delay=None if after is None else timedelta(seconds=after),
                category=ApplicationErrorCategory.BENIGN
                if isinstance(refusal, NotYet)
                else ApplicationErrorCategory.UNSPECIFIED,
                # Its causes would outgrow what Temporal keeps, and operators would see nothing at all.
            ) from None
        except FailureError:
            raise
        except Exception as bug:  # noqa: BLE001 - to be rendered, and raised again
            # Its text may hold a customer's data, and Temporal would keep it: the place must do.
            frames = traceback.extract_tb(bug.__traceback__)[-8:]
            where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
            log.error("step_failed", error=type(bug).__name__, where=where)  # noqa: TRY400
            raise ApplicationError(f"{type(bug).__name__} in {where[-1]}", type=type(bug).__name__) from None


class Timed(Interceptor):
    """Has each attempt at a step measured. Stands inside of ``Failures``, where refusals are still ours."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Timed(next, self._measures)


class _Timed(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, measures: Measures) -> None:
        super().__init__(inner)
        self._measures = measures

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        began, trouble = time.monotonic(), None
        try:
            return await super().execute_activity(input)
        except BaseException as error:
            trouble = error
            raise
        finally:
            self._measures.stepped(activity.info().activity_type, trouble, time.monotonic() - began)


def _request_behind(args: Sequence[Any]) -> dict[str, str]:
    """The id of the request that asked for what a step works on, where its argument tells one."""
    subject = args[0] if args else None
    asked = getattr(getattr(subject, "ref", subject), "correlation_id", None)
    return {} if asked is None else {"request_id": asked}


def not_yet(_: PatchActivationInput) -> bool:
    """Begin no ``workflow.patched`` step: a worker that does not know it could not go on after it.

    Where one was begun already, it is gone on with all the same.
    """
    return False


def build(temporal: Client, world: World, *, hold_patches: bool = False) -> list[Worker]:
    """Three workers: for money, for tenants' endpoints, which may be slow, for reading books."""
    payment, refund, dispute = PaymentActivities(world), RefundActivities(world), DisputeActivities(world)
    subscription, approval = SubscriptionActivities(world), ApprovalActivities(world)
    courier, books = CourierActivities(world), ReconciliationActivities(world)
    steps: dict[str, Any] = {
        "interceptors": [Failures(), Timed(world.measures)],
        # Fairness between tenants works on tasks that go through the server.
        "disable_eager_activity_execution": True,
        "graceful_shutdown_timeout": _GRACE,
    }
    leads = steps | {
        "workflow_runner": _RUNNER,
        # A worker that died keeps its payments waiting no longer than this.
        "sticky_queue_schedule_to_start_timeout": _STICKY,
        "patch_activation_callback": not_yet if hold_patches else None,
    }
    return [
        Worker(
            temporal,
            task_queue=QUEUE,
            workflows=OF_MONEY,
            activities=[
                payment.open_checkout,
                payment.close_checkout,
                payment.ask,
                payment.settle,
                payment.rule,
                refund.carry_out,
                refund.hear,
                approval.look,
                approval.expire,
                dispute.look_at_dispute,
                dispute.ask_about_dispute,
                dispute.remind_of_evidence,
                dispute.answer_dispute,
                books.give_up,
                subscription.advance,
            ],
            max_cached_workflows=2_000,
            max_concurrent_activities=100,
            **leads,
        ),
        Worker(
            temporal,
            task_queue=COURIER_QUEUE,
            workflows=OF_NEWS,
            activities=[courier.carry],
            max_cached_workflows=1_000,
            # A slot costs little while a receiver thinks; of those that think long, few get one (courier.py).
            max_concurrent_activities=600,
            **leads,
        ),
        Worker(
            temporal,
            task_queue=BOOKS_QUEUE,
            activities=[books.reconcile],
            max_concurrent_activities=4,
            max_concurrent_activity_task_polls=1,
            **steps,
        ),
    ]


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Work until told to stop, then finish what is in hand. Waits for Temporal as long as it takes."""
    registry = new_registry()
    measures = Measures(registry)
    async with showing(settings, registry) as runtime:
        temporal = await _connected(settings, stop, runtime)
        if temporal is not None:
            await _work(settings, temporal, measures, stop)


async def _work(settings: Settings, temporal: Client, measures: Measures, stop: asyncio.Event) -> None:
    async with (
        open_world(settings, temporal, measures) as world,
        Sweeps(
            world, temporal, settings.audit_checkpoints_file, _chores(settings, world, temporal)
        ).running(),
    ):
        workers = build(temporal, world, hold_patches=settings.hold_patches)
        running = [asyncio.create_task(worker.run()) for worker in workers]
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([*running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await asyncio.gather(*(worker.shutdown() for worker in workers))
        # A worker that broke says so here.
        await asyncio.gather(*running)


def _chores(settings: Settings, world: World, temporal: Client) -> list[Chore]:
    """What nobody waits for: to keep what Temporal will forget, and to forget what nobody needs."""
    keep = Keep(settings.keep_provider_bodies, settings.keep_delivery_attempts)
    keeper = Keeper(world.database, world.clock, keep)
    chores: list[Chore] = [(keeper.forget_old, FORGOTTEN_EVERY)]
    if settings.histories_dir is not None:
        archivist = Archivist(temporal, Histories(settings.histories_dir), world.clock)
        chores.append((archivist.archive_histories, ARCHIVED_EVERY))
    return chores


async def _connected(settings: Settings, stop: asyncio.Event, runtime: Runtime | None) -> Client | None:
    while not stop.is_set():
        try:
            return await connect_temporal(settings, lazy=False, runtime=runtime)
        except (RuntimeError, RPCError):
            log.warning("waiting_for_temporal", address=settings.temporal_address)
        await asyncio.sleep(1)
    return None


def _may_open(files: int) -> None:
    """Let this process have so many files and connections open, if the machine permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _main() -> None:
    settings = read(Settings)
    configure_logging(settings)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with traced(settings, "paysaga-worker"):
        await run(settings, stop)


def main() -> None:
    code = 0
    # Each of the couriers' slots may hold four connections; 1024 in all, as is usual, would starve the rest.
    _may_open(4_096)
    try:
        asyncio.run(_main())
    except Exception:
        log.exception("worker_failed")
        code = 1
    sys.stderr.flush()
    # The SDK's native threads sometimes abort an interpreter that takes its leave politely (seen on 3.11).
    os._exit(code)


if __name__ == "__main__":
    main()
