"""Mutants of how often somebody may ask."""

from typing import Final

from tests.mutants.mutant import Edit, Mutant

FLOODS: Final = "tests/security/test_floods.py"
LIMITS: Final = "tests/security/test_limits.py"

MUTANTS: Final = (
    Mutant(
        name="each-process-counts-for-itself",
        breaks="Processes do not know of each other's: with four of them there are forty logins a minute.",
        edits=(
            Edit(
                "serve.py",
                "from api.limits import Limits, Windows\n",
                "from api.limits import Limits, OwnWindows, Windows\n",
            ),
            Edit(
                "serve.py",
                "yield DatabaseWindows(world.database, world.clock)",
                "yield OwnWindows(world.clock)",
            ),
        ),
        killers=(
            f"{FLOODS}::test_two_apis_count_a_tenants_requests_together_and_leave_others_alone",
            f"{FLOODS}::test_an_eleventh_login_within_a_minute_has_to_wait[wrong]",
        ),
    ),
    Mutant(
        name="tickets-that-last",
        breaks="A process keeps its tickets: after a pause all of them let in twice the rate at once.",
        edits=(Edit("api/limits.py", "held.left > 0 and self._clock() < held.until", "held.left > 0"),),
        killers=(f"{LIMITS}::test_tickets_that_were_not_used_in_time_let_nobody_in",),
    ),
    Mutant(
        name="a-minute-that-begins-anew",
        breaks="A full window is emptied when its newest entry is as old as the window, not its oldest.",
        edits=(
            Edit(
                "storage/windows.py",
                "        OR kept.entered_at[CAST(:others AS integer) + 1] <= :left_at\n",
                "        OR kept.entered_at[1] <= :now - interval '1 second'\n",
            ),
        ),
        killers=(f"{LIMITS}::test_in_the_database_what_came_first_leaves_first_and_is_forgotten",),
    ),
    Mutant(
        name="strangers-fill-the-record",
        breaks="Every forged webhook is a line of its tenant's audit trail, as many as a botnet sends.",
        edits=(
            Edit(
                "api/affairs.py",
                "        await limits.spend(Scope.CLAIM, deed.tenant_id)\n",
                "",
            ),
        ),
        killers=(f"{FLOODS}::test_people_who_prove_nothing_cannot_bury_what_is_on_record",),
    ),
    Mutant(
        name="addresses-of-ones-own-choice",
        breaks="Anybody's X-Forwarded-For is believed: each request of a flood comes from somewhere else.",
        edits=(
            Edit(
                "serve.py",
                "forwarded_allow_ips=list(settings.trusted_proxies)",
                'forwarded_allow_ips="*"',
            ),
        ),
        killers=(f"{LIMITS}::test_where_a_request_came_from_only_proxies_that_are_trusted_can_say",),
    ),
)
