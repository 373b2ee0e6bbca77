"""Guards between us and two companies that both could be paid, or one that must not be asked."""

from tests.mutants.mutant import Edit, Mutant

NO_TURN = (
    "tests/reliability/test_failover.py"
    "::test_the_next_has_no_turn_while_nobody_knows_whether_there_is_a_checkout"
)
LINE = "tests/providers/test_line.py"
ROUTING = "tests/stories/test_routing.py"
HEALTH = "tests/stories/test_health.py"

MUTANTS = (
    Mutant(
        name="failover-on-a-reused-key",
        breaks="A key that was used before counts as a no: the next company makes a second checkout.",
        edits=(
            Edit(
                "activities/opening.py",
                "    except (ProviderConflict, ProviderKeyReused) as met:\n        # Not this request",
                "    except ProviderConflict as met:\n        # Not this request",
            ),
        ),
        killers=(f"{NO_TURN}[ProviderKeyReused]",),
    ),
    Mutant(
        name="refused-and-sent-again",
        breaks="Credentials that a company does not accept are sent with every call, as if somebody guessed.",
        edits=(
            Edit(
                "providers/line.py",
                "        self._met_with(refused, Health.REFUSED)\n        self._close()\n",
                "        self._met_with(refused, Health.REFUSED)\n",
            ),
        ),
        killers=(f"{LINE}::test_new_credentials_are_tried_at_once_and_the_old_line_is_forgotten",),
    ),
    Mutant(
        name="repeat-routed-anew",
        breaks="Settings that changed refuse the repeat of a payment that is there: its answer is lost.",
        edits=(
            Edit(
                "api/payments.py",
                "            if known is None:\n                raise\n            return known, False\n",
                "            raise\n",
            ),
        ),
        killers=(f"{ROUTING}::test_a_repeat_meets_its_payment_whatever_was_settled_since",),
    ),
    Mutant(
        name="unable-company-asked",
        breaks="An alternative that cannot take the currency has a turn, and fails what another would take.",
        edits=(
            Edit(
                "api/routing.py",
                "for name, stands_in_the_way in obstacles.items() if stands_in_the_way is None]",
                "for name in obstacles]",
            ),
        ),
        killers=(f"{ROUTING}::test_those_who_cannot_take_a_payment_are_no_alternatives_either",),
    ),
    Mutant(
        name="blamed-for-old-credentials",
        breaks="What was said of credentials that are gone counts against those that were set since.",
        edits=(
            Edit(
                "storage/health.py",
                '\n        & (said.credentials == func.encode(func.sha256(of.secrets), "hex"))',
                "",
            ),
        ),
        killers=(f"{HEALTH}::test_refused_credentials_are_seen_by_everyone_until_others_are_set",),
    ),
)
