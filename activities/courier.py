"""Carries events to a tenant's endpoint, signed as Standard Webhooks 1.0.0 has it.

Delivery is at least once: an answer that was lost is asked for again, with the same id and the same bytes.
"""

import asyncio
import time
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import httpx
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.exchange import Exchange, exchange
from activities.world import World
from domain.delivery import Tried, Verdict, disabled_announcement, judge
from domain.endpoint import DisabledReason, Endpoint
from domain.events import body
from domain.signatures import sign
from domain.values import Message
from storage import attempts, audit, deliveries, endpoints, events

_AT_A_TIME: Final = 4
_BATCH: Final = 40
# A round begins nothing after this: it may end some 15 s later, and others wait for its slot.
_ROUND_SECONDS: Final = 5
# Whoever once took so long is slow for a while, and shares this many of the worker's slots with its like.
# So those that hang hold a slot each, once, until they are known; the others never wait for the slow ones.
_SLOW_SECONDS: Final = 5
_SLOW_LASTS: Final = timedelta(minutes=10)
_SLOW_AT_ONCE: Final = 200
_NEXT_TURN: Final = timedelta(seconds=5)


class Round(Message):
    """Whose post is carried where."""

    tenant_id: str
    endpoint_id: str


class CourierActivities:
    def __init__(self, world: World, *, slow_at_once: int = _SLOW_AT_ONCE) -> None:
        self._world = world
        self._slow_hands = asyncio.Semaphore(slow_at_once)

    @activity.defn
    async def carry(self, errand: Round) -> datetime | None:
        """Send what is due to this endpoint, and say when to come again; None when nothing waits."""
        world, now = self._world, self._world.clock()
        async with AsyncExitStack() as held:
            async with world.database.tenant(errand.tenant_id) as tx:
                found = await endpoints.unlock(tx, world.vault, errand.endpoint_id, now)
                if found is None or not found[0].enabled:
                    return None
                endpoint, secrets = found
                slow = endpoint.slow_until is not None and endpoint.slow_until > now
                if slow and self._slow_hands.locked():
                    return now + _NEXT_TURN
                if slow:
                    await held.enter_async_context(self._slow_hands)
                due = await deliveries.due(tx, endpoint.id, now, _BATCH)
            client = await held.enter_async_context(world.gate.client(slow=slow))
            turn = _Turn(world, client, endpoint, secrets)
            await turn.take(due)
        # Last of all: what does not get through is found by the sweep, and nothing is sent twice for it.
        await world.wake(errand.tenant_id, sorted(turn.woken))
        async with world.database.tenant(errand.tenant_id) as tx:
            return await deliveries.next_due(tx, errand.endpoint_id)


@dataclass
class _Turn:
    """One round to one endpoint: four hands, until nothing is due or its time is up."""

    world: World
    client: httpx.AsyncClient
    endpoint: Endpoint
    secrets: tuple[str, ...] = field(repr=False)
    over: bool = False
    troubled: bool = False
    woken: set[str] = field(default_factory=set)
    waiting: deque[deliveries.Delivery] = field(default_factory=deque)

    async def take(self, due: list[deliveries.Delivery]) -> None:
        """Send these, and what else is due by then."""
        ends = time.monotonic() + _ROUND_SECONDS
        self.troubled = self.endpoint.failing_since is not None
        while True:
            self.waiting.extend(due)
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_A_TIME, len(due))):
                    group.create_task(self._hand(ends))
            if len(due) < _BATCH or self.over:
                return
            async with self.world.database.tenant(self.endpoint.tenant_id) as tx:
                due = await deliveries.due(tx, self.endpoint.id, self.world.clock(), _BATCH)

    async def _hand(self, ends: float) -> None:
        while self.waiting and not self.over:
            delivery = self.waiting.popleft()
            await self._deliver(delivery)
            if time.monotonic() > ends:
                self.over = True

    async def _deliver(self, delivery: deliveries.Delivery) -> None:
        event = delivery.event
        sent_at = self.world.clock()
        content = body(event, sandbox=self.endpoint.sandbox)
        stamp = int(sent_at.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "Paysaga",
            "webhook-id": event["id"],
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(
                sign(secret, event["id"], stamp, content) for secret in self.secrets
            ),
        }
        activity.heartbeat()
        came = await exchange(self.client, self.endpoint.url, headers, content)
        activity.heartbeat()
        attempt = attempts.Attempt(
            tenant_id=self.endpoint.tenant_id,
            endpoint_id=self.endpoint.id,
            url=self.endpoint.url,
            sent_at=sent_at,
            duration_ms=round(came.seconds * 1000),
            request_headers=headers,
            tried=Tried(
                delivery_id=delivery.id,
                number=delivery.attempts + 1,
                begun_at_attempt=delivery.begun_at_attempt,
                status=came.status,
                retry_after=came.retry_after,
                at=self.world.clock(),
            ),
            error=came.error,
            answer_headers=came.headers,
            answer=came.body,
        )
        await self._record(attempt, came)

    async def _record(self, attempt: attempts.Attempt, came: Exchange) -> None:
        """Write down how it went, and what that means for the endpoint: one transaction."""
        tried, endpoint_id = attempt.tried, self.endpoint.id
        slow = came.seconds >= _SLOW_SECONDS
        async with self.world.database.tenant(self.endpoint.tenant_id) as tx:
            since = None
            # An endpoint that does well is neither locked nor written to.
            notable = slow or self.troubled or not tried.delivered
            if notable:
                since = (await attempts.standing(tx, endpoint_id)).failing_since
            verdict = judge(tried, since, self.world.scaled)
            if slow or verdict.failing_since != since:
                slow_until = tried.at + _SLOW_LASTS if slow else None
                await attempts.note(tx, endpoint_id, verdict.failing_since, slow_until)
            standing = await attempts.record(tx, attempt, verdict)
            if not standing.enabled or standing.updated_at != self.endpoint.updated_at:
                # Somebody has disabled or changed it meanwhile: what is sent now is sent as it is now.
                self.over = True
            elif verdict.trouble is not None:
                self.woken |= await self._disable(tx, tried, verdict.trouble, verdict.failing_since)
                self.over = True
        self.world.measures.delivered(_ending(tried, verdict), came.seconds)
        self.over |= slow
        self.troubled |= not tried.delivered

    async def _disable(
        self, tx: AsyncConnection, tried: Tried, trouble: DisabledReason, since: datetime | None
    ) -> set[str]:
        """Send nothing more there, and tell the tenant wherever else it listens."""
        here = self.endpoint
        await attempts.disable(tx, here.id, trouble, tried.at)
        deed = audit.Deed(
            tenant_id=here.tenant_id,
            actor="courier",
            action="endpoint.disabled",
            resource=here.id,
            at=tried.at,
            failure=trouble.value,
        )
        await audit.record(tx, deed)
        told = disabled_announcement(here.id, here.url, trouble, since, tried.status)
        return set(await events.announce(tx, here.tenant_id, [told], tried.at))


def _ending(tried: Tried, verdict: Verdict) -> str:
    if tried.delivered:
        return "delivered"
    return "gave_up" if verdict.next_at is None else "failed"
