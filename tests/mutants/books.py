"""Guards of reconciliation: what is called missing, doubled or new must be so."""

from tests.mutants.mutant import Edit, Mutant

STORIES = "tests/stories/test_reconciliation.py"

MUTANTS = (
    Mutant(
        name="second-capture-overlooked",
        breaks="Two captures of one payment look like one: a payer is charged twice and nobody is called.",
        edits=(
            Edit(
                "domain/comparison.py",
                "    if again:\n        return pair.differs(Drift.DOUBLE)\n",
                "",
            ),
        ),
        killers=("tests/domain/test_reconciliation.py::test_a_capture[one checkout that was paid twice]",),
    ),
    Mutant(
        name="young-books-judged",
        breaks="What happened a moment ago is compared: each webhook under way is reported as a difference.",
        edits=(
            Edit(
                "activities/reconciliation.py",
                "    until = world.clock() - world.scaled(GRACE)\n",
                "    until = world.clock() + 0 * GRACE\n",
            ),
        ),
        killers=(f"{STORIES}::test_of_what_has_just_happened_a_webhook_may_still_tell",),
    ),
    Mutant(
        name="mismatch-told-every-day",
        breaks="A difference that nobody has mended is announced by every run, until nobody listens.",
        edits=(
            Edit(
                "activities/findings.py",
                "announced=news and action is Action.REPORTED,",
                "announced=action is Action.REPORTED,",
            ),
        ),
        killers=(f"{STORIES}::test_what_nothing_mends_is_told_of_once",),
    ),
)
