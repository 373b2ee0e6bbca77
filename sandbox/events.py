"""Telling accounts what happened: an event and its deliveries join the transaction that caused them."""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from sandbox import dialects, faults
from sandbox.clock import to_microseconds
from sandbox.dialects import Event
from sandbox.store import Query, Record, new_id
from sandbox.world import World

Follower = Callable[[World, Record], None]
LAST = "last"
"""The trick of a delivery that waits for those before it."""
_TRICKS = frozenset({"badSignature", "staleTimestamp", "reorder"})
_DELAYS = {"late": 5.0, "reorder": 10.0}


class WebhookEndpoint(Record):
    """An address that an account chose for its webhooks."""

    KIND: ClassVar[str] = "webhook_endpoint"
    PRIVATE: ClassVar[frozenset[str]] = frozenset({"secret", "reference"})

    url: str
    secret: str


_FOLLOWERS: dict[str, list[Follower]] = {}


def follows(kind: str) -> Callable[[Follower], Follower]:
    """Name a function that goes on from what happened, inside the transaction that caused it."""

    def register(function: Follower) -> Follower:
        _FOLLOWERS.setdefault(kind, []).append(function)
        return function

    return register


def emit(world: World, kind: str, record: Record, *, after_all: bool = False) -> None:
    """Tell a record's account, in its dialect, what happened. Call inside the causing transaction.

    With ``after_all``, it leaves when everything that was due before it was tried once.
    """
    dialect = dialects.of(record)
    tellings = dialect.tellings(world, kind, record)
    # One happening, one set of faults, in however many webhooks a company tells it.
    rules = faults.for_webhook(world, record.account, record.reference) if tellings else ()
    for told, shown in tellings:
        event = Event(
            id=new_id("evt"),
            account=record.account,
            reference=record.reference,
            created_at=world.clock.real(),
            dialect=record.dialect,
            type=told,
            data=shown,
            subject=record.id,
            spoils=tuple(rule.fault for rule in rules),
        )
        world.store.insert(event)
        _send(world, event, rules, LAST if after_all else None)
    for follower in _FOLLOWERS.get(kind, ()):
        follower(world, record)


def _send(world: World, event: Event, rules: tuple[faults.Rule, ...], place: str | None) -> None:
    if "lost" in event.spoils:
        return
    dialect, shown = dialects.of(event), event.data
    for name in event.spoils:
        shown = dialect.distort(shown, name)
    delay = max((rule.seconds or _DELAYS[rule.fault] for rule in rules if rule.fault in _DELAYS), default=0.0)
    trick = next((name for name in event.spoils if name in _TRICKS), place)
    for _ in range(2 if "duplicate" in event.spoils else 1):
        post(world, event, dialect.letter(event, shown), delay=delay, trick=trick)


def post(world: World, event: Event, body: str, *, delay: float = 0, trick: str | None = None) -> None:
    """Put a webhook into the outbox for each of the account's addresses. Call inside a transaction."""
    due_us = to_microseconds(world.clock.real() + timedelta(seconds=delay))
    world.store.sql.executemany(
        "INSERT INTO deliveries (event, account, reference, endpoint, url, body, trick, due_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (event.id, event.account, event.reference, endpoint, url, body, trick, due_us)
            for endpoint, url in _addresses(world, event)
        ],
    )
    world.mail.set()


def _addresses(world: World, event: Event) -> list[tuple[str | None, str]]:
    own = world.store.all(WebhookEndpoint, Query(account=event.account))
    if own:
        return [(endpoint.id, endpoint.url) for endpoint in own]
    template = world.config.webhook_url
    if not template:
        return []
    return [(None, template.replace("{account}", event.account).replace("{provider}", event.dialect))]
