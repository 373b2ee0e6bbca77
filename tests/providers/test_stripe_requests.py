"""What is asked of Stripe follows from the order alone, and keeps within Stripe's limits."""

from datetime import timedelta

import pytest

from providers.stripe import requests
from tests.providers.stripe_orders import NOW, PAYMENT_ID, order


@pytest.mark.parametrize(
    ("life", "closes"),
    [
        # Stripe may be asked for it until the payment's time is up, and wants half an hour from then on.
        (timedelta(minutes=3), timedelta(minutes=34)),
        (timedelta(hours=2), timedelta(hours=2, minutes=31)),
        (timedelta(hours=24), timedelta(hours=23, minutes=55)),
        (timedelta(days=7), timedelta(hours=23, minutes=55)),
    ],
)
def test_a_session_outlives_the_payment_within_stripes_limits(life: timedelta, closes: timedelta) -> None:
    assert requests.payment_session(order(life=life))["expires_at"] == (NOW + closes).timestamp()


def test_of_the_tenants_metadata_goes_what_fits() -> None:
    theirs = {"k" * 41: "x", "long": "x" * 501, "a[b]": "x", "": "x", "paysaga_payment": "mine"}
    fifty = {f"key-{number}": "é" * 500 for number in range(50)}
    sent = requests.payment_session(order(metadata=theirs | fifty))["metadata"]
    assert isinstance(sent, dict)
    assert len(sent) <= 50
    assert sent["paysaga_payment"] == PAYMENT_ID
    assert {"key-0", "key-45"} <= set(sent)
    assert not {"k" * 41, "long", "a[b]", ""} & set(sent)


def test_what_the_payer_is_shown_is_the_description_or_else_a_name() -> None:
    for wanted, shown in (
        (order(), "A year of Pro"),
        (order(description=None, order_id="order-7"), "order-7"),
        (order(description="", order_id=None), PAYMENT_ID),
    ):
        (item,) = requests.payment_session(wanted)["line_items"]
        assert item["price_data"]["product_data"]["name"] == shown


def test_a_proof_that_is_too_long_is_named_by_its_hash_and_signature() -> None:
    proof = {"type": "proof", "keyId": "k1", "facts": {"paymentId": PAYMENT_ID}, "signature": "ab" * 64}
    short = requests.evidence({"statement": "Delivered.", "proof": proof})
    assert '"signature":"abab' in short
    long = proof | {"facts": {"paymentId": PAYMENT_ID, "transitions": ["x" * 100] * 300}}
    told = requests.evidence({"statement": "É" * 19_990, "proof": long})
    assert len(told) <= 20_000
    assert all(name in told for name in ("sha256", PAYMENT_ID, "ab" * 64))
    assert requests.evidence({"statement": None, "proof": long}).startswith("Signed record")
