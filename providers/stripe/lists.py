"""Stripe's lists: what was made when, page by page, and what of it is ours.

Stripe finds no session and no payment intent by our name: those made around our id's own moment are gone
through.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import stripe

from domain.dispute import DisputeObservation
from domain.evidence import Channel, Observation
from domain.reconciliation import Listed, Page, Subject, Window
from domain.refund import RefundObservation
from providers.base import ILLEGIBLE, unread
from providers.stripe import requests, words
from providers.stripe.sdk import ask, entries, first
from providers.stripe.words import Said

T = TypeVar("T")

# The second stretch is for orders that waited long for Stripe to be there.
_MADE_WITHIN: Final = (
    (-timedelta(minutes=5), timedelta(minutes=30)),
    (timedelta(minutes=30), timedelta(hours=25)),
)
_SESSIONS: Final = "/v1/checkout/sessions"
_INTENTS: Final = "/v1/payment_intents"
_REFUNDS: Final = "/v1/refunds"
_DISPUTES: Final = "/v1/disputes"
# What a page holds must fit into one answer: sessions carry metadata, and disputes all of their evidence.
_LIMITS: Final = {_SESSIONS: 50, _INTENTS: 50, _REFUNDS: 100, _DISPUTES: 30}
_ELSEWHERE: Final = {Subject.REFUND: _REFUNDS, Subject.DISPUTE: _DISPUTES}


@dataclass(frozen=True)
class Lists:
    client: stripe.StripeClient

    async def made(self, payment_id: str) -> str | None:
        """Stripe's name of the session, or of the charge, that is for this payment of ours; None: of none."""
        minted = requests.minted(payment_id)
        for since, until in _MADE_WITHIN:
            made = {"created": requests.made_in(minted + since, minted + until)}
            found = await self._first(_SESSIONS, made, _name_where(_sold, payment_id))
            found = found or await self._first(_INTENTS, made, _name_where(_charged, payment_id))
            if found is not None:
                return found
        return None

    async def refund_of(self, capture: str, reader: Callable[[Said], T | None]) -> T | None:
        """What ``reader`` knows of the refunds of a capture."""
        return await self._first(_REFUNDS, {"payment_intent": capture}, reader)

    async def books(self, subject: Subject, window: Window, cursor: str | None, now: datetime) -> Page:
        """A page of what was made in this time. Payments are checkouts first, and then our own charges."""
        made: Mapping[str, object] = {"created": requests.made_in(window.since, window.until)}
        if subject is not Subject.PAYMENT:
            return await self._page(_ELSEWHERE[subject], made, cursor, lambda it: listed(subject, it, now))
        if cursor is not None and words.names_charge(cursor):
            return await self._page(_INTENTS, made, cursor, lambda it: _listed_charge(it, now))
        complete = {**made, "status": "complete"}
        sold = await self._page(_SESSIONS, complete, cursor, lambda it: listed(subject, it, now))
        if sold.next_cursor is not None:
            return sold
        charged = await self._page(_INTENTS, made, None, lambda it: _listed_charge(it, now))
        return Page(items=sold.items + charged.items, next_cursor=charged.next_cursor)

    async def _page(
        self,
        path: str,
        wanted: Mapping[str, object],
        cursor: str | None,
        reader: Callable[[Any], Listed | None],
    ) -> Page:
        def read(said: Said) -> Page:
            found, after = entries(said)
            if after is not None and after == cursor:
                raise ValueError("the list goes round in circles")
            items = (reader(entry) for entry in found)
            return Page(items=tuple(item for item in items if item is not None), next_cursor=after)

        return await ask(self._list(path, wanted, cursor), read)

    async def _first(
        self, path: str, wanted: Mapping[str, object], reader: Callable[[Said], T | None]
    ) -> T | None:
        return await first(lambda cursor: self._list(path, wanted, cursor), reader)

    def _list(
        self, path: str, wanted: Mapping[str, object], cursor: str | None
    ) -> Awaitable[stripe.StripeResponse]:
        """A page, newest first, as it was sent: to make objects of it takes the SDK a tenth of a second."""
        after = {} if cursor is None else {"starting_after": cursor}
        return self.client.raw_request_async("get", path, **wanted, limit=_LIMITS[path], **after)


def _name_where(whose: Callable[[Said], object], payment_id: str) -> Callable[[Said], str | None]:
    return lambda said: words.needed(said, "id") if whose(said) == payment_id else None


def _sold(session: Said) -> object:
    return session["client_reference_id"]


def _charged(intent: Said) -> str | None:
    """Checkouts have payment intents of our name, too."""
    return words.noted(intent, words.PAYMENT) if _is_charge(intent) else None


def _is_charge(intent: Said) -> bool:
    """Raises for an entry that does not show its notes, as all do: it may be anybody's, and so ours."""
    if not isinstance(intent["metadata"], Mapping):
        raise TypeError("these notes cannot be read")
    return words.is_charge(intent)


def listed(subject: Subject, item: Any, now: datetime) -> Listed | None:
    """One entry of a list; None for a checkout that brought no money.

    What cannot be read must not keep the others from being compared.
    """
    try:
        if subject is Subject.PAYMENT and (item["mode"] != "payment" or item["payment_status"] != "paid"):
            return None
        cause = _cause(item, now)
        said: Observation | RefundObservation | DisputeObservation
        reference: str | None
        if subject is Subject.PAYMENT:
            said = words.checkout(item, Channel.READ, cause, now)
            reference = words.needed({"capture": said.capture}, "capture")
        else:
            said = (
                words.refund(item, cause, now)
                if subject is Subject.REFUND
                else words.dispute(item, cause, now)
            )
            reference = said.reference
        return Listed(subject=subject, reference=reference, made_at=words.moment(item["created"]), said=said)
    except ILLEGIBLE:
        return _unread(subject, item)


def _listed_charge(item: Any, now: datetime) -> Listed | None:
    """One payment intent; None for a checkout's, and for a charge that brought no money."""
    try:
        if not _is_charge(item) or item["status"] != "succeeded":
            return None
        said = words.charge(item, Channel.READ, _cause(item, now), now)
        made_at = words.moment(item["created"])
        return Listed(subject=Subject.PAYMENT, reference=said.reference, made_at=made_at, said=said)
    except ILLEGIBLE:
        return _unread(Subject.PAYMENT, item)


def _cause(item: Said, now: datetime) -> str:
    return f"listed:{now.isoformat()}:{item['id']}"


def _unread(subject: Subject, item: object) -> Listed:
    return unread(subject, item.get("id") if isinstance(item, Mapping) else None)
