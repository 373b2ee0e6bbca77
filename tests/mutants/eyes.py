"""Guards that make two people out of two."""

from tests.mutants.mutant import Edit, Mutant

APPROVALS = "tests/stories/test_approvals.py"
WAITING = "tests/reliability/test_approvals.py"
STORED = "tests/storage/test_four_eyes.py"

MUTANTS = (
    Mutant(
        name="asker-decides",
        breaks="Nobody looks who asked: an approver that may ask as well decides about its own wishes.",
        edits=(
            Edit(
                "domain/approval.py",
                "    if who.credential_id == approval.requester_credential_id:\n",
                "    if who.credential_id == approval.payment_id:\n",
            ),
        ),
        killers=(
            f"{APPROVALS}::test_nobody_decides_about_what_they_asked_for_and_only_approvers_about_the_rest",
        ),
    ),
    Mutant(
        name="anybody-approves",
        breaks="Any second credential approves: two operators give back whatever they like.",
        edits=(
            Edit(
                "domain/approval.py",
                "    if who.role is not Role.APPROVER:\n",
                "    if who.role is Role.READONLY:\n",
            ),
        ),
        killers=(
            f"{APPROVALS}::test_nobody_decides_about_what_they_asked_for_and_only_approvers_about_the_rest",
        ),
    ),
    Mutant(
        name="threshold-itself-needs-two",
        breaks="A refund of exactly the threshold waits for somebody, though only more than it should.",
        edits=(
            Edit(
                "domain/tenant.py",
                "refund.amount_minor > threshold",
                "refund.amount_minor >= threshold",
            ),
        ),
        killers=(f"{APPROVALS}::test_a_refund_of_exactly_the_threshold_needs_nobody_else",),
    ),
    Mutant(
        name="decided-after-its-time",
        breaks="An approval whose time is up can be given all the same, until somebody has ended it.",
        edits=(
            Edit(
                "storage/approvals.py",
                "        guard = and_(guard, approvals.c.expires_at > now)\n",
                "        guard = and_(guard, approvals.c.expires_at.is_not(None))\n",
            ),
        ),
        killers=(f"{WAITING}::test_after_its_time_nobody_approves_though_it_has_not_been_ended_yet",),
    ),
    Mutant(
        name="the-last-decision-counts",
        breaks="A decision can be made anew: what was rejected is approved, what went out is rejected.",
        edits=(
            Edit(
                "storage/approvals.py",
                "    guard = and_(approvals.c.id == asked.id, approvals.c.state == ApprovalState.PENDING)\n",
                "    guard = and_(approvals.c.id == asked.id)\n",
            ),
            Edit(
                "storage/migrations/versions/0006_four_eyes.py",
                "WHEN (OLD.state <> 'PENDING' AND ",
                "WHEN (false AND ",
            ),
        ),
        killers=(f"{APPROVALS}::test_a_decision_may_be_repeated_and_not_changed",),
    ),
    Mutant(
        name="terms-can-change",
        breaks="An amount can be changed after somebody approved it: two agree, a third thing happens.",
        edits=(
            Edit(
                "storage/migrations/versions/0006_four_eyes.py",
                "WHEN (({before}) IS DISTINCT FROM ({after}))",
                "WHEN (false AND ({before}) IS DISTINCT FROM ({after}))",
            ),
        ),
        killers=(
            f"{STORED}::test_not_even_a_superuser_changes_what_a_refund_is_of[currency = 'EUR']",
            f"{STORED}::test_not_even_a_superuser_changes_what_an_approval_is_of[currency = 'EUR']",
        ),
    ),
    Mutant(
        name="rejected-money-stays-reserved",
        breaks="What was rejected cannot be asked for again: its amount counts as on its way for ever.",
        edits=(
            Edit(
                "domain/refund.py",
                "RELEASED: Final = frozenset({R.FAILED, R.REJECTED})",
                "RELEASED: Final = frozenset({R.FAILED})",
            ),
        ),
        killers=(f"{APPROVALS}::test_what_is_rejected_stays_and_may_be_asked_for_again",),
    ),
)
