"""Guards of people's sessions, and of what browsers may do for others."""

from tests.mutants.mutant import Edit, Mutant

SESSIONS = "tests/security/test_console.py"
FORMS = "tests/security/test_console_forms.py"
PAGES = "tests/security/test_pages.py"

MUTANTS = (
    Mutant(
        name="forms-without-their-token",
        breaks="A form is heard although nothing shows that it is this session's.",
        edits=(
            Edit(
                "console/guard.py",
                "if request.method not in _READING and not await _holds_token(request, who):",
                "if request.method not in _READING and not await _holds_token(request, who) and False:",
            ),
        ),
        killers=(f"{FORMS}::test_a_form_without_its_own_sessions_token_does_nothing",),
    ),
    Mutant(
        name="forms-from-anywhere",
        breaks="Another site signs a victim in to the attacker's session.",
        edits=(
            Edit(
                "console/guard.py",
                "    return origin is None or origin in ours\n",
                "    return True\n",
            ),
            Edit(
                "console/guard.py",
                '    if site not in {None, "same-origin"} or (site is None and origin is None):\n',
                '    if site == "none":\n',
            ),
        ),
        killers=(
            f"{FORMS}::test_nobody_is_signed_in_from_another_site",
            f"{FORMS}::test_a_form_on_anybody_elses_page_does_nothing",
        ),
    ),
    Mutant(
        name="led-elsewhere",
        breaks="Whoever signs in by a link that was sent to them ends at the sender's.",
        edits=(
            Edit(
                "console/guard.py",
                "return wanted if _PLACE.fullmatch(wanted) else HOME",
                'return wanted if wanted.startswith("/") else HOME',
            ),
        ),
        killers=(
            f"{FORMS}::test_nobody_is_led_to_another_place_by_signing_in",
            f"{FORMS}::test_a_place_of_the_console_is_spelt_in_one_way",
        ),
    ),
    Mutant(
        name="sessions-bound-to-nothing",
        breaks="A session outlives the role and the secret that it was opened with.",
        edits=(
            Edit(
                "api/browsers.py",
                "if not hmac.compare_digest(kept.bound_to, _binding(here, cookie, lock)):",
                "if not kept.bound_to:",
            ),
        ),
        killers=(
            f"{SESSIONS}::test_a_session_ends_when_anything_it_rests_on_has_changed",
            f"{SESSIONS}::test_a_new_admin_key_ends_the_operators_sessions",
        ),
    ),
    Mutant(
        name="sessions-for-ever",
        breaks="A session lives until somebody ends it.",
        edits=(
            Edit(
                "domain/session.py",
                "return now < min(self.ends_at, self.seen_at + IDLE)",
                "return now > self.created_at - IDLE",
            ),
        ),
        killers=(f"{SESSIONS}::test_a_session_ends_when_anything_it_rests_on_has_changed",),
    ),
    Mutant(
        name="anything-inline",
        breaks="Pages run whatever stands in them.",
        edits=(Edit("console/pages.py", "script-src 'self';", "script-src 'self' 'unsafe-inline';"),),
        killers=(f"{PAGES}::test_every_answer_to_a_browser_allows_no_more_than_it_needs",),
    ),
    Mutant(
        name="pages-in-frames",
        breaks="Answers that no page is made of may be put into anybody's frame.",
        edits=(
            Edit(
                "api/edge.py",
                "form-action 'none'; frame-ancestors 'none'\"",
                "form-action 'none'\"",
            ),
        ),
        killers=(f"{PAGES}::test_every_answer_to_a_browser_allows_no_more_than_it_needs",),
    ),
)
