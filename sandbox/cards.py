"""The test cards: what each number does. A full number is looked at once and never kept."""

from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["succeed", "decline", "challenge", "bank"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens when somebody pays with a certain number."""

    name: str
    outcome: Outcome
    decline: str = ""
    """Why it fails, at once or (for a bank payment) in the end."""
    disputed: bool = False
    refunds: Literal["at_once", "pending", "bounce"] = "at_once"
    later: str = ""
    """Once it is kept: why each charge is declined that is made without the payer."""
    relents_after: int = 0
    """How many such charges are declined before they succeed; 0: all of them are."""


SUCCESS = Scenario("success", "succeed")
BANK_SUCCEEDS = Scenario("bank_succeeds", "bank")
BANK_FAILS = Scenario("bank_fails", "bank", "bank_refused")
INVALID = Scenario("invalid_number", "decline", "invalid_number")
REFUSED_BY_PAYER = Scenario("authentication_failed", "decline", "authentication_failed")
PLAIN_DECLINE = Scenario("card_declined", "decline", "card_declined")
ASKS_EACH_TIME = Scenario("asks_each_time", "challenge", later="authentication_required")
DECLINES: Final = {
    "card_declined": "the bank declined the card",
    "insufficient_funds": "there is not enough money on the card",
    "lost_card": "the card was reported lost",
    "stolen_card": "the card was reported stolen",
    "expired_card": "the card has expired",
    "incorrect_cvc": "the security code is wrong",
    "processing_error": "the card could not be processed",
    "invalid_number": "this is not one of the test card numbers",
    "authentication_failed": "the cardholder did not approve the payment",
    "authentication_required": "the cardholder must be there and approve the payment",
    "bank_refused": "the bank refused the transfer",
    "not_keepable": "this way of paying cannot be kept",
}
"""Every reason to decline, with what is said of it."""


def _dunning(name: str, reason: str, relents_after: int = 0) -> Scenario:
    return Scenario(name, "decline", reason, later=reason, relents_after=relents_after)


_NUMBERS = {
    "4242424242424242": SUCCESS,
    "5555555555554444": SUCCESS,
    "4000000000000002": PLAIN_DECLINE,
    "4000000000009995": Scenario("insufficient_funds", "decline", "insufficient_funds"),
    "4000000000009987": Scenario("lost_card", "decline", "lost_card"),
    "4000000000009979": Scenario("stolen_card", "decline", "stolen_card"),
    "4000000000000069": Scenario("expired_card", "decline", "expired_card"),
    "4000000000000127": Scenario("incorrect_cvc", "decline", "incorrect_cvc"),
    "4000000000000119": Scenario("processing_error", "decline", "processing_error"),
    "4000000000000341": _dunning("charge_declined", "card_declined"),
    "4000034100089995": _dunning("later_insufficient_funds", "insufficient_funds"),
    "4000034100089987": _dunning("later_lost_card", "lost_card"),
    "4000034100089979": _dunning("later_stolen_card", "stolen_card"),
    "4000034100080069": _dunning("later_expired_card", "expired_card"),
    "4000034100080002": _dunning("declined_twice", "card_declined", relents_after=2),
    "4000002500003155": Scenario("challenge", "challenge"),
    "4000002760003184": ASKS_EACH_TIME,
    "4000000000000259": Scenario("disputed", "succeed", disputed=True),
    "4000000000007726": Scenario("refund_pending", "succeed", refunds="pending"),
    "4000000000005126": Scenario("refund_bounces", "succeed", refunds="bounce"),
    "9000000000000001": BANK_SUCCEEDS,
    "9000000000000019": BANK_FAILS,
}
_BY_NAME = {scenario.name: scenario for scenario in _NUMBERS.values()}

SHOWN = (
    ("4242 4242 4242 4242", "succeeds"),
    ("4000 0025 0000 3155", "challenge"),
    ("4000 0000 0000 0002", "declined"),
    ("4000 0000 0000 9995", "insufficient"),
    ("4000 0000 0000 0069", "expired"),
    ("4000 0000 0000 0259", "disputed"),
    ("9000 0000 0000 0001", "bank_ok"),
    ("9000 0000 0000 0019", "bank_no"),
)
"""The numbers a payer is offered on the page, with the key of the sentence beside each."""
SHOWN_TO_KEEP = (
    ("4242 4242 4242 4242", "succeeds"),
    ("4000 0000 0000 0341", "later_declined"),
    ("4000 0341 0008 9995", "later_insufficient"),
    ("4000 0341 0008 9987", "later_lost"),
    ("4000 0341 0008 0069", "later_expired"),
    ("4000 0341 0008 0002", "later_twice"),
    ("4000 0027 6000 3184", "later_asks"),
    ("4000 0000 0000 0002", "declined"),
)
"""The numbers that are offered where a card is kept."""
_NETWORKS = {"4": "visa", "5": "mastercard"}


@dataclass(frozen=True, slots=True)
class Card:
    """A card as far as it may be remembered."""

    last4: str
    scenario: Scenario
    brand: str | None = None

    @property
    def keepable(self) -> bool:
        """Say whether it can be charged again: not what is declined as such, nor a bank transfer."""
        return bool(self.scenario.later) or self.scenario.outcome in {"succeed", "challenge"}


def read(number: str) -> Card:
    """Recognise a typed number, spaces and dashes allowed; an unknown one is declined as invalid."""
    digits = number.replace(" ", "").replace("-", "").replace("\u00a0", "")
    scenario = _NUMBERS.get(digits)
    if scenario is None:
        return Card("", INVALID)
    return Card(digits[-4:], scenario, _NETWORKS.get(digits[0]))


def remembered(last4: str, scenario: str, brand: str | None = None) -> Card:
    """Bring back a card that was kept by its last four digits and its scenario."""
    return Card(last4, _BY_NAME[scenario], brand)


_ASKING = {number[-4:]: scenario for number, scenario in _NUMBERS.items() if scenario.outcome == "challenge"}


def approved(last4: str) -> Card:
    """Give the card whose holder has just approved: it pays now, and may ask again later."""
    scenario = _ASKING[last4]
    return Card(last4, scenario if scenario.later else SUCCESS, "visa")
