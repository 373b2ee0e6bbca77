"""Guards between tenants, against forged words, and between us and addresses that are not for us."""

from tests.mutants.mutant import Edit, Mutant

ISOLATION = "tests/storage/test_isolation.py"
OWNERSHIP = "tests/storage/test_ownership.py"
REGRESSIONS = "tests/reliability/test_regressions.py"
OUTBOUND = "tests/activities/test_outbound.py"

MUTANTS = (
    Mutant(
        name="session-level-tenant",
        breaks="The tenant is set for the connection: whoever gets that next sees another's rows.",
        edits=(
            Edit(
                "storage/database.py",
                "set_config('app.tenant_id', :tenant, true)",
                "set_config('app.tenant_id', :tenant, false)",
            ),
        ),
        killers=(
            f"{ISOLATION}::test_a_tenants_setting_ends_with_its_transaction",
            f"{ISOLATION}::test_a_tenants_setting_ends_with_a_transaction_that_failed",
        ),
    ),
    Mutant(
        name="a-table-without-walls",
        breaks="One table has no row-level security: a query without its tenant shows everybody's rights.",
        edits=(
            Edit(
                "storage/migrations/versions/0001_the_house.py",
                "        isolate(table, privileges)\n",
                """        if table == "entitlements":
            op.execute(f"GRANT {privileges} ON {table} TO {RUNTIME}")
            op.execute(f"GRANT SELECT ON {table} TO {SYSTEM}")
            continue
        isolate(table, privileges)
""",
            ),
        ),
        killers=(
            f"{ISOLATION}::test_row_security_is_on_and_binds_the_owner_too[entitlements]",
            f"{ISOLATION}::test_a_tenant_sees_its_own_rows_and_no_others[entitlements]",
        ),
    ),
    Mutant(
        name="statements-without-filters",
        breaks="A tenant's queries ask for everybody's rows: one wrong role in an address, and all lie open.",
        edits=(
            Edit(
                "storage/ownership.py",
                "query = query.where(*(rule for each in query.get_final_froms() for rule in _rules(each)))",
                "pass",
            ),
        ),
        killers=(f"{OWNERSHIP}::test_two_transactions_at_once_are_two_tenants",),
    ),
    Mutant(
        name="an-upsert-takes-anothers-row",
        breaks="Whoever guesses the key of another tenant's row overwrites it by adding one of their own.",
        edits=(
            Edit(
                "storage/ownership.py",
                "met.update_whereclause = mine if where is None else where & mine",
                "met.update_whereclause = where",
            ),
        ),
        killers=(f"{OWNERSHIP}::test_a_row_of_anothers_that_is_in_the_way_stays_as_it_is",),
    ),
    Mutant(
        name="disputed-rights-kept",
        breaks="A right stays while its payment is disputed, and when that is lost: goods for nothing.",
        edits=(
            Edit(
                "storage/entitlements.py",
                "        payments.c.dispute_status.not_in(DISPUTED),\n",
                "",
            ),
        ),
        killers=(
            f"{REGRESSIONS}::test_a_right_rests_while_its_payment_is_disputed_and_when_the_dispute_is_lost",
        ),
    ),
    Mutant(
        name="refunded-while-disputed",
        breaks="A refund that waits is sent although the bank has the money by now: it goes back twice.",
        edits=(
            Edit(
                "activities/refund.py",
                "        if attempt.disputed:\n",
                "        if attempt.disputed and False:\n",
            ),
        ),
        killers=("tests/stories/test_disputes.py::test_a_refund_on_its_way_stops_at_a_dispute",),
    ),
    Mutant(
        name="dispute-goes-back",
        breaks="A late word reopens a dispute that is over: the books hold what the bank has let go.",
        edits=(
            Edit(
                "domain/dispute.py",
                "    if state is None or _RANK[to] > _RANK[state]:\n",
                "    if state is None or to is not state:\n",
            ),
            Edit(
                "domain/dispute.py",
                "    return [state for state in D if _RANK[state] < _RANK[to]]\n",
                "    return [state for state in D if state is not to]\n",
            ),
        ),
        killers=(
            "tests/domain/test_dispute_rules.py::test_in_whatever_order_it_is_heard_it_ends_alike_and_so_do_the_books",
        ),
    ),
    Mutant(
        name="redirects-followed",
        breaks="A tenant's endpoint sends us on to wherever it likes, an address inside our own network too.",
        edits=(Edit("activities/outbound.py", "follow_redirects=False,", "follow_redirects=True,"),),
        killers=(f"{OUTBOUND}::test_a_redirect_is_an_answer_not_an_order",),
    ),
    Mutant(
        name="address-checked-once",
        breaks="An address is judged at registration only: the name points into our own network later on.",
        edits=(
            Edit(
                "activities/outbound.py",
                "addresses = await self.judged(host, port)\n        except TimeoutError",
                "addresses = await self.look_up(host, port)\n        except TimeoutError",
            ),
        ),
        killers=(
            f"{OUTBOUND}::test_one_bad_address_refuses_the_whole_name[['127.0.0.1']]",
            f"{OUTBOUND}::test_one_bad_address_refuses_the_whole_name[['8.8.8.8', '127.0.0.1']]",
        ),
    ),
    Mutant(
        name="signatures-compared-with-equals",
        breaks="How long a wrong signature takes tells how much of it was right: it can be guessed.",
        edits=(
            Edit(
                "domain/signatures.py", "sum(hmac.compare_digest(ours, theirs) for", "sum(ours == theirs for"
            ),
        ),
        killers=("tests/domain/test_signatures.py::test_no_signature_is_compared_with_equals",),
    ),
)
