"""A webhook of Stripe's is believed when a live secret signed these bytes just now; then it tells."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe as official
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SignatureInvalid, SignatureMissing, UnreadableEvent
from domain.evidence import Channel, Observation, Word
from domain.refund import RefundObservation
from domain.subscription import (
    CustomerObservation,
    InvoiceObservation,
    InvoiceWord,
    SubscriptionObservation,
)
from providers.base import Heard
from providers.stripe.events import read, verify
from tests.providers.stripe_objects import (
    DECLINE,
    Json,
    dispute,
    intent,
    invoice,
    refund,
    session,
    subscription,
)
from tests.providers.stripe_orders import PAYMENT_ID

NOW = datetime.now(UTC)
STAMP = int(NOW.timestamp())
SECRET, OTHER = "whsec_right", "whsec_other"
BODY = b'{"object": "event", "note": "\xc3\xa1rv\xc3\xadz"}'
sign = official.WebhookSignature.generate_signature_header


def signed(secret: str = SECRET, at: int = STAMP, body: bytes = BODY) -> dict[str, str]:
    return {"Stripe-Signature": sign(body.decode(), secret, timestamp=at)}


# --- Signatures -------------------------------------------------------------------------------------------


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50), st.text("abc_XYZ", min_size=1)
)
def test_what_the_sdk_signs_is_believed(body: str, secret: str) -> None:
    verify([secret], signed(secret, body=body.encode()), body.encode(), NOW)


def test_the_sdk_believes_what_we_believe() -> None:
    header = f"t={STAMP},v1={'0' * 64},{signed()['Stripe-Signature'].partition(',')[2]},v0=old"
    verify([SECRET], {"stripe-signature": header}, BODY, NOW)
    official.WebhookSignature.verify_header(BODY, header, SECRET, tolerance=300)


def test_both_secrets_live_while_one_is_replaced_by_the_other() -> None:
    for secret in (SECRET, OTHER):
        verify([SECRET, OTHER], signed(secret), BODY, NOW)
    with pytest.raises(SignatureInvalid):
        verify([OTHER], signed(SECRET), BODY, NOW)


@pytest.mark.parametrize("seconds", [-301, 301, 10**9, -(10**9)])
def test_what_is_stale_or_of_the_future_is_not_believed(seconds: int) -> None:
    with pytest.raises(SignatureInvalid):
        verify([SECRET], signed(at=STAMP + seconds), BODY, NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    verify([SECRET], signed(at=STAMP + seconds), BODY, NOW)


def test_the_sdk_alone_would_believe_the_future() -> None:
    header = sign("{}", SECRET, timestamp=int(time.time()) + 10**6)
    official.WebhookSignature.verify_header(b"{}", header, SECRET, tolerance=300)


def test_one_flipped_bit_anywhere_is_noticed() -> None:
    for place in range(len(BODY)):
        flipped = bytes([*BODY[:place], BODY[place] ^ 1, *BODY[place + 1 :]])
        with pytest.raises(SignatureInvalid):
            verify([SECRET], signed(), flipped, NOW)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "v1=" + "0" * 64,
        "t=NOW",
        "t=NOW,v0=" + "0" * 64,
        "t=NOW,v1=",
        "t=NOW,v1=short",
        "t=NOW,v1=" + "é" * 64,
        f"t=,v1={'0' * 64}",
        f"t=soon,v1={'0' * 64}",
        f"t=NOW.0,v1={'0' * 64}",
        f"t={'9' * 400},v1={'0' * 64}",
        f"t=NOW,t=NOW,v1={'0' * 64}",
        "\0,=,,=",
    ],
)
def test_a_header_that_is_missing_or_unreadable_is_told_apart(header: str | None) -> None:
    # Ids of tests must be the same in every process.
    header = header and header.replace("NOW", str(STAMP))
    with pytest.raises(SignatureMissing):
        verify([SECRET], {} if header is None else {"Stripe-Signature": header}, BODY, NOW)


def test_a_body_that_is_no_text_is_verified_like_any_other() -> None:
    with pytest.raises(SignatureInvalid):
        verify([SECRET], signed(), b"\xff\xfe\0", NOW)


# --- What they tell ---------------------------------------------------------------------------------------


def event(kind: str, subject: Mapping[str, Any], **more: object) -> bytes:
    told = {"id": "evt_1", "object": "event", "type": kind, "livemode": False, "data": {"object": subject}}
    return json.dumps(told | more).encode()


def heard(kind: str, subject: Mapping[str, Any], **more: object) -> Heard:
    (said,) = read(event(kind, subject, **more), NOW)
    return said


@pytest.mark.parametrize(
    ("kind", "subject", "word"),
    [
        ("checkout.session.completed", session(), Word.PAID),
        ("checkout.session.completed", session(paid="unpaid"), Word.PROCESSING),
        ("checkout.session.async_payment_succeeded", session(), Word.PAID),
        ("checkout.session.async_payment_failed", session(paid="unpaid"), Word.FAILED),
        ("checkout.session.async_payment_failed", session(), Word.PAID),
        ("checkout.session.expired", session("expired", "unpaid"), Word.EXPIRED),
        ("checkout.session.renamed", session("renamed"), Word.UNCLEAR),
        ("payment_intent.payment_failed", intent("requires_payment_method"), Word.ATTEMPT_FAILED),
    ],
)
def test_an_event_about_a_payment_says(kind: str, subject: Json, word: Word) -> None:
    said = heard(kind, subject)
    assert isinstance(said, Observation)
    assert (said.word, said.payment_id, said.cause_id) == (word, PAYMENT_ID, "evt_1")
    assert said.channel is Channel.WEBHOOK


def test_a_declined_card_is_told_with_its_reason() -> None:
    said = heard(
        "payment_intent.payment_failed", intent("requires_payment_method", last_payment_error=DECLINE)
    )
    assert isinstance(said, Observation)
    assert (said.failure_code, said.reference) == ("insufficient_funds", None)


@pytest.mark.parametrize(
    ("kind", "said", "word"),
    [
        ("payment_intent.succeeded", intent("succeeded"), Word.PAID),
        (
            "payment_intent.payment_failed",
            intent("requires_payment_method", last_payment_error=DECLINE),
            Word.FAILED,
        ),
        # As it stands, whatever the event is called.
        ("payment_intent.payment_failed", intent("succeeded"), Word.PAID),
    ],
)
def test_a_charge_of_ours_has_no_session_to_tell_of_it(kind: str, said: Json, word: Word) -> None:
    ours = {"paysaga_payment": PAYMENT_ID, "paysaga_kind": "charge"}
    told = heard(kind, said | {"metadata": ours})
    assert isinstance(told, Observation)
    assert (told.word, told.payment_id, told.reference) == (word, PAYMENT_ID, "pi_1")


def test_what_a_charge_is_doing_in_between_tells_nothing() -> None:
    ours = {"paysaga_payment": PAYMENT_ID, "paysaga_kind": "charge"}
    assert read(event("payment_intent.created", intent("processing", metadata=ours)), NOW) == []
    assert read(event("payment_intent.canceled", intent("canceled", metadata=ours)), NOW) == []
    assert (
        read(event("payment_intent.succeeded", intent("succeeded", metadata={"paysaga_kind": "charge"})), NOW)
        == []
    )


METHOD: Json = {"object": "payment_method", "id": "pm_1"}
CUSTOMER: Json = {"object": "customer", "id": "cus_1", "metadata": {"paysaga_customer": "cus_ours"}}


@pytest.mark.parametrize(
    ("kind", "subject", "before", "ours"),
    [
        ("checkout.session.completed", session(mode="setup", customer="cus_1"), {}, None),
        ("setup_intent.succeeded", {"object": "setup_intent", "customer": "cus_1"}, {}, None),
        ("payment_method.attached", METHOD | {"customer": "cus_1"}, {}, None),
        ("payment_method.detached", METHOD | {"customer": None}, {"customer": "cus_1"}, None),
        (
            "customer.updated",
            CUSTOMER,
            {"invoice_settings": {"default_payment_method": "pm_1"}},
            "cus_ours",
        ),
    ],
)
def test_what_a_customer_can_be_charged_by_has_changed(
    kind: str, subject: Json, before: Json, ours: str | None
) -> None:
    said = heard(kind, subject, data={"object": subject, "previous_attributes": before})
    assert isinstance(said, CustomerObservation)
    assert (said.reference, said.customer_id, said.raw_state) == ("cus_1", ours, kind)
    assert (said.cause_id, said.sandbox) == ("evt_1", True)


def test_a_page_that_was_completed_is_told_by_our_name_of_it() -> None:
    said = heard(
        "checkout.session.completed",
        session(mode="setup", customer="cus_1", metadata={"paysaga_setup": "sub_ours"}),
    )
    assert isinstance(said, CustomerObservation)
    assert said.setup_id == "sub_ours"


def test_another_address_of_a_customer_changes_no_way_of_paying() -> None:
    for before in ({"email": "old@example.com"}, {"invoice_settings": {"footer": None}}):
        body = event("customer.updated", CUSTOMER, data={"object": CUSTOMER, "previous_attributes": before})
        assert read(body, NOW) == []


def test_a_subscriptions_word_is_dated_by_the_provider() -> None:
    told = heard("customer.subscription.updated", subscription(), created=1_795_262_400)
    assert isinstance(told, SubscriptionObservation)
    assert told.told_at == datetime(2026, 11, 21, 12, tzinfo=UTC)
    undated = heard("customer.subscription.updated", subscription())
    assert isinstance(undated, SubscriptionObservation)
    assert undated.told_at is None


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("payment_intent.succeeded", intent("succeeded")),
        ("payment_intent.created", intent("requires_payment_method")),
        ("payment_intent.payment_failed", intent("requires_payment_method", metadata={})),
        ("checkout.session.completed", session(mode="subscription")),
        ("checkout.session.expired", session(mode="setup", customer="cus_1")),
        ("setup_intent.setup_failed", {"object": "setup_intent", "customer": "cus_1"}),
        ("setup_intent.succeeded", {"object": "setup_intent", "customer": None}),
        ("payment_method.updated", {"object": "payment_method", "customer": "cus_1"}),
        ("payment_method.detached", {"object": "payment_method", "customer": None}),
        ("customer.updated", {"object": "customer", "id": "cus_1"}),
        ("checkout.session.completed", session(metadata={}, client_reference_id=None)),
        ("customer.created", {"object": "customer", "id": "cus_1"}),
        ("invoice.upcoming", {"object": "invoice", "status": None}),
        ("invoice.paid", invoice("paid", parent=None)),
        ("charge.succeeded", {"object": "charge", "id": "ch_1"}),
        ("something.new", {"object": "something"}),
        ("something.new", {}),
    ],
)
def test_an_event_about_nothing_of_ours_tells_nothing(kind: str, subject: Json) -> None:
    assert read(event(kind, subject), NOW) == []


def test_refunds_and_disputes_tell_of_money_by_its_capture() -> None:
    back = heard("refund.updated", refund("failed", metadata={}), livemode=True)
    assert isinstance(back, RefundObservation)
    assert (back.capture, back.payment_id, back.sandbox) == ("pi_1", None, False)
    fought = heard("charge.dispute.created", dispute("needs_response"))
    assert fought.kind == "dispute"


def test_subscriptions_and_their_bills_are_told_of() -> None:
    ended = heard("customer.subscription.deleted", subscription("canceled"))
    assert isinstance(ended, SubscriptionObservation)
    bill = heard("invoice.payment_failed", invoice())
    assert isinstance(bill, InvoiceObservation)
    assert bill.word is InvoiceWord.PAYMENT_FAILED
    late = heard("invoice.payment_failed", invoice("paid"))
    assert isinstance(late, InvoiceObservation)
    assert late.word is InvoiceWord.PAID


def test_what_is_kept_as_evidence_is_the_hash_of_the_very_bytes() -> None:
    body = event("checkout.session.completed", session())
    (one,), (other,) = read(body, NOW), read(body + b" ", NOW + timedelta(seconds=1))
    assert one.evidence_sha256 != other.evidence_sha256


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"7",
        b"[]",
        b'"event"',
        b"{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{}",
        b'{"id":"evt_1","type":"x","data":null}',
        b'{"id":"evt_1","type":"x","data":[]}',
        b'{"id":"evt_1","type":"x","data":{"object":[]}}',
        b'{"id":"evt_1","type":"x","data":{"object":"cs_1"}}',
        event("checkout.session.completed", session(id=7)),
        event("checkout.session.completed", session(id="\ud800")),
        event("checkout.session.completed", session(id="a\0b")),
        event("checkout.session.completed", session(amount_total=1 << 63)),
        event("checkout.session.completed", session(metadata=["x"])),
        event("checkout.session.completed", session(), id=None),
        event("checkout.session.completed", session(), id=7),
        event("refund.updated", refund("succeeded", amount="1990000")),
        event("refund.updated", refund("succeeded", currency="points")),
        event("charge.dispute.created", dispute("lost", amount=None)),
        event("charge.dispute.created", dispute("lost", evidence_details={"due_by": 10**30})),
        event("charge.dispute.created", dispute("lost", balance_transactions={"fee": 1})),
        event("customer.subscription.updated", subscription(items=[1])),
        event("invoice.paid", invoice("paid", parent=["x"])),
        event("payment_method.attached", {"object": "payment_method"}),
        event("payment_method.attached", {"object": "payment_method", "customer": "\ud800"}),
        event("customer.subscription.updated", subscription(), created="today"),
        event("customer.subscription.updated", subscription(), created=10**30),
        event("customer.updated", CUSTOMER, data={"object": CUSTOMER, "previous_attributes": [1]}),
        b'{"id":"evt_1","type":"x","livemode":false,"data":{"object":{"object":"refund","amount":1e400}}}',
    ],
)
def test_an_authentic_event_that_cannot_be_read_says_so_and_nothing_else(body: bytes) -> None:
    with pytest.raises(UnreadableEvent):
        read(body, NOW)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_it_raise_anything_else(body: bytes) -> None:
    with suppress(UnreadableEvent):
        read(body, NOW)
