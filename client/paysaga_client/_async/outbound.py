"""Webhooks out: the endpoints they go to, each delivery, and the log of all events."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from paysaga_client._async.paging import by_cursor, by_sequence
from paysaga_client._async.session import AsyncSession
from paysaga_client.models.base import UNSET, Page, Unset
from paysaga_client.models.outbound import (
    Delivery,
    DeliveryStatus,
    EndpointStatus,
    Event,
    Recovery,
    RotatedSecret,
    WebhookEndpoint,
    WebhookEndpointWithSecret,
)
from paysaga_client.wire import Call, changes, members, path


class AsyncWebhookEndpoints:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self, url: str, *, events: Sequence[str] | None = None, description: str | None = None
    ) -> WebhookEndpointWithSecret:
        """An endpoint for these types of events, or for all. Its secret is shown here and never again."""
        call = Call(
            "POST", "/v1/webhook-endpoints", body=members(url=url, events=events, description=description)
        )
        return await self._session.ask(call, WebhookEndpointWithSecret)

    async def get(self, endpoint_id: str) -> WebhookEndpoint:
        return await self._session.ask(
            Call("GET", path("/v1/webhook-endpoints/{}", endpoint_id)), WebhookEndpoint
        )

    async def list(self) -> tuple[WebhookEndpoint, ...]:
        return (await self._session.ask(Call("GET", "/v1/webhook-endpoints"), Page[WebhookEndpoint])).data

    async def update(
        self,
        endpoint_id: str,
        *,
        url: str | Unset = UNSET,
        events: Sequence[str] | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        status: EndpointStatus | Unset = UNSET,
    ) -> WebhookEndpoint:
        """Change what is named. To enable it again sends the backlog that was kept."""
        call = Call(
            "PATCH",
            path("/v1/webhook-endpoints/{}", endpoint_id),
            body=changes(url=url, events=events, description=description, status=status),
            harmless=True,
        )
        return await self._session.ask(call, WebhookEndpoint)

    async def delete(self, endpoint_id: str) -> None:
        await self._session.fetch(Call("DELETE", path("/v1/webhook-endpoints/{}", endpoint_id)))

    async def rotate_secret(self, endpoint_id: str, *, overlap_seconds: int | None = None) -> RotatedSecret:
        """A new secret; the present one signs as well for the overlap, a day unless another is named."""
        call = Call(
            "POST",
            path("/v1/webhook-endpoints/{}/rotate-secret", endpoint_id),
            body=members(overlap_seconds=overlap_seconds),
        )
        return await self._session.ask(call, RotatedSecret)

    async def test(self, endpoint_id: str) -> Delivery:
        """Send an ``endpoint.test`` there, and nowhere else."""
        call = Call("POST", path("/v1/webhook-endpoints/{}/test", endpoint_id), body={})
        return await self._session.ask(call, Delivery)

    async def deliveries(
        self,
        endpoint_id: str,
        *,
        status: DeliveryStatus | None = None,
        event_type: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        """One page of what was sent there, newest first."""
        query = {"status": status, "event_type": event_type, "limit": limit, "cursor": cursor}
        call = Call("GET", path("/v1/webhook-endpoints/{}/deliveries", endpoint_id), query)
        return await self._session.ask(call, Page[Delivery])

    def iterate_deliveries(
        self, endpoint_id: str, *, status: DeliveryStatus | None = None, event_type: str | None = None
    ) -> AsyncIterator[Delivery]:
        query = {"status": status, "event_type": event_type}
        call = Call("GET", path("/v1/webhook-endpoints/{}/deliveries", endpoint_id), query)
        return by_cursor(self._session, call, Page[Delivery])

    async def recover(self, endpoint_id: str, since: datetime) -> Recovery:
        """Send what did not arrive since then again, and what it was never sent. Repeating it is harmless."""
        call = Call(
            "POST",
            path("/v1/webhook-endpoints/{}/recover", endpoint_id),
            body=members(since=since),
            harmless=True,
        )
        return await self._session.ask(call, Recovery)


class AsyncDeliveries:
    """Deliveries of one event to one endpoint, with each try."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, delivery_id: str) -> Delivery:
        return await self._session.ask(Call("GET", path("/v1/deliveries/{}", delivery_id)), Delivery)

    async def redeliver(self, delivery_id: str) -> Delivery:
        """Send it again at once, under the same ``event_id``."""
        call = Call("POST", path("/v1/deliveries/{}/redeliver", delivery_id), harmless=True)
        return await self._session.ask(call, Delivery)


class AsyncEvents:
    """Everything that was ever told, in order and without gaps: for whoever missed some webhooks."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, event_id: str) -> Event:
        return await self._session.ask(Call("GET", path("/v1/events/{}", event_id)), Event)

    async def list(self, *, after: int = 0, type: str | None = None, limit: int | None = None) -> Page[Event]:
        """One page of the events after this ``sequence``, oldest first; 0 is the start."""
        call = Call("GET", "/v1/events", {"type": type, "after": after, "limit": limit})
        return await self._session.ask(call, Page[Event])

    def iterate(self, *, after: int = 0, type: str | None = None) -> AsyncIterator[Event]:
        """All events after this ``sequence``, oldest first. Keep the last one's to go on from there."""
        return by_sequence(self._session, Call("GET", "/v1/events", {"type": type}), after)
