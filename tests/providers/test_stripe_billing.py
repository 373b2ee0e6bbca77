"""Stripe charges what it keeps, and nothing that was declined for good takes money afterwards."""

import pytest

from domain.errors import OutcomeUnknown, ProviderDeclined, ProviderRejected
from domain.evidence import Channel, Word
from domain.reconciliation import Window
from domain.subscription import Charge, SetupOrder
from domain.values import derived_id
from tests.providers.stripe_objects import DECLINE, Json, intent, session
from tests.providers.stripe_orders import HUF, NOW, PAYMENT_ID
from tests.providers.stripe_script import Script, listed, refused

CHARGE = Charge(payment_id=PAYMENT_ID, money=HUF, customer="cus_1", method="pm_1")
OURS: Json = {"metadata": {"paysaga_payment": PAYMENT_ID, "paysaga_kind": "charge"}}


def must_come() -> object:
    waiting = {"id": "pi_1", "object": "payment_intent", "status": "requires_payment_method"}
    error = {"type": "card_error", "code": "authentication_required", "payment_intent": waiting}
    return refused(402, **error)


# --- Charges ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [must_come(), intent("requires_action"), intent("requires_confirmation")],
    ids=["refused", "waits", "unconfirmed"],
)
async def test_a_charge_that_waits_for_its_payer_is_cancelled_before_it_counts_as_declined(
    answer: object,
) -> None:
    script = Script(answer, intent("canceled"))
    with pytest.raises(ProviderDeclined) as declined:
        await script.adapter.charge_saved(CHARGE, NOW)
    assert (declined.value.reason, declined.value.again) == ("authentication_required", False)
    assert [asked.url.path for asked in script.asked] == [
        "/v1/payment_intents",
        "/v1/payment_intents/pi_1/cancel",
    ]
    assert script.form() == {"cancellation_reason": "abandoned"}


async def test_until_it_is_cancelled_nobody_says_that_it_was_declined() -> None:
    with pytest.raises(OutcomeUnknown):
        await Script(must_come(), refused(500, type="api_error")).adapter.charge_saved(CHARGE, NOW)


async def test_who_approved_in_the_meantime_has_paid() -> None:
    too_late = refused(400, type="invalid_request_error", code="payment_intent_unexpected_state")
    said = await Script(must_come(), too_late, intent("succeeded")).adapter.charge_saved(CHARGE, NOW)
    assert (said.word, said.captured) == (Word.PAID, HUF)


async def test_a_card_that_is_declined_needs_no_second_call() -> None:
    script = Script(refused(402, type="card_error", **DECLINE))
    with pytest.raises(ProviderDeclined):
        await script.adapter.charge_saved(CHARGE, NOW)
    assert len(script.asked) == 1


async def test_a_charge_whose_answer_was_lost_is_found_among_other_peoples() -> None:
    others = [intent("succeeded", id="pi_0"), intent("succeeded", id="pi_9", metadata={})]
    script = Script(listed([]), listed(others, more=True), listed([intent("succeeded", **OURS)]))
    script.answers.append(intent("succeeded", **OURS))
    said = await script.adapter.find_checkout(PAYMENT_ID, NOW)
    assert (said.word, said.reference, said.payment_id) == (Word.PAID, "pi_1", PAYMENT_ID)
    assert script.query(2)["starting_after"] == "pi_9"


async def test_a_declined_charge_that_is_looked_up_later_has_failed_with_its_reason() -> None:
    declined = intent("requires_payment_method", last_payment_error=DECLINE, **OURS)
    said = await Script(declined).adapter.read_checkout("pi_1", NOW)
    assert (said.word, said.failure_code) == (Word.FAILED, "insufficient_funds")


async def test_a_charge_is_closed_by_cancelling_it() -> None:
    script = Script(intent("canceled"))
    said = await script.adapter.close_checkout("pi_1", NOW)
    assert (said.word, said.channel) == (Word.EXPIRED, Channel.CLOSE)
    assert (script.asked[0].url.path, script.form()) == ("/v1/payment_intents/pi_1/cancel", {})
    paid = Script(refused(400, type="invalid_request_error"), intent("succeeded"))
    assert (await paid.adapter.close_checkout("pi_1", NOW)).word is Word.PAID
    gone = Script(refused(404, type="invalid_request_error", code="resource_missing"))
    assert (await gone.adapter.close_checkout("pi_1", NOW)).word is Word.ABSENT


async def test_the_books_hold_charges_after_the_checkouts() -> None:
    charges = [
        intent("succeeded", id="pi_2", created=1_795_262_400, **OURS),
        intent("succeeded", id="pi_of_a_checkout", created=1_795_262_400),
        intent("canceled", id="pi_3", created=1_795_262_400, **OURS),
        7,
    ]
    script = Script(listed([session()]), listed(charges[:3], more=True), listed(charges[3:]))  # type: ignore[arg-type]
    window = Window(since=NOW, until=NOW)
    page = await script.adapter.list_payments(window, None, NOW)
    assert [item.reference for item in page.items] == ["pi_1", "pi_2"]
    assert page.next_cursor == "pi_3"
    rest = await script.adapter.list_payments(window, page.next_cursor, NOW)
    assert ([item.said for item in rest.items], rest.next_cursor) == ([None], None)
    assert [asked.url.path for asked in script.asked] == [
        "/v1/checkout/sessions",
        "/v1/payment_intents",
        "/v1/payment_intents",
    ]


# --- What is kept -----------------------------------------------------------------------------------------


async def test_the_default_of_a_customer_is_charged_before_a_newer_card() -> None:
    kept = [{"id": f"pm_{number}", "type": "card", "created": number} for number in (2, 1)]
    customer = {"object": "customer", "id": "cus_1"}
    for settings, first in (({"default_payment_method": "pm_1"}, "pm_1"), (None, "pm_2")):
        script = Script(customer | {"invoice_settings": settings}, listed(kept))
        assert (await script.adapter.saved_methods("cus_1"))[0].reference == first


async def test_a_page_that_keeps_a_card_needs_a_place_to_return_to_and_an_id_of_ours() -> None:
    wish = {"customer": "cus_1", "expires_at": NOW, "success_url": "https://shop.example"}
    ours = derived_id("set", NOW, "x")
    for wrong in ({"id": ours, "success_url": None}, {"id": "set_1"}):
        with pytest.raises(ProviderRejected):
            await Script(session()).adapter.open_setup(SetupOrder.model_validate(wish | wrong))
