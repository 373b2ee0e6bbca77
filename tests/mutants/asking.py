"""Guards of the client that tenants ask with."""

from tests.mutants.mutant import Edit, Mutant

CLIENT = "client/paysaga_client"

MUTANTS = (
    Mutant(
        name="everything-is-asked-again",
        breaks="A request without a key is sent again after a lost answer: two plans, two secrets.",
        edits=(
            Edit(f"{CLIENT}/retry.py", "may = repeatable or isinstance(outcome, _NEVER_SENT)", "may = True"),
            Edit(
                f"{CLIENT}/retry.py",
                "return helps and (repeatable or outcome.status_code < 500)",
                "return helps",
            ),
        ),
        killers=(
            "tests/client/test_retries.py::test_what_would_be_done_twice_is_sent_once[asynchronous-trouble0]",
        ),
    ),
    Mutant(
        name="a-login-per-task",
        breaks="A shop that starts under load logs in a hundred times at once, and all of it is hashing.",
        edits=(
            Edit(f"{CLIENT}/_async/session.py", "        async with self._lock:\n", "        if True:\n"),
        ),
        killers=("tests/client/test_login.py::test_a_hundred_tasks_share_one_login",),
    ),
    Mutant(
        name="secret-in-the-traceback",
        breaks="A tenant's error tracker shows the secret to whoever may read its reports.",
        edits=(Edit(f"{CLIENT}/wire.py", "field(default=None, repr=False)", "None"),),
        killers=(
            "tests/client/test_login.py::test_the_secret_and_the_token_are_shown_nowhere[asynchronous-ends0]",
        ),
    ),
    Mutant(
        name="old-webhooks-are-believed",
        breaks="Whoever saw a webhook sends it to the shop again, years later, and it is taken for news.",
        edits=(Edit(f"{CLIENT}/webhooks.py", "    if abs(age) > tolerance:\n", "    if not tolerance:\n"),),
        killers=("tests/client/test_webhooks.py::test_nothing_is_read_before_it_is_believed",),
    ),
)
