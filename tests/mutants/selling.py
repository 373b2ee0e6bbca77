"""Guards of what is sold, and of what it costs."""

from tests.mutants.mutant import Edit, Mutant

PLANS = "tests/stories/test_plans.py"
PRICES = "tests/storage/test_prices.py"
LIST = "tests/console/test_pricing.py"

MUTANTS = (
    Mutant(
        name="prices-change",
        breaks="A price can be changed under those who subscribed at it: they pay what they never agreed to.",
        edits=(
            Edit(
                "storage/migrations/versions/0011_the_catalog.py",
                "WHEN (to_jsonb(OLD) - 'superseded_at' IS DISTINCT FROM to_jsonb(NEW) - 'superseded_at'",
                "WHEN (false",
            ),
            Edit(
                "storage/migrations/versions/0011_the_catalog.py",
                "SELECT, INSERT, UPDATE (superseded_at)",
                "SELECT, INSERT, UPDATE",
            ),
        ),
        killers=(
            f"{PRICES}::test_not_even_a_superuser_changes_what_a_price_is[amount_minor]",
            f"{PRICES}::test_not_even_a_superuser_changes_what_a_price_is[trial_days]",
        ),
    ),
    Mutant(
        name="superseded-again",
        breaks="When a price was superseded can be written anew: the history of what was offered is made up.",
        edits=(
            Edit(
                "storage/migrations/versions/0011_the_catalog.py",
                "OR OLD.superseded_at IS NOT NULL AND",
                "OR false AND",
            ),
        ),
        killers=(f"{PRICES}::test_a_price_is_superseded_once_and_for_ever",),
    ),
    Mutant(
        name="plans-change-unlocked",
        breaks="Of two who change a plan's prices at once one is turned away with a failure of ours.",
        edits=(
            Edit(
                "storage/catalog.py",
                "query.with_for_update(key_share=True) if lock else query",
                "query",
            ),
        ),
        killers=(f"{PLANS}::test_two_who_change_a_price_at_once_come_one_after_the_other",),
    ),
    Mutant(
        name="old-prices-for-sale",
        breaks="Somebody new subscribes at a price that was superseded, or to a plan that was withdrawn.",
        edits=(
            Edit(
                "domain/catalog.py",
                "return self.plan.active and self.price.superseded_at is None",
                "return True",
            ),
        ),
        killers=(f"{PLANS}::test_an_offer_tells_who_may_have_it",),
    ),
    Mutant(
        name="withdrawn-in-public",
        breaks="Plans that nobody may buy any more, or not yet, stand on the list that everybody reads.",
        edits=(
            Edit(
                "storage/catalog.py",
                "select(plans).where(plans.c.active)",
                "select(plans)",
            ),
        ),
        killers=(
            f"{LIST}::test_the_list_holds_what_is_on_sale_and_nothing_else",
            f"{LIST}::test_a_tenant_chooses_which_plans_are_public_and_in_which_order",
        ),
    ),
    Mutant(
        name="suspended-on-sale",
        breaks="A suspended tenant's prices are advertised on, and whoever wants to buy meets a refusal.",
        edits=(Edit("console/embed.py", "if tenant.suspended:", "if False:"),),
        killers=(f"{LIST}::test_a_suspended_tenant_looks_like_none",),
    ),
    Mutant(
        name="savings-flatter",
        breaks="A price list promises a per cent that nobody saves.",
        edits=(
            Edit(
                "console/pricelist.py",
                "return less * 100 // by_the_month or None",
                "return -(-less * 100 // by_the_month) or None",
            ),
        ),
        killers=(
            "tests/console/test_pricelist.py::test_what_a_year_saves_is_rounded_down_and_never_flatters[10000-16]",
        ),
    ),
)
