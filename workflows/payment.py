"""One payment, from order to entitlement."""

from collections import deque
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.payment import Inquiry
    from activities.payment import PaymentActivities as Step
    from domain.evidence import Channel, Observation, Word
    from domain.payment import OPEN, PaymentRef, PaymentStatus, Progress
    from domain.verdicts import ECHO, Report, Standing, decide
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
        self._provider = ref.provider
        self._reports: deque[Observation] = deque()
        self._cancelling = False
        # From here on the provider is asked to take no more money; before, we only wait for some.
        self._closing = False
        self._question: workflow.ActivityHandle[Progress] | None = None
        self._asked_since: datetime | None = None
        self._nudged = False
        # Nobody has an answer after a month: whoever still wants one must ask.
        self._given_up = False

    @workflow.run
    async def run(self, ref: PaymentRef) -> PaymentStatus:
        await self._open()
        while self._progress.status in OPEN:
            self._now_at(await self._next_step())
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

    @workflow.signal
    def nudge(self) -> None:
        """Somebody wants to know what became of it, and cannot wait for the next question."""
        self._nudged = True

    @workflow.signal
    def cancel_wished(self) -> None:
        """The same wish as ``cancel``, of somebody who does not wait."""
        self._cancelling = True

    async def _open(self) -> None:
        """Insist on a checkout until the payment's time is up; only a definite "no" ends it sooner."""
        left = self._ref.expires_at - workflow.now()
        try:
            progress = await do(
                Step.open_checkout,
                self._ref,
                **self._by(policies.PROVIDER, 2, f"{self._ref.money}", max(left, policies.PATIENCE)),
            )
        except ActivityError:
            progress = await self._settle(self._silence(Channel.CREATE))
        self._now_at(progress)
        self._closing = progress.status is S.UNKNOWN

    async def _next_step(self) -> Progress:
        """Whichever comes first: a report, an answer to our question, a wish to cancel, the deadline."""
        self._question = self._question or self._ask()

        def something_happened() -> bool:
            answered = self._question is not None and self._question.done()
            wishes = self._nudged if self._closing else self._cancelling
            return bool(self._reports) or answered or wishes

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
            return await self._settle(self._reports.popleft())
        if self._question is not None and self._question.done():
            answer, self._question = await self._question, None
            self._given_up = answer.status in OPEN
            return answer
        if self._closing:
            self._stop_asking()
            self._given_up = False
            return self._progress
        return await self._close()

    def _ask(self) -> workflow.ActivityHandle[Progress] | None:
        if self._given_up:
            return None
        at_once, self._nudged = self._nudged and self._closing, False
        self._asked_since = self._asked_since or workflow.now()
        return workflow.start_activity_method(
            Step.ask,
            self._inquiry().model_copy(update={"since": self._asked_since, "at_once": at_once}),
            **self._by(policies.PATIENT, 3, "find out" if self._closing else "ask if no webhook comes"),
        )

    async def _close(self) -> Progress:
        """Silence is not failure: the webhook may be lost. Close, and believe the answer."""
        self._closing, self._nudged = True, False
        if self._cancelling:
            # It would take a closed checkout for one that expired by itself.
            self._stop_asking()
        try:
            progress = await do(
                Step.close_checkout,
                self._inquiry(),
                **self._by(policies.PROVIDER, 1, f"to be {self._intent}", policies.PATIENCE),
            )
        except ActivityError:
            progress = await self._settle(self._silence(Channel.CLOSE))
        if progress.status in OPEN:
            # From now on the question is another one.
            self._stop_asking()
            self._asked_since = None
        return progress

    def _stop_asking(self) -> None:
        if self._question is not None:
            self._question.cancel()
            self._question = None

    async def _settle(self, said: Observation) -> Progress:
        try:
            return await do(
                Step.settle,
                Report(ref=self._ref, said=said, intent=self._intent),
                **self._by(policies.STORE, 1, f"{said.channel} says {said.word}"),
            )
        except ActivityError:
            if said.inbox_id is None:
                raise
            # The event is back in the inbox, which tries it again; it must not hold up the others.
            return self._progress

    async def _hear_the_rest(self) -> None:
        """What was reported while we ended still takes effect; a mere echo the inbox can file by itself."""
        while self._reports or not workflow.all_handlers_finished():
            if not self._reports:
                await workflow.wait_condition(lambda: bool(self._reports) or workflow.all_handlers_finished())
                continue
            said = self._reports.popleft()
            if not self._knows(said):
                self._now_at(await self._settle(said))

    def _now_at(self, progress: Progress) -> None:
        """Where the payment stands, for ourselves and for whoever looks at the Temporal UI."""
        if progress.status is not self._progress.status:
            news = [policies.PAYMENT_STATUS.value_set(progress.status)]
            if progress.provider_reference and not self._progress.provider_reference:
                news.append(policies.PROVIDER_REFERENCE.value_set(progress.provider_reference))
            if progress.provider is not None and progress.provider != self._provider:
                # The first one made no checkout, and another had its turn.
                self._provider = progress.provider
                news.append(policies.PROVIDER_NAME.value_set(self._provider))
            workflow.upsert_search_attributes(news)
        self._progress = progress
        reason = f" ({progress.failure_code}: {progress.failure_message})" if progress.failure_code else ""
        checkout = progress.provider_reference or "not open yet"
        workflow.set_current_details(
            f"**{progress.status}**{reason} since {progress.updated_at:%Y-%m-%d %H:%M:%S} UTC\n\n"
            f"{self._ref.money} at {self._provider}, checkout {checkout}\n\n{self._awaited}"
        )

    @property
    def _awaited(self) -> str:
        """What this payment waits for, in a sentence."""
        until = f"{self._ref.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        return {
            S.CREATED: f"Insists on a checkout until {until}.",
            S.PROVIDER_PENDING: f"Waits for the payer until {until}, then has the checkout closed.",
            S.UNKNOWN: "Asks the provider again and again: only its answer can tell what happened.",
            S.REVIEW: "Money came that was not ordered so. Two people decide what becomes of it.",
        }.get(self._progress.status, "It has ended: nothing is waited for.")

    @property
    def _intent(self) -> PaymentStatus:
        return S.CANCELLED if self._cancelling else S.EXPIRED

    def _knows(self, said: Observation) -> bool:
        paid = self._progress.status is S.SUCCEEDED
        standing = Standing(
            ordered=self._ref.money,
            status=self._progress.status,
            reference=self._progress.provider_reference,
            captured=self._ref.money if paid else None,
        )
        return decide(standing, said, self._intent).note == ECHO

    def _inquiry(self) -> Inquiry:
        return Inquiry(
            ref=self._ref,
            reference=self._progress.provider_reference,
            closing=self._closing,
            intent=self._intent,
        )

    def _silence(self, channel: Channel) -> Observation:
        now = workflow.now()
        return Observation(
            word=Word.UNCLEAR,
            raw_state="silence",
            channel=channel,
            cause_id=f"{channel}:silence:{now.isoformat()}",
            observed_at=now,
        )

    def _by(
        self, policy: workflow.ActivityConfig, urgency: int, summary: str, within: timedelta | None = None
    ) -> workflow.ActivityConfig:
        return policies.step(policy, self._ref.tenant_id, urgency, summary, within)


def attributes(ref: PaymentRef) -> TypedSearchAttributes:
    """What operators filter payments by."""
    found_by = policies.found_by(ref.tenant_id, ref.provider, ref.money, S.CREATED)
    return found_by.updated(SearchAttributePair(policies.DUE_AT, ref.expires_at))
