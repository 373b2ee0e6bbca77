"""Guards of what changes of a subscription cost, and of the invoices that say so."""

from tests.mutants.mutant import Edit, Mutant

RULES = "tests/domain/test_changes.py"
STORIES = "tests/stories/test_changes.py"
DOCUMENTS = "tests/storage/test_invoices.py"

MUTANTS = (
    Mutant(
        name="previews-age-at-once",
        breaks="A preview counts to the microsecond: an invoice of a moment later asks for something else.",
        edits=(Edit("domain/changes.py", "passed // _COUNTED_BY * _COUNTED_BY", "passed"),),
        killers=(f"{RULES}::test_a_preview_holds_for_the_rest_of_the_hour_and_with_its_date_for_longer",),
    ),
    Mutant(
        name="preview-dates-cut-off",
        breaks="A preview's date, told to the millisecond, counts an hour less when it is sent back.",
        edits=(Edit("domain/changes.py", "wished + _TOLD_BY - timedelta.resolution", "wished"),),
        killers=(f"{RULES}::test_any_chain_costs_what_its_previews_say_and_credit_is_neither_lost_nor_made",),
    ),
    Mutant(
        name="dates-to-come",
        breaks="A change counts from an instant that is still to come, and gives less back than is unused.",
        edits=(
            Edit(
                "domain/changes.py", "if wished is not None and wished > now:", "if wished is None and False:"
            ),
        ),
        killers=(f"{RULES}::test_a_change_counts_from_an_instant_of_the_present_period_that_has_been",),
    ),
    Mutant(
        name="debts-forgiven-by-a-change",
        breaks="A change while money is owed asks for the difference only, and nobody for the period.",
        edits=(
            Edit(
                "domain/invoicing.py",
                "lines = (*(open_.lines if open_ is not None else ()), *bill.lines)",
                "lines = bill.lines",
            ),
        ),
        killers=(f"{RULES}::test_a_change_while_money_is_owed_asks_for_all_of_it_at_once",),
    ),
    Mutant(
        name="changes-to-old-prices",
        breaks="A subscriber changes to a price that is offered no more.",
        edits=(Edit("api/subscriptions.py", "if not offer.offered:", "if False:"),),
        killers=(f"{STORIES}::test_a_price_that_was_superseded_keeps_its_subscribers_and_takes_no_new_ones",),
    ),
    Mutant(
        name="seats-beyond-any-amount",
        breaks="So many seats are taken that no provider would charge for them.",
        edits=(Edit("api/subscriptions.py", "if terms.total_minor:", "if False:"),),
        killers=(f"{STORIES}::test_what_cannot_be_changed_to_is_refused_and_previewed_as_little",),
    ),
    Mutant(
        name="invoices-rewritten",
        breaks="What an invoice says can be changed after it was issued.",
        edits=(
            Edit(
                "storage/migrations/versions/0012_billing.py",
                "IF OLD.number IS NOT NULL AND (",
                "IF false AND (",
            ),
        ),
        killers=(
            f"{DOCUMENTS}::test_what_an_issued_invoice_says_never_changes[lines = '[]']",
            f"{DOCUMENTS}::test_what_is_paid_or_void_stays_so[paid]",
        ),
    ),
)
