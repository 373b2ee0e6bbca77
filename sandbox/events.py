"""Telling accounts what happened: an event and its deliveries join the transaction that caused them."""

import json
from datetime import timedelta
from typing import Any, ClassVar, Literal

from sandbox import faults
from sandbox.clock import to_microseconds
from sandbox.store import Query, Record, new_id
from sandbox.world import World

_TRICKS = frozenset({"badSignature", "staleTimestamp", "reorder"})
_DELAYS = {"late": 5.0, "reorder": 10.0}


class Event(Record):
    """Something that happened, with the object as it was just then."""

    KIND: ClassVar[str] = "event"

    type: str
    mode: Literal["test"] = "test"
    data: dict[str, Any]

    def payload(self, data: dict[str, Any]) -> str:
        """Write the body of a webhook."""
        fields = self.model_dump(mode="json", include={"id", "type", "created_at", "account", "mode"})
        return json.dumps({**fields, "data": data}, ensure_ascii=False, separators=(",", ":"))


class WebhookEndpoint(Record):
    """An address that an account chose for its webhooks."""

    KIND: ClassVar[str] = "webhook_endpoint"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"secret", "reference"})

    url: str
    secret: str


def emit(world: World, kind: str, record: Record) -> Event:
    """Record an event about a record and post it to the account. Call inside the causing transaction."""
    event = Event(
        id=new_id("evt"),
        account=record.account,
        reference=record.reference,
        created_at=world.clock.real(),
        type=kind,
        data=record.wire(),
    )
    world.store.insert(event)
    rules = faults.for_webhook(world, record.account, record.reference)
    names = [rule.fault for rule in rules]
    if "lost" in names:
        return event
    data = event.data
    for name in names:
        data = faults.distort(data, name)
    delay = max((rule.seconds or _DELAYS[rule.fault] for rule in rules if rule.fault in _DELAYS), default=0.0)
    trick = next((name for name in names if name in _TRICKS), None)
    for _ in range(2 if "duplicate" in names else 1):
        post(world, event, event.payload(data), delay=delay, trick=trick)
    return event


def post(world: World, event: Event, body: str, *, delay: float = 0, trick: str | None = None) -> None:
    """Put a webhook into the outbox for each of the account's addresses. Call inside a transaction."""
    due_us = to_microseconds(world.clock.real() + timedelta(seconds=delay))
    world.store.sql.executemany(
        "INSERT INTO deliveries (event, account, reference, endpoint, url, body, trick, due_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (event.id, event.account, event.reference, endpoint, url, body, trick, due_us)
            for endpoint, url in _addresses(world, event.account)
        ],
    )
    world.mail.set()


def _addresses(world: World, account: str) -> list[tuple[str | None, str]]:
    own = world.store.all(WebhookEndpoint, Query(account=account))
    if own:
        return [(endpoint.id, endpoint.url) for endpoint in own]
    template = world.config.webhook_url
    return [(None, template.replace("{account}", account))] if template else []
