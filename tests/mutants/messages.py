"""Guards between us and events that are lost, heard twice under other names, or never given up."""

from tests.mutants.mutant import Edit, Mutant

ENDPOINTS = "tests/stories/test_webhook_endpoints.py"
REGRESSIONS = "tests/reliability/test_regressions.py"
COURIER = "tests/activities/test_courier.py"

MUTANTS = (
    Mutant(
        name="acknowledged-before-stored",
        breaks="A company's event is answered 200 before it is on disk: a crash in between loses it.",
        edits=(
            Edit(
                "api/webhooks.py",
                "    letters: list[tuple[str, Said, Payment]] = []\n    moved: list[SubscriptionRef] = []\n",
                """    later.add_task(_store, here, account, observations, body)
    return Received()


async def _store(here: House, account: object, observations: list, body: bytes) -> Received:
    world, now, later = here.world, here.world.clock(), BackgroundTasks()
    letters, moved = [], []
""",
            ),
        ),
        killers=(f"{REGRESSIONS}::test_an_event_that_could_not_be_stored_is_not_acknowledged",),
    ),
    Mutant(
        name="processed-before-its-effect",
        breaks="An event counts as processed before it took effect: if that fails, resends are swallowed.",
        edits=(
            Edit(
                "api/webhooks.py",
                "                letters.append((letter.hearing, stored, payment))\n",
                """                letters.append((letter.hearing, stored, payment))
                await inbox.processed(tx, letter.id, "seen", now)
""",
            ),
        ),
        killers=(f"{REGRESSIONS}::test_a_poisonous_event_blocks_nobody_and_is_heard_when_it_is_sent_again",),
    ),
    Mutant(
        name="poison-never-dies",
        breaks="An event that can never take effect is tried for ever, and no person ever hears of it.",
        edits=(
            Edit(
                "storage/inbox.py",
                'state=case((last, "DEAD"), else_=inbox.c.state),',
                "state=case((last, inbox.c.state), else_=inbox.c.state),",
            ),
        ),
        killers=(f"{REGRESSIONS}::test_a_poisonous_event_blocks_nobody_and_is_heard_when_it_is_sent_again",),
    ),
    Mutant(
        name="misspelt-signal",
        breaks="Events are sent under a name that no workflow knows: Temporal takes them, and nobody hears.",
        edits=(
            Edit(
                "workflows/messages.py",
                'signal_name="provider_reported",',
                'signal_name="provider_report",',
            ),
        ),
        killers=(f"{REGRESSIONS}::test_every_signal_that_is_sent_has_a_name_that_its_workflow_knows",),
    ),
    Mutant(
        name="new-event-id-per-attempt",
        breaks="Each attempt to deliver an event carries another id: a tenant ships the same order twice.",
        edits=(
            Edit(
                "activities/courier.py",
                "        event = delivery.event\n",
                '        event = delivery.event | {"id": f"{delivery.event[\'id\']}{delivery.attempts}"}\n',
            ),
        ),
        killers=(
            "tests/stories/test_webhooks_out.py::test_an_endpoint_that_stumbles_hears_the_very_same_again",
        ),
    ),
    Mutant(
        name="post-of-disabled-endpoints-dropped",
        breaks="What happens while an endpoint is disabled is never told: the tenant's books miss payments.",
        edits=(
            Edit(
                "storage/events.py",
                '        webhook_endpoints.c.status != "deleted",\n',
                '        webhook_endpoints.c.status == "enabled",\n',
            ),
        ),
        killers=(
            f"{REGRESSIONS}::test_what_happens_while_an_endpoint_is_disabled_is_told_when_it_is_enabled",
        ),
    ),
    Mutant(
        name="one-signature-in-a-rotation",
        breaks="Only the new secret signs in a rotation: who has not changed it yet refuses every webhook.",
        edits=(
            Edit("activities/courier.py", "for secret in self.secrets\n", "for secret in self.secrets[:1]\n"),
        ),
        killers=(f"{COURIER}::test_both_secrets_sign_while_a_rotation_lasts_and_one_afterwards",),
    ),
    Mutant(
        name="410-is-a-failure-like-others",
        breaks="An endpoint that says it is gone is called for five days, ten times for each event.",
        edits=(Edit("domain/delivery.py", "if tried.status == _GONE:", "if False:"),),
        killers=(f"{COURIER}::test_410_disables_an_endpoint_at_once_and_the_others_hear_of_it",),
    ),
    Mutant(
        name="a-success-is-forgotten",
        breaks="Failing is counted from the first failure ever: one bad moment, and one more five days later,"
        " disable an endpoint that works.",
        edits=(
            Edit(
                "domain/delivery.py",
                "return Verdict(next_at=None, failing_since=None, trouble=None)",
                "return Verdict(next_at=None, failing_since=failing_since, trouble=None)",
            ),
        ),
        killers=(f"{COURIER}::test_one_success_and_the_five_days_begin_anew",),
    ),
    Mutant(
        name="a-flood-is-read",
        breaks="An answer is read to its end: interim answers without end stop every payment of the process.",
        edits=(
            Edit(
                "activities/outbound.py",
                "            answer_limit=MAX_ANSWER_BYTES,\n",
                "            answer_limit=None,\n",
            ),
        ),
        killers=(f"{COURIER}::test_of_an_answer_little_is_read_and_less_is_kept",),
    ),
    Mutant(
        name="filter-of-endpoint-ignored",
        breaks="An endpoint is sent every event, whatever it listens to: a mailer writes to users at random.",
        edits=(
            Edit(
                "domain/endpoint.py",
                "return type_ != TEST and (wanted is None or type_ in wanted)",
                "return type_ != TEST",
            ),
        ),
        killers=(f"{ENDPOINTS}::test_an_endpoint_hears_what_it_listens_to_and_no_more",),
    ),
    Mutant(
        name="recovery-past-the-filter",
        breaks="Recovering brings an endpoint the events that it does not listen to, and others' tests.",
        edits=(
            Edit(
                "storage/outbox.py",
                "[row.id for row in recent if hears(endpoint.events, row.type)]",
                "[row.id for row in recent]",
            ),
        ),
        killers=(
            f"{ENDPOINTS}::test_an_endpoint_is_brought_what_it_missed_and_listens_to",
            f"{ENDPOINTS}::test_a_test_of_another_endpoint_is_nothing_that_was_missed",
        ),
    ),
)
