"""Guards of the page that payers see."""

from tests.mutants.mutant import Edit, Mutant

PAY = "tests/console/test_pay.py"
PAGES = "tests/console/test_pages.py"
SITUATIONS = "tests/console/test_situations.py"

MUTANTS = (
    Mutant(
        name="the-address-tells-the-status",
        breaks="A page shows what its address says: a forged link tells a clerk that somebody has paid.",
        edits=(
            Edit(
                "console/pay.py",
                "view(payment, stands, ",
                'view(payment, Situation(request.query_params.get("situation", stands)), ',
            ),
        ),
        killers=(f"{PAY}::test_nothing_an_address_says_beside_its_token_changes_the_page",),
    ),
    Mutant(
        name="any-token-opens-a-page",
        breaks="The token of one payment opens every page of the shop, with the amounts of other payers.",
        edits=(Edit("api/payments.py", "    if payable != payment_id:\n", "    if not payable:\n"),),
        killers=(f"{PAY}::test_only_the_token_of_this_payment_opens_its_page",),
    ),
    Mutant(
        name="pages-unescaped",
        breaks="What a tenant wrote runs as a script in a payer's browser.",
        edits=(Edit("console/pages.py", "autoescape=True", "autoescape=False"),),
        killers=(f"{PAGES}::test_what_others_wrote_is_shown_as_they_wrote_it_and_does_nothing",),
    ),
    Mutant(
        name="paid-after-its-time",
        breaks="A payer is sent to a checkout whose time is up: late money, and no goods for it.",
        edits=(
            Edit("console/situations.py", "    if now >= payment.order.expires_at:\n", "    if not now:\n"),
        ),
        killers=(f"{SITUATIONS}::test_when_its_time_is_up_nobody_is_sent_to_pay",),
    ),
)
