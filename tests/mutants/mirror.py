"""Guards of what is heard about subscriptions that a company runs."""

from tests.mutants.mutant import Edit, Mutant

RULES = "tests/domain/test_mirror.py"
STORIES = "tests/stories/test_company_schedules.py"

MUTANTS = (
    Mutant(
        name="last-heard-counts",
        breaks="Words count in the order of their arrival: a late webhook takes back what came after it.",
        edits=(
            Edit(
                "domain/mirror.py",
                "ranked = sorted(words, key=lambda word: word.rank, reverse=True)",
                "ranked = list(words)[::-1]",
            ),
        ),
        killers=(
            f"{RULES}::test_any_order_any_repetition_and_any_loss_but_of_the_last_word_end_alike",
            f"{STORIES}::test_what_comes_twice_and_in_another_order_ends_as_it_happened",
        ),
    ),
    Mutant(
        name="risen-subscription",
        breaks="What has ended lives again when some word is dated later.",
        edits=(Edit("domain/mirror.py", "return ended, self.at,", "return False, self.at,"),),
        killers=(f"{RULES}::test_an_end_is_for_ever_whatever_is_dated_later",),
    ),
    Mutant(
        name="answers-by-our-clock",
        breaks="What we read counts less than what a company with a fast clock has told before.",
        edits=(
            Edit(
                "domain/mirror.py",
                "at=max([said.observed_at, *(word.at for word in known)])",
                "at=said.observed_at",
            ),
        ),
        killers=(f"{RULES}::test_what_was_read_is_newer_than_what_was_told_whatever_the_clocks_show",),
    ),
    Mutant(
        name="doubt-unheard",
        breaks="Nobody asks the company when its words contradict: a lost webhook is never missed.",
        edits=(Edit("domain/mirror.py", "return late or tied", "return False"),),
        killers=(
            f"{RULES}::test_a_late_word_that_contradicts_is_a_reason_to_ask_and_one_that_agrees_is_not",
            f"{STORIES}::test_a_late_word_that_contradicts_is_settled_by_asking",
        ),
    ),
    Mutant(
        name="silence-believed",
        breaks="A company that says nothing is never asked: who cancelled there keeps their rights here.",
        edits=(
            Edit(
                "activities/subscription.py", "        await mirror.reread(world, ref, tick.at, ACTOR)\n", ""
            ),
        ),
        killers=(f"{STORIES}::test_a_day_of_silence_is_broken_by_asking",),
    ),
    Mutant(
        name="any-namesake",
        breaks="A second subscription over there that names ours takes its place, and its payer pays twice.",
        edits=(
            Edit(
                "activities/mirror.py",
                "free = sub.provider_reference is None or (sub.status in _NEVER_BEGUN and lives)",
                "free = True",
            ),
        ),
        killers=(f"{STORIES}::test_what_is_no_word_on_ours_changes_nothing_and_is_kept",),
    ),
)
