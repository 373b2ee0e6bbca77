"""Guards of what becomes of a subscription, and of what is charged for it."""

from tests.mutants.mutant import Edit, Mutant

LIFECYCLE = "domain/lifecycle.py"
CHANGES = "domain/changes.py"
INVOICING = "domain/invoicing.py"
RULES = "tests/domain/test_lifecycle.py"
ANY_LIFE = "tests/domain/test_lives.py::test_whatever_happens_to_a_subscription_the_rules_hold"
STEP = "tests/activities/test_subscription.py"

MUTANTS = (
    Mutant(
        name="anchor-forgotten",
        breaks="A period begins a month after the one before: from 31 January on all renew on the 28th.",
        edits=(
            Edit(
                LIFECYCLE,
                "    period = rhythm.period(number)\n",
                '    period = rhythm.model_copy(update={"anchor": at}).period(0)\n',
            ),
        ),
        killers=(f"{RULES}::test_a_month_after_the_other_is_charged_once",),
    ),
    Mutant(
        name="marks-from-the-last-failure",
        breaks="Each try in vain begins the days of dunning anew: what is owed is given for months.",
        edits=(Edit(LIFECYCLE, "sub.dunning_since or since, sub.tries,", "at, sub.tries,"),),
        killers=(f"{RULES}::test_it_is_tried_again_on_days_2_7_14_and_21_and_then_ends",),
    ),
    Mutant(
        name="lost-card-asked-again",
        breaks="A card that was refused for good is charged on all days: the bank and the networks fine us.",
        edits=(Edit(LIFECYCLE, "next_try(first, tries, hard=hard)", "next_try(first, tries, hard=False)"),),
        killers=(
            f"{RULES}::test_a_hard_decline_ends_the_tries_and_leaves_the_grace[lost_card]",
            f"{RULES}::test_a_card_that_is_lost_during_the_tries_ends_them",
        ),
    ),
    Mutant(
        name="cancelled-and-charged",
        breaks="Who cancels while a renewal is owed is charged for it at the next try.",
        edits=(
            Edit(
                LIFECYCLE,
                'wished = wished.model_copy(update={"next_try_at": None})',
                'wished = wished.model_copy(update={"reminded": True})',
            ),
        ),
        killers=(f"{RULES}::test_a_cancel_stops_the_tries_at_once",),
    ),
    Mutant(
        name="grace-for-a-year",
        breaks="Who cancels while a year is owed has all of that year for nothing.",
        edits=(
            Edit(
                "domain/standing.py",
                "            return self.dunning_since + RETRIED_ON[-1]\n",
                "            return None\n",
            ),
        ),
        killers=(f"{RULES}::test_what_is_owed_and_called_off_gives_nothing_beyond_its_grace[cancel]",),
    ),
    Mutant(
        name="cards-use-up-the-days",
        breaks="Four cards that are refused within an hour end a subscription that had three weeks of grace.",
        edits=(Edit(LIFECYCLE, "    if not beside:\n", "    if True:\n"),),
        killers=(f"{RULES}::test_a_subscriber_who_tries_card_after_card_loses_none_of_the_days",),
    ),
    Mutant(
        name="paused-time-is-dearer",
        breaks="What is left after a pause counts as all of a period: changes give back what was used.",
        edits=(Edit(LIFECYCLE, "Period(start=sub.period.start + passed, end=", "Period(start=at, end="),),
        killers=(f"{RULES}::test_what_is_left_after_a_pause_is_worth_as_much_as_before",),
    ),
    Mutant(
        name="resumed-twice",
        breaks="Who resumes twice after a pause has a period before it is paid for.",
        edits=(
            Edit(
                LIFECYCLE,
                '"next_number": 0, "paused_at": None})',
                '"next_number": 0})',
            ),
        ),
        killers=(f"{RULES}::test_after_a_pause_with_no_time_left_a_new_period_is_paid_for",),
    ),
    Mutant(
        name="owed-is-forgotten",
        breaks="A renewal takes the place of what is owed and does not ask for it: a change was for nothing.",
        edits=(
            Edit(INVOICING, "(*(open_.lines if open_ is not None else ()), *bill.lines)", "(*bill.lines,)"),
        ),
        killers=(f"{RULES}::test_a_renewal_takes_over_what_is_owed_for_a_change",),
    ),
    Mutant(
        name="credit-lost-on-the-way",
        breaks="What was set against an invoice is gone when another takes its place.",
        edits=(
            Edit(
                INVOICING,
                "held = sub.credit_minor + (open_.totals.credit_applied_minor if open_ is not None else 0)",
                "held = sub.credit_minor",
            ),
            Edit(
                INVOICING,
                "returned = open_.totals.credit_applied_minor if open_ is not None else 0",
                "returned = 0",
            ),
        ),
        killers=(f"{RULES}::test_credit_that_was_set_against_what_is_replaced_is_set_against_the_next",),
    ),
    Mutant(
        name="credit-out-of-nothing",
        breaks="A change gives back the price that a change without a bill had brought: nobody had paid it.",
        edits=(Edit(CHANGES, "sub.billed or sub.terms, sub.period, since", "sub.terms, sub.period, since"),),
        killers=(
            f"{RULES}::test_what_was_not_billed_is_not_given_back_and_what_was_is_not_billed_again",
            ANY_LIFE,
        ),
    ),
    Mutant(
        name="change-before-the-last",
        breaks="A change dated back before another gives back at a price that had not been billed then.",
        edits=(
            Edit(
                CHANGES,
                "    if since < _whole_hours(sub.period, sub.updated_at):",
                "    if since < sub.period.start:",
            ),
        ),
        killers=(f"{RULES}::test_a_change_cannot_be_dated_before_the_last_one",),
    ),
    Mutant(
        name="step-during-a-charge",
        breaks="A step is taken while nobody knows how a charge ends: its money pays a void invoice.",
        edits=(
            Edit("activities/subscription.py", "            if not in_flight:\n", "            if True:\n"),
        ),
        killers=(f"{STEP}::test_nothing_is_done_about_it_while_a_charge_is_on_its_way",),
    ),
)
