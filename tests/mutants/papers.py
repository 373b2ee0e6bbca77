"""Guards of what an invoice comes to, and of what is printed of it."""

from tests.mutants.mutant import Edit, Mutant

INVOICES = "tests/documents/test_invoices.py"

MUTANTS = (
    Mutant(
        name="credit-without-its-tax",
        breaks="What is given back for unused time lacks the tax that was paid on it.",
        edits=(
            Edit("domain/invoice.py", "credited_minor=total - gross", "credited_minor=max(-subtotal, 0)"),
        ),
        killers=(
            "tests/domain/test_invoice.py::test_what_comes_to_less_than_nothing_is_credited_with_its_tax",
            "tests/domain/test_invoice.py::test_total_and_credited_are_what_the_lines_say",
        ),
    ),
    Mutant(
        name="amounts-through-floats",
        breaks="A large amount is printed a few minor units off.",
        edits=(
            Edit(
                "documents/words.py",
                "Decimal(amount_minor).scaleb(-digits)",
                "Decimal(amount_minor / 10**digits)",
            ),
        ),
        killers=(f"{INVOICES}::test_an_amount_is_written_to_the_last_unit_in_every_currency[en]",),
    ),
    Mutant(
        name="void-unmarked",
        breaks="An invoice that nobody owes any more is printed like one that is to be paid.",
        edits=(Edit("documents/invoices.py", "void=invoice.status is InvoiceStatus.VOID)", "void=False)"),),
        killers=(f"{INVOICES}::test_every_status_is_named_and_only_a_void_invoice_is_marked_void[void-hu]",),
    ),
)
