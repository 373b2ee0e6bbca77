"""Carries events to a tenant's endpoint, signed as Standard Webhooks 1.0.0 has it.

Delivery is at least once: an answer that was lost is asked for again, with the same id and the same bytes.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import httpx
from temporalio import activity

from activities.outbound import read_capped
from activities.world import World
from domain.endpoint import Endpoint
from domain.errors import Refusal
from domain.events import backoff, body
from domain.signatures import sign
from domain.values import Message
from storage import deliveries, endpoints

_AT_A_TIME: Final = 4
_PER_ROUND: Final = 40
_PATIENCE_SECONDS: Final = 15
_ANSWER_LIMIT: Final = 16 * 1024


class Round(Message):
    """Whose post is carried where."""

    tenant_id: str
    endpoint_id: str


class CourierActivities:
    def __init__(self, world: World) -> None:
        self._world = world

    @activity.defn
    async def carry(self, errand: Round) -> datetime | None:
        """Send what is due to this endpoint, and say when the next is; None when nothing waits."""
        world = self._world
        async with world.database.tenant(errand.tenant_id) as tx:
            found = await endpoints.unlock(tx, world.vault, errand.endpoint_id, world.clock())
            if found is None or not found[0].enabled:
                return None
            waiting = await deliveries.due(tx, errand.endpoint_id, world.clock(), _PER_ROUND)
        endpoint, (secret, *_) = found
        hands = asyncio.Semaphore(_AT_A_TIME)

        async def deliver(delivery: deliveries.Delivery) -> None:
            async with hands:
                attempt = await self._attempt(endpoint, secret, delivery)
            async with world.database.tenant(errand.tenant_id) as tx:
                await deliveries.record_attempt(tx, attempt)
            activity.heartbeat()

        async with asyncio.TaskGroup() as group:
            for delivery in waiting:
                group.create_task(deliver(delivery))
        async with world.database.tenant(errand.tenant_id) as tx:
            return await deliveries.next_due(tx, errand.endpoint_id)

    async def _attempt(
        self, endpoint: Endpoint, secret: str, delivery: deliveries.Delivery
    ) -> deliveries.Attempt:
        event = delivery.event
        content = body(event, sandbox=endpoint.sandbox)
        sent_at = self._world.clock()
        stamp = int(sent_at.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "Paysaga",
            "webhook-id": event["id"],
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(secret, event["id"], stamp, content),
        }
        status, error, asked_for = await self._post(endpoint.url, headers, content)
        delivered = status is not None and 200 <= status < 300
        number = delivery.attempts + 1
        now = self._world.clock()
        pause = None if delivered else backoff(delivery.id, number, asked_for)
        return deliveries.Attempt(
            delivery_id=delivery.id,
            number=number,
            delivered=delivered,
            status=status,
            error=error,
            at=now,
            next_at=None if pause is None else now + self._world.scaled(pause),
        )

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int | None, str | None, timedelta | None]:
        """The status, or why there is none, and how long the receiver wants to be left alone."""
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                self._world.courier_http.stream("POST", url, headers=headers, content=body) as answer,
            ):
                await read_capped(answer, _ANSWER_LIMIT)
        except TimeoutError:
            return None, f"no answer within {_PATIENCE_SECONDS} s", None
        except (httpx.HTTPError, httpx.InvalidURL, Refusal, OSError) as error:
            return None, type(error).__name__, None
        asked = answer.headers.get("retry-after", "")
        wanted = (
            timedelta(seconds=int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 8 else None
        )
        return answer.status_code, None, wanted
