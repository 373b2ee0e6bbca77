"""Guards in the translators: what is sent to a company, and what its words are taken for."""

from tests.mutants.mutant import Edit, Mutant

DODO = "tests/providers/test_dodo.py"
BILLING = "tests/providers/test_dodo_billing.py"
WORDS = "tests/providers/test_dodo_words.py"
WEBHOOKS = "tests/providers/test_dodo_webhooks.py"
CHARGES = "tests/providers/test_stripe_billing.py"

MUTANTS = (
    Mutant(
        name="charge-without-looking",
        breaks="A company without keys is asked for money a second time, unseen what the first call did.",
        edits=(
            Edit(
                "providers/dodo/adapter.py",
                "payment = await self._search.payment_of(charge.payment_id, hearing)",
                "payment = None",
            ),
        ),
        killers=(f"{BILLING}::test_nobody_is_charged_twice_for_one_payment",),
    ),
    Mutant(
        name="absent-on-the-first-page",
        breaks="What is not on the first page of a list counts as not there: it is sent again.",
        edits=(Edit("providers/dodo/wire.py", "if len(found) < PER_PAGE:", "if found is not None:"),),
        killers=(f"{DODO}::test_a_payment_is_found_on_any_page_by_our_name_alone",),
    ),
    Mutant(
        name="headers-of-an-sdk",
        breaks="An SDK's own headers go along, and whatever an environment variable adds to them.",
        edits=(
            Edit(
                "providers/dodo/wire.py",
                "sent = Request(request.method, str(request.url), headers,",
                "sent = Request(request.method, str(request.url), {**request.headers, **headers},",
            ),
        ),
        killers=(f"{DODO}::test_nothing_of_the_environment_or_of_this_machine_reaches_dodo",),
    ),
    Mutant(
        name="captured-is-what-is-settled",
        breaks="What the merchant is credited passes for what the payer paid.",
        edits=(
            Edit(
                "providers/dodo/words.py",
                'captured=money(payment["total_amount"], payment["currency"])',
                'captured=money(payment["settlement_amount"], payment["settlement_currency"])',
            ),
        ),
        killers=(f"{WORDS}::test_captured_is_what_the_payer_paid_and_not_what_the_merchant_is_credited",),
    ),
    Mutant(
        name="word-of-an-events-name",
        breaks="An event's name decides, though its object has moved on since.",
        edits=(
            Edit(
                "providers/dodo/events.py",
                '    data = event["data"]\n',
                '    data = {**event["data"], "status": str(event.get("type")).partition(".")[2]}\n',
            ),
        ),
        killers=(f"{WEBHOOKS}::test_the_object_decides_and_not_the_events_name[payment.failed]",),
    ),
    Mutant(
        name="charge-that-waits-for-its-payer",
        breaks="A charge that waits for the payer's approval counts as declined, and can take the money yet.",
        edits=(
            Edit(
                "providers/stripe/adapter.py",
                "        told = await self._close(intent, now, why) if intent else None\n",
                "        told = await self._close(intent, now, why) if intent and not why else None\n",
            ),
        ),
        killers=(
            f"{CHARGES}::test_a_charge_that_waits_for_its_payer_is_cancelled_before_it_counts_as_declined[refused]",
        ),
    ),
    Mutant(
        name="checkouts-intent-for-a-charge",
        breaks="The payment intent of a checkout passes for a charge of its own, and is compared twice.",
        edits=(
            Edit(
                "providers/stripe/words.py",
                "    return noted(intent, KIND) == CHARGE\n",
                "    return noted(intent, PAYMENT) is not None\n",
            ),
        ),
        killers=(f"{CHARGES}::test_the_books_hold_charges_after_the_checkouts",),
    ),
)
