"""Guards that all adapters share, and what the conformance suite says when one of them lacks one."""

from tests.mutants.mutant import Edit, Mutant

FAILURES = "tests/providers/test_conformance_failures.py"
ANSWERS = "tests/providers/test_conformance_answers.py"
REQUESTS = "tests/providers/test_conformance_requests.py"
WEBHOOKS = "tests/providers/test_conformance_webhooks.py"

MUTANTS = (
    Mutant(
        name="lost-is-not-sent",
        breaks="A write that a company met with 500 counts as never sent, and is sent as something new.",
        edits=(Edit("providers/wire.py", "raise lost(told)", "raise ProviderUnavailable(told)"),),
        killers=(f"{FAILURES}::test_every_failure_of_every_request_is_told_apart[sandbox-500]",),
    ),
    Mutant(
        name="unreadable-is-refused",
        breaks="What a company did and answered with nothing counts as refused.",
        edits=(
            Edit(
                "providers/wire.py",
                'raise lost(f"{told}, but not with a JSON object")',
                "raise ProviderRejected(told)",
            ),
        ),
        killers=(f"{FAILURES}::test_every_failure_of_every_request_is_told_apart[sandbox-204]",),
    ),
    Mutant(
        name="nonsense-escapes",
        breaks="An answer that nobody foresaw ends in an exception that nobody catches.",
        edits=(
            Edit("providers/base.py", "except ILLEGIBLE as error:", "except ZeroDivisionError as error:"),
        ),
        killers=(f"{ANSWERS}::test_nonsense_in_an_answer_is_never_believed[sandbox]",),
    ),
    Mutant(
        name="another-request-the-second-time",
        breaks="A refund that is sent again has a key of its own, and is made again.",
        edits=(
            Edit(
                "providers/stripe/adapter.py",
                '{"idempotency_key": refund.id}',
                '{"idempotency_key": requests.anew("refund", refund.id, now)}',
            ),
        ),
        killers=(
            f"{REQUESTS}::test_a_write_that_is_repeated_is_the_same_to_the_byte_and_so_is_its_key[stripe]",
        ),
    ),
    Mutant(
        name="a-webhook-from-the-future",
        breaks="An event signed for next year is believed until then, as often as it is played.",
        edits=(
            Edit(
                "providers/stripe/events.py",
                "if abs(int(now.timestamp()) - int(times[0])) >",
                "if int(now.timestamp()) - int(times[0]) >",
            ),
        ),
        killers=(f"{WEBHOOKS}::test_it_may_be_five_minutes_old_or_early_and_not_a_second_more[stripe]",),
    ),
)
