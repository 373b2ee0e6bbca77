"""How payments end, in words of a closed set: what is counted for everybody must not grow with what is said.

A payment's own failure code is the company's word and stays with it; here it is one that we know, or "other".
"""

from typing import Final

from domain.dunning import HARD

SUCCEEDED: Final = "succeeded"
OTHER: Final = "other"
OVER: Final = ("expired", "cancelled")
"""It ended without anybody having refused it."""
KNOWN: Final = HARD | {
    "amount_mismatch",
    "card_declined",
    "card_not_supported",
    "currency_unsupported",
    "do_not_honor",
    "generic_decline",
    "incorrect_cvc",
    "insufficient_funds",
    "processing_error",
    "provider_misconfigured",
    "provider_unavailable",
    "refunded_in_review",
    "temporarily_unavailable",
    "transaction_not_allowed",
    "withdrawal_count_limit_exceeded",
}
"""Failure codes of ours and of the companies that have a count of their own."""
REASONS: Final = (*OVER, *sorted(KNOWN), OTHER)
"""All that a payment which did not succeed can be counted under."""
ENDINGS: Final = ("payment.succeeded", "payment.failed", *(f"payment.{way}" for way in OVER))
"""The deeds of the audit trail that end a payment; late money may end one a second time."""
