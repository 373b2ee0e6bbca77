"""Stripe's lists: newest first, paged by the id of the object one has seen last."""

from collections.abc import Iterator
from typing import Any

from sandbox.charges import Charge
from sandbox.checkout import Session
from sandbox.dialects import Shown
from sandbox.disputes import Dispute
from sandbox.errors import Refused
from sandbox.faces import stripe_objects as objects
from sandbox.faces import stripe_regulars as regulars
from sandbox.faces.stripe_forms import Lookup
from sandbox.faces.stripe_words import STRIPE, now
from sandbox.refunds import Refund
from sandbox.store import Query, R
from sandbox.world import World

# What each list may be narrowed by, beside time and place.
_FILTERS = {
    "checkout.session": ("payment_intent", "status"),
    "payment_intent": (),
    "refund": ("payment_intent", "charge"),
    "dispute": ("payment_intent", "charge"),
}


def listing(world: World, account: str, kind: str, lookup: Lookup) -> dict[str, Any]:
    """Lay out one page of an account's objects of a kind."""
    for name in ("status", "payment_intent", "charge"):
        if getattr(lookup, name) is not None and name not in _FILTERS[kind]:
            raise Refused(400, "parameter_unknown", f"Received unknown parameter: {name}", name)
    items = [item for item in _all(world, account, kind) if _belongs(item, kind, lookup)]
    page, more = _page(items, lookup)
    return {"object": "list", "data": page, "has_more": more}


def _all(world: World, account: str, kind: str) -> Iterator[Shown]:
    if kind == "checkout.session":
        yield from (objects.session(one) for one in _records(world, Session, account))
    elif kind == "payment_intent":
        # A payer may come late: intents are younger than their sessions, and not in the same order.
        tried = [objects.intent(one) for one in _records(world, Session, account) if one.attempted_at]
        tried += [regulars.intent(one) for one in _records(world, Charge, account)]
        yield from sorted(tried, key=lambda item: -item["created"])
    elif kind == "refund":
        yield from (objects.refund(one) for one in _records(world, Refund, account))
    else:
        yield from (objects.dispute(one, now(world)) for one in _records(world, Dispute, account))


def _records(world: World, kind: type[R], account: str) -> Iterator[R]:
    for record in reversed(world.store.all(kind, Query(account=account))):
        if record.dialect == STRIPE.NAME:
            yield record


def _belongs(item: Shown, kind: str, lookup: Lookup) -> bool:
    return lookup.fits(item["created"]) and all(
        getattr(lookup, name) in {None, item[name]} for name in _FILTERS[kind]
    )


def _page(items: list[Shown], lookup: Lookup) -> tuple[list[Shown], bool]:
    if lookup.ending_before is not None:
        end = _place(items, lookup.ending_before, "ending_before")
        start = max(0, end - lookup.limit)
        return items[start:end], start > 0
    start = 0
    if lookup.starting_after is not None:
        start = _place(items, lookup.starting_after, "starting_after") + 1
    end = start + lookup.limit
    return items[start:end], end < len(items)


def _place(items: list[Shown], identity: str, param: str) -> int:
    for place, item in enumerate(items):
        if item["id"] == identity:
            return place
    raise Refused(400, "not_found", f"{param} names nothing in this list", param)
