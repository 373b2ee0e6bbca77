"""Guards between us and money that moves twice, or whose end is made up."""

from tests.mutants.mutant import Edit, Mutant

REGRESSIONS = "tests/reliability/test_regressions.py"
EVIDENCE = "tests/stories/test_evidence.py"
UNKNOWN = "tests/reliability/test_unknown.py"
ZOMBIE = "tests/reliability/test_zombie.py"

MUTANTS = (
    Mutant(
        name="random-provider-key",
        breaks="Each request to a company carries another key: sent twice, it makes two checkouts.",
        edits=(
            Edit(
                "providers/sandbox/adapter.py",
                'self._once("/v1/checkout_sessions", order.payment_id, wanted)',
                'self._once("/v1/checkout_sessions", __import__("secrets").token_hex(8), wanted)',
            ),
        ),
        killers=(f"{REGRESSIONS}::test_a_retry_under_another_key_does_not_charge_again",),
    ),
    Mutant(
        name="no-unique-key",
        breaks="The database takes an idempotency key twice: requests that race make two payments.",
        edits=(
            Edit(
                "storage/tables/money.py",
                """    at("expires_at"),
    UniqueConstraint("tenant_id", "idempotency_key"),
""",
                """    at("expires_at"),
""",
            ),
            Edit(
                "storage/migrations/versions/0001_the_house.py",
                """        sa.UniqueConstraint(
            "tenant_id", "idempotency_key", name=op.f("uq_payments_tenant_id_idempotency_key")
        ),
""",
                "",
            ),
        ),
        killers=("tests/stories/test_create.py::test_ten_requests_at_once_with_one_key_make_one_payment",),
    ),
    Mutant(
        name="read-then-insert-refund",
        breaks="A refund looks first what is left, and reserves later: two that race give back too much.",
        edits=(
            Edit(
                "storage/refunds.py",
                "    reserved = (\n",
                """    seen = (await tx.execute(select(payments).where(payments.c.id == payment.id))).one()
    if seen.refund_reserved + amount > seen.captured_minor:
        raise RefundExceedsCaptured(paymentId=payment.id)
    reserved = (
""",
            ),
            Edit(
                "storage/refunds.py",
                "                payments.c.refund_reserved + amount <= payments.c.captured_minor,\n",
                "",
            ),
            Edit(
                "storage/refunds.py",
                ".values(refund_reserved=payments.c.refund_reserved + amount,",
                ".values(refund_reserved=seen.refund_reserved + amount,",
            ),
        ),
        killers=(f"{REGRESSIONS}::test_refunds_that_race_never_exceed_what_was_captured",),
    ),
    Mutant(
        name="reservation-not-checked",
        breaks="A refund reserves whatever it likes: callers see a constraint of our database as our error.",
        edits=(
            Edit(
                "storage/refunds.py",
                "                payments.c.refund_reserved + amount <= payments.c.captured_minor,\n",
                "",
            ),
        ),
        killers=(f"{REGRESSIONS}::test_refunds_that_race_never_exceed_what_was_captured",),
    ),
    Mutant(
        name="expired-without-asking",
        breaks="The deadline says EXPIRED without asking the company: whoever paid just before gets nothing.",
        edits=(
            Edit(
                "activities/payment.py",
                "        said = await self._look(inquiry)\n        return await",
                """        said = Observation(
            word=Word.EXPIRED,
            raw_state="expired",
            channel="close",
            cause_id="deadline",
            observed_at=self._world.clock(),
        )
        return await""",
            ),
        ),
        killers=(
            "tests/stories/test_payments.py::test_the_provider_is_asked_before_a_payment_is_called_expired",
        ),
    ),
    Mutant(
        name="failed-overwrites-succeeded",
        breaks="A late word of failure undoes a success: the money is here, and the right is gone.",
        edits=(
            Edit("domain/payment.py", "S.SUCCEEDED: frozenset(),", "S.SUCCEEDED: frozenset({S.FAILED}),"),
            Edit(
                "domain/verdicts.py",
                "    if standing.status in ENDED:\n",
                "    if standing.status in ENDED and said.word is not Word.FAILED:\n",
            ),
        ),
        killers=("tests/stories/test_webhook_matching.py::test_nothing_undoes_a_success[complete/failed]",),
    ),
    Mutant(
        name="silence-is-failure",
        breaks="A company that does not answer at the deadline fails the payment, though its money moved.",
        edits=(
            Edit(
                "domain/verdicts.py",
                'return Verdict(to=S.UNKNOWN if had_to_know else None, note="unclear")',
                'return Verdict(to=S.FAILED if had_to_know else None, note="unclear")',
            ),
        ),
        killers=(
            f"{REGRESSIONS}::test_a_last_question_that_is_refused_does_not_fail_a_payment_whose_money_moved",
        ),
    ),
    Mutant(
        name="one-no-counts-for-all",
        breaks="A refusal fails the payment although an earlier call may have made a checkout.",
        edits=(
            Edit(
                "activities/opening.py",
                "attempt = _Attempt(payment, call, certain=call.first)",
                "attempt = _Attempt(payment, call, certain=True)",
            ),
        ),
        killers=(f"{EVIDENCE}::test_a_no_says_nothing_of_an_earlier_call_whose_answer_was_lost",),
    ),
    Mutant(
        name="resend-without-search",
        breaks="A request whose answer was lost is sent again unseen: a company without keys makes another.",
        edits=(
            Edit(
                "activities/opening.py",
                "    if not attempt.call.first and Capability.FIND_BY_REFERENCE in provider.capabilities:\n",
                "    if attempt.payment is None:\n",
            ),
        ),
        killers=(
            f"{UNKNOWN}::test_a_company_without_keys_is_asked_what_it_has_before_it_is_asked_again[reset]",
        ),
    ),
    Mutant(
        name="lease-ignored",
        breaks="Two workers may call about the same thing at once: each finds nothing, and both send.",
        edits=(
            Edit(
                "storage/calls.py",
                "    return or_(table.c.busy_until.is_(None), table.c.busy_until < func.clock_timestamp())\n",
                "    return or_(table.c.busy_until.is_(None), literal(value=True))\n",
            ),
        ),
        killers=(
            f"{ZOMBIE}::test_while_one_has_leave_to_ask_for_a_checkout_nobody_else_asks",
            f"{ZOMBIE}::test_while_one_has_leave_to_ask_for_a_refund_nobody_else_asks",
        ),
    ),
    Mutant(
        name="age-ignored",
        breaks="A worker that overslept its leave sends all the same: a second checkout, that can be paid.",
        edits=(
            Edit("providers/wire.py", " and time.monotonic() > self._stale_at:", " and self._line is None:"),
        ),
        killers=(f"{ZOMBIE}::test_who_slept_with_leave_to_ask_for_a_checkout_asks_no_more_when_another_has",),
    ),
    Mutant(
        name="two-payable-checkouts",
        breaks="The database takes a second checkout of a payment while the first can be paid.",
        edits=(
            Edit(
                "storage/tables/money.py",
                '"one_payable_checkout_per_payment",\n        "payment_id",\n        unique=True,',
                '"one_payable_checkout_per_payment",\n        "payment_id",\n        unique=False,',
            ),
            Edit(
                "storage/migrations/versions/0002_whatever_breaks.py",
                '["payment_id"],\n        unique=True,',
                '["payment_id"],\n        unique=False,',
            ),
        ),
        killers=("tests/storage/test_guards.py::test_a_payment_has_one_checkout_that_can_be_paid",),
    ),
    Mutant(
        name="accepted-money-goes-back",
        breaks="Late money is refunded although the tenant accepts it: the payer is told yes, then no.",
        edits=(
            Edit(
                "domain/verdicts.py",
                "    if policy is LatePolicy.REFUND or ",
                "    if policy is not LatePolicy.HOLD or ",
            ),
        ),
        killers=(
            "tests/domain/test_late_money_rules.py::test_each_policy_does_with_late_money_as_it_says[CANCELLED]",
        ),
    ),
)
