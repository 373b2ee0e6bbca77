# Derived from _async/outbound.py by client/derive.py: change that one.
"""Webhooks out: the endpoints they go to, each delivery, and the log of all events."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from paysaga_client._sync.paging import by_cursor, by_sequence
from paysaga_client._sync.session import Session
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


class WebhookEndpoints:
    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self, url: str, *, events: Sequence[str] | None = None, description: str | None = None
    ) -> WebhookEndpointWithSecret:
        """An endpoint for these types of events, or for all. Its secret is shown here and never again."""
        call = Call(
            "POST", "/v1/webhook-endpoints", body=members(url=url, events=events, description=description)
        )
        return self._session.ask(call, WebhookEndpointWithSecret)

    def get(self, endpoint_id: str) -> WebhookEndpoint:
        return self._session.ask(Call("GET", path("/v1/webhook-endpoints/{}", endpoint_id)), WebhookEndpoint)

    def list(self) -> tuple[WebhookEndpoint, ...]:
        return (self._session.ask(Call("GET", "/v1/webhook-endpoints"), Page[WebhookEndpoint])).data

    def update(
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
        return self._session.ask(call, WebhookEndpoint)

    def delete(self, endpoint_id: str) -> None:
        self._session.fetch(Call("DELETE", path("/v1/webhook-endpoints/{}", endpoint_id)))

    def rotate_secret(self, endpoint_id: str, *, overlap_seconds: int | None = None) -> RotatedSecret:
        """A new secret; the present one signs as well for the overlap, a day unless another is named."""
        call = Call(
            "POST",
            path("/v1/webhook-endpoints/{}/rotate-secret", endpoint_id),
            body=members(overlap_seconds=overlap_seconds),
        )
        return self._session.ask(call, RotatedSecret)

    def test(self, endpoint_id: str) -> Delivery:
        """Send an ``endpoint.test`` there, and nowhere else."""
        call = Call("POST", path("/v1/webhook-endpoints/{}/test", endpoint_id), body={})
        return self._session.ask(call, Delivery)

    def deliveries(
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
        return self._session.ask(call, Page[Delivery])

    def iterate_deliveries(
        self, endpoint_id: str, *, status: DeliveryStatus | None = None, event_type: str | None = None
    ) -> Iterator[Delivery]:
        query = {"status": status, "event_type": event_type}
        call = Call("GET", path("/v1/webhook-endpoints/{}/deliveries", endpoint_id), query)
        return by_cursor(self._session, call, Page[Delivery])

    def recover(self, endpoint_id: str, since: datetime) -> Recovery:
        """Send what did not arrive since then again, and what it was never sent. Repeating it is harmless."""
        call = Call(
            "POST",
            path("/v1/webhook-endpoints/{}/recover", endpoint_id),
            body=members(since=since),
            harmless=True,
        )
        return self._session.ask(call, Recovery)


class Deliveries:
    """Deliveries of one event to one endpoint, with each try."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, delivery_id: str) -> Delivery:
        return self._session.ask(Call("GET", path("/v1/deliveries/{}", delivery_id)), Delivery)

    def redeliver(self, delivery_id: str) -> Delivery:
        """Send it again at once, under the same ``event_id``."""
        call = Call("POST", path("/v1/deliveries/{}/redeliver", delivery_id), harmless=True)
        return self._session.ask(call, Delivery)


class Events:
    """Everything that was ever told, in order and without gaps: for whoever missed some webhooks."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, event_id: str) -> Event:
        return self._session.ask(Call("GET", path("/v1/events/{}", event_id)), Event)

    def list(self, *, after: int = 0, type: str | None = None, limit: int | None = None) -> Page[Event]:
        """One page of the events after this ``sequence``, oldest first; 0 is the start."""
        call = Call("GET", "/v1/events", {"type": type, "after": after, "limit": limit})
        return self._session.ask(call, Page[Event])

    def iterate(self, *, after: int = 0, type: str | None = None) -> Iterator[Event]:
        """All events after this ``sequence``, oldest first. Keep the last one's to go on from there."""
        return by_sequence(self._session, Call("GET", "/v1/events", {"type": type}), after)
