"""Guards of what users may take, and of what it stands with."""

from tests.mutants.mutant import Edit, Mutant

RULES = "tests/domain/test_entitlement_rules.py"
USAGE = "tests/stories/test_usage.py"
RIGHTS = "tests/storage/test_rights.py"
GUARDS = "tests/storage/test_guards.py"

MUTANTS = (
    Mutant(
        name="uses-unlocked",
        breaks="Uses that come at once each take the last one: together they take more than there is.",
        edits=(
            Edit(
                "storage/entitlements.py",
                "        .with_for_update(of=entitlements, key_share=True)\n",
                "",
            ),
            Edit("api/entitlements.py", "async with turn, here", "async with here"),
        ),
        killers=(f"{USAGE}::test_sixty_at_once_take_no_more_than_thirty",),
    ),
    Mutant(
        name="renewal-half-seen",
        breaks="A use that waited for a renewal sees the right without its payment: who has paid is refused.",
        edits=(
            Edit(
                "storage/usage.py",
                """        held = await rights.in_force(tx, use.user_id, use.feature, now)
        taken = portions(held, use.quantity)
    if""",
                """        raise
    if""",
            ),
        ),
        killers=(f"{RIGHTS}::test_a_use_that_meets_a_renewal_counts_in_the_new_period",),
    ),
    Mutant(
        name="usage-can-be-rewritten",
        breaks="What was used can be changed afterwards: nobody can say any more what a bill was for.",
        edits=(Edit("storage/migrations/versions/0013_usage.py", '    append_only("usage")\n', ""),),
        killers=(
            GUARDS + "::test_not_even_a_superuser_changes_what_has_happened[usage-TRUNCATE {0} CASCADE]",
        ),
    ),
    Mutant(
        name="a-pause-renews",
        breaks="Whoever pauses and resumes has a new quota, and rights that no refund takes away.",
        edits=(
            Edit(
                "activities/billing.py",
                "goes_on=pays is None and not done.sub.provider_run",
                "goes_on=False",
            ),
        ),
        killers=(
            f"{RIGHTS}::test_a_pause_stops_time_and_nothing_else",
            f"{RIGHTS}::test_a_better_plan_gives_more_of_the_same_quota_and_stands_with_the_same_payment",
        ),
    ),
    Mutant(
        name="quota-first",
        breaks="A quota is spent while the user has the same without a limit, and is missing later.",
        edits=(
            Edit(
                "domain/entitlement.py",
                "key=lambda right: (right.limit is not None, right.valid_to or _NEVER, right.id)",
                "key=lambda right: (right.limit is None, right.valid_to or _NEVER, right.id)",
            ),
        ),
        killers=(f"{RULES}::test_while_something_is_unlimited_no_quota_is_spent",),
    ),
)
