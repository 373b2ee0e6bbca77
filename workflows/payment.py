"""One payment, from order to entitlement."""

from collections import deque

from temporalio import workflow
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.payment import Inquiry
    from activities.payment import PaymentActivities as Step
    from domain.payment import (
        OPEN,
        Channel,
        Observation,
        PaymentRef,
        PaymentStatus,
        Progress,
        Settlement,
        Word,
        decide,
    )
    from workflows import policies

do = workflow.execute_activity_method
S = PaymentStatus


def workflow_id(tenant_id: str, payment_id: str) -> str:
    return f"payment:{tenant_id}:{payment_id}"


@workflow.defn(name="Payment")
class PaymentWorkflow:
    """The only writer of its payment. The API starts it, signals it, and reads the row.

    It begins by reading that row, so a new run goes on where a lost one stood.
    """

    @workflow.init
    def __init__(self, ref: PaymentRef) -> None:
        self._ref = ref
        self._progress = Progress(status=S.CREATED, updated_at=workflow.now())
        self._reports: deque[Observation] = deque()
        self._cancelling = False
        # From here on the provider is asked to take no more money; before, we only wait for some.
        self._closing = False
        self._question: workflow.ActivityHandle[Observation] | None = None

    @workflow.run
    async def run(self, ref: PaymentRef) -> PaymentStatus:
        await self._open()
        while self._progress.status in OPEN:
            await self._hear(await self._next_word())
            if workflow.info().is_continue_as_new_suggested() and not (self._reports or self._cancelling):
                workflow.continue_as_new(ref)
        await self._hear_the_rest()
        return self._progress.status

    @workflow.update
    async def checkout(self) -> Progress:
        """The payment, once there is somewhere to send the payer, or never will be."""
        await workflow.wait_condition(lambda: self._progress.status is not S.CREATED)
        return self._progress

    @workflow.update
    async def cancel(self) -> Progress:
        """Have the checkout closed, and see which was first: this wish or the money."""
        self._cancelling = True
        await workflow.wait_condition(lambda: self._progress.status not in OPEN)
        return self._progress

    @workflow.signal
    def provider_reported(self, said: Observation) -> None:
        self._reports.append(said)

    async def _open(self) -> None:
        """Insist on a checkout until the payment's time is up; only a definite "no" ends it sooner."""
        left = self._ref.expires_at - workflow.now()
        try:
            progress = await do(
                Step.open_checkout,
                self._ref,
                schedule_to_close_timeout=max(left, policies.PATIENCE),
                summary=f"{self._ref.money} at {self._ref.provider}",
                priority=self._urgency(2),
                **policies.PROVIDER,
            )
        except ActivityError as failure:
            await self._hear(self._refusal(failure) or self._silence(Channel.CREATE))
        else:
            self._now_at(progress)
        self._closing = self._progress.status is S.UNKNOWN

    async def _next_word(self) -> Observation:
        """Whichever comes first: a report, an answer to our question, a wish to cancel, the deadline."""
        question = self._question = self._question or self._ask()

        def something_happened() -> bool:
            return bool(self._reports) or question.done() or (self._cancelling and not self._closing)

        try:
            await workflow.wait_condition(
                something_happened,
                timeout=None
                if self._closing
                else max(self._ref.expires_at - workflow.now(), policies.AT_ONCE),
                timeout_summary=f"expires at {self._ref.expires_at:%Y-%m-%d %H:%M:%S} UTC",
            )
        except TimeoutError:
            return await self._close()
        if self._reports:
            return self._reports.popleft()
        if question.done():
            self._question = None
            return await question
        return await self._close()

    def _ask(self) -> workflow.ActivityHandle[Observation]:
        return workflow.start_activity_method(
            Step.ask,
            self._inquiry(),
            summary="find out what happened" if self._closing else "ask, in case no webhook comes",
            priority=self._urgency(3),
            **policies.PATIENT,
        )

    async def _close(self) -> Observation:
        """Silence is not failure: the webhook may be lost. Close, and believe the answer."""
        self._closing = True
        if self._question is not None:
            self._question.cancel()
            self._question = None
        try:
            return await do(
                Step.look,
                self._inquiry(),
                schedule_to_close_timeout=policies.PATIENCE,
                summary="close, as the tenant cancelled" if self._cancelling else "close, as time is up",
                priority=self._urgency(1),
                **policies.PROVIDER,
            )
        except ActivityError:
            return self._silence(Channel.CLOSE)

    async def _hear(self, said: Observation) -> None:
        verdict = decide(
            self._ref, self._progress.status, said, intent=S.CANCELLED if self._cancelling else S.EXPIRED
        )
        progress = await do(
            Step.settle,
            Settlement(ref=self._ref, verdict=verdict, observation=said),
            summary=f"{said.word}: {verdict.to or verdict.note}",
            priority=self._urgency(1),
            **policies.STORE,
        )
        self._now_at(progress)

    async def _hear_the_rest(self) -> None:
        """An accepted signal is never dropped: what arrived while we ended still takes effect."""
        while self._reports or not workflow.all_handlers_finished():
            if self._reports:
                await self._hear(self._reports.popleft())
            else:
                await workflow.wait_condition(lambda: bool(self._reports) or workflow.all_handlers_finished())

    def _now_at(self, progress: Progress) -> None:
        """Where the payment stands, for ourselves and for whoever looks at the Temporal UI."""
        if progress.status is not self._progress.status:
            news = [policies.PAYMENT_STATUS.value_set(progress.status)]
            if progress.provider_reference and not self._progress.provider_reference:
                news.append(policies.PROVIDER_REFERENCE.value_set(progress.provider_reference))
            workflow.upsert_search_attributes(news)
        self._progress = progress
        reason = f" ({progress.failure_code}: {progress.failure_message})" if progress.failure_code else ""
        workflow.set_current_details(
            f"**{progress.status}**{reason} since {progress.updated_at:%Y-%m-%d %H:%M:%S} UTC\n\n"
            f"{self._ref.money} at {self._ref.provider}, checkout {progress.provider_reference or 'not open yet'}"
        )

    def _inquiry(self) -> Inquiry:
        return Inquiry(ref=self._ref, reference=self._progress.provider_reference, closing=self._closing)

    def _refusal(self, failure: ActivityError) -> Observation | None:
        """A definite "no" to creating the checkout; None when it may or may not exist."""
        cause = failure.cause
        if not isinstance(cause, ApplicationError) or not cause.non_retryable:
            return None
        return self._said(Word.FAILED, Channel.CREATE).model_copy(
            update={
                "raw_state": cause.type or "refused",
                "failure_code": "provider_misconfigured",
                "failure_message": cause.message,
            }
        )

    def _silence(self, channel: Channel) -> Observation:
        return self._said(Word.UNCLEAR, channel)

    def _said(self, word: Word, channel: Channel) -> Observation:
        now = workflow.now()
        return Observation(
            word=word,
            raw_state="silence",
            channel=channel,
            cause_id=f"{channel}:{word}:{now.isoformat()}",
            observed_at=now,
        )

    def _urgency(self, urgency: int) -> Priority:
        return policies.fair(self._ref.tenant_id, urgency)


def attributes(ref: PaymentRef) -> TypedSearchAttributes:
    """What operators filter payments by."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(policies.TENANT_ID, ref.tenant_id),
            SearchAttributePair(policies.PAYMENT_STATUS, S.CREATED),
            SearchAttributePair(policies.PROVIDER_NAME, ref.provider),
            SearchAttributePair(policies.CURRENCY, ref.money.currency),
            SearchAttributePair(policies.AMOUNT_MINOR, ref.money.amount_minor),
            SearchAttributePair(policies.DUE_AT, ref.expires_at),
        ]
    )
