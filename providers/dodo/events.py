"""What Dodo's webhooks tell. Pure.

Decided on the object, never on an event's name: they keep no order and show the state at delivery. But what
happened when is told by the event: words that are put in that order end with the latest state.
"""

from providers.base import Heard, legible
from providers.dodo import billing, words
from providers.dodo.wire import Thing
from providers.dodo.words import Hearing


@legible
def told(event: Thing, hearing: Hearing) -> Heard | None:
    """What an event says; None for what is none of ours."""
    data = event["data"]
    # What kind of thing it is may be read off the name, where the thing does not say; how it stands never.
    kind = data.get("payload_type") or str(event.get("type")).partition(".")[0].capitalize()
    if kind == "Payment":
        return billing.bill_said(data, hearing) if words.is_bill(data) else words.payment_said(data, hearing)
    if kind == "Subscription":
        happened = words.instant_or_none(event.get("timestamp"))
        return billing.subscription_said(data, hearing).model_copy(update={"told_at": happened})
    if kind == "Refund":
        return words.refund_said(data, hearing)
    return words.dispute_said(data, hearing) if kind == "Dispute" else None
