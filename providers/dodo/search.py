"""What Dodo has of ours already, found without keys: by the checkout's name, or by ours in the metadata."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from domain.errors import OutcomeUnknown, ProviderNotFound, ProviderRejected, ProviderUnavailable
from domain.refund import Refund
from domain.values import minted_at
from providers.dodo import words
from providers.dodo.wire import PER_PAGE, Call, Thing, answered, every
from providers.dodo.words import Hearing

if TYPE_CHECKING:
    from dodopayments import AsyncDodoPayments

# An order's payment is begun while its checkout lives, which is a day. Their clock may be behind ours.
_BEGUN_WITHIN: Final = timedelta(days=3)
_SKEW: Final = timedelta(minutes=5)
# What was charged without a checkout goes by the payment's own name.
_PAYMENT_NAME: Final = "pay_"


@dataclass(frozen=True)
class Search:
    api: "AsyncDodoPayments"

    async def behind(self, reference: str) -> tuple[Thing, Thing | None]:
        """A checkout, and its payment if it has one. Raises ``ProviderNotFound`` when there is no such."""
        if reference.startswith(_PAYMENT_NAME):
            payment = await self._payment(reference)
            return payment, payment
        session = await answered(self.api.checkout_sessions.with_raw_response.retrieve(reference))
        if "payment_id" not in session and session.get("id") != reference:
            # What is no checkout must not pass for one that captured nothing.
            raise OutcomeUnknown("dodo: the answer is no checkout")
        if session.get("payment_id") is None:
            return session, None
        try:
            return session, await self._payment(text(session, "payment_id"))
        except ProviderNotFound as error:
            raise ProviderUnavailable("dodo names a payment that it does not know") from error

    async def payment_of(self, payment_id: str, hearing: Hearing) -> Thing | None:
        """What of their payments is for this one of ours; None when there positively is none."""
        try:
            minted = minted_at(payment_id)
        except ValueError as error:
            raise ProviderRejected("dodo: this is no payment of ours") from error

        def ask(page: int) -> Call:
            return self.api.payments.with_raw_response.list(
                created_at_gte=minted - _SKEW,
                created_at_lte=minted + _BEGUN_WITHIN,
                page_number=page,
                page_size=PER_PAGE,
            )

        mine = [each async for each in every(ask) if _whose(each, words.PAYMENT) == payment_id]
        if not mine:
            return None
        return await self._payment(text(words.most_telling(mine, hearing), "payment_id"))

    async def refunded(self, refund: Refund, hearing: Hearing) -> Thing | None:
        """The payment that a refund gives back; None when its checkout captured nothing."""
        try:
            return (await self.behind(refund.checkout_reference))[1]
        except ProviderNotFound:
            # Nobody promises that a checkout outlives its day.
            return await self.payment_of(refund.payment_id, hearing)

    async def just_begun(self, name: str) -> Thing:
        """A payment that was made a moment ago. Raises ``OutcomeUnknown`` when it cannot be read."""
        try:
            return await self._payment(name)
        except (ProviderRejected, ProviderUnavailable) as error:
            raise OutcomeUnknown("dodo took the charge, and does not say what became of it") from error

    async def whole_refund(self, entry: Any) -> Thing:
        """A refund with its metadata, which entries of lists lack; what is none stays as it is."""
        if isinstance(entry, dict) and "metadata" not in entry and "refund_id" in entry:
            return await answered(self.api.refunds.with_raw_response.retrieve(text(entry, "refund_id")))
        return cast("Thing", entry)

    async def _payment(self, name: str) -> Thing:
        return await answered(self.api.payments.with_raw_response.retrieve(name))


def _whose(each: Thing, name: str) -> str | None:
    """What we called it; what does not say whose it is cannot be passed over as somebody else's."""
    if "metadata" not in each:
        raise OutcomeUnknown("dodo: an entry of a list does not tell whose it is")
    return words.named(each, name)


def text(said: Thing, name: str) -> str:
    found = said.get(name)
    if not isinstance(found, str) or not found:
        raise OutcomeUnknown(f"dodo: the answer has no {name}")
    return found
