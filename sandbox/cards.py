"""The test cards: what each number does. A full number is looked at once and never kept."""

from dataclasses import dataclass
from typing import Literal

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


SUCCESS = Scenario("success", "succeed")
BANK_SUCCEEDS = Scenario("bank_succeeds", "bank")
BANK_FAILS = Scenario("bank_fails", "bank", "bank_refused")
INVALID = Scenario("invalid_number", "decline", "invalid_number")
REFUSED_BY_PAYER = Scenario("authentication_failed", "decline", "authentication_failed")
PLAIN_DECLINE = Scenario("card_declined", "decline", "card_declined")

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
    "4000000000000341": Scenario("charge_declined", "decline", "card_declined"),
    "4000002500003155": Scenario("challenge", "challenge"),
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


@dataclass(frozen=True, slots=True)
class Card:
    """A card as far as it may be remembered."""

    last4: str
    scenario: Scenario


def read(number: str) -> Card:
    """Recognise a typed number, spaces and dashes allowed; an unknown one is declined as invalid."""
    digits = number.replace(" ", "").replace("-", "").replace("\u00a0", "")
    scenario = _NUMBERS.get(digits, INVALID)
    return Card(digits[-4:] if scenario is not INVALID else "", scenario)


def remembered(last4: str, scenario: str) -> Card:
    """Bring back a card that was kept by its last four digits and its scenario."""
    return Card(last4, _BY_NAME[scenario])
