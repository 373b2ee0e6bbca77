"""Guards at the door: what a token has to be, and what its holder may do."""

from tests.mutants.mutant import Edit, Mutant

TOKENS = "tests/security/test_tokens.py"
ROLES = "tests/security/test_roles.py"
FORGED = (
    f"{TOKENS}::test_a_forged_access_token_opens_nothing_and_is_told_nothing",
    f"{TOKENS}::test_a_forged_checkout_token_opens_nothing_and_is_told_nothing",
)
SAYS = f"{TOKENS}::test_a_token_says_of_its_credential_what_is_so"

MUTANTS = (
    Mutant(
        name="tokens-spelt-twice",
        breaks="A token has several spellings: what is kept of one of them misses the others.",
        edits=(
            Edit(
                "api/tokens.py",
                r"""r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")""",
                """r"([^.]+).+")""",
            ),
        ),
        killers=tuple(f"{test}[with another spelling]" for test in FORGED),
    ),
    Mutant(
        name="tokens-of-any-kind",
        breaks="A payer's token is an access token, or the other way about, as soon as its claims allow it.",
        edits=(
            Edit(
                "api/tokens.py",
                "if header == self._header(kind, kid):",
                'if header == self._header(header["typ"], kid):',
            ),
        ),
        killers=(f"{TOKENS}::test_each_kind_of_token_opens_its_own_doors_only",),
    ),
    Mutant(
        name="headers-that-say-more",
        breaks="What a token's header asks for beside its key is passed over, critical or not.",
        edits=(
            Edit(
                "api/tokens.py",
                "if header == self._header(kind, kid):",
                "if header | self._header(kind, kid) == header:",
            ),
        ),
        killers=tuple(f"{test}[with another header]" for test in FORGED),
    ),
    Mutant(
        name="claims-of-any-type",
        breaks='A claim may be "1", true or 1.0 where a number is meant: readers differ in when it ends.',
        edits=(Edit("api/tokens.py", "ConfigDict(strict=True, ", "ConfigDict(strict=False, "),),
        killers=tuple(f"{test}[with other claims]" for test in FORGED),
    ),
    Mutant(
        name="tokens-for-others",
        breaks="A token that is meant for another service, or issued by one with our key, opens this one.",
        edits=(Edit("api/tokens.py", "{said.iss, said.aud} != {self._issuer} or ", ""),),
        killers=tuple(f"{test}[with other claims]" for test in FORGED),
    ),
    Mutant(
        name="one-of-two-tokens",
        breaks="Of two Authorization headers the one counts for us, and perhaps the other for a proxy.",
        edits=(
            Edit(
                "api/deps.py",
                'len(request.headers.getlist("Authorization")) == 1',
                'len(request.headers.getlist("Authorization")) >= 1',
            ),
        ),
        killers=(f"{TOKENS}::test_a_token_is_shown_once_and_in_one_place[twice]",),
    ),
    Mutant(
        name="tokens-outlive-their-credential",
        breaks="A token of before a revocation goes on being good until it runs out: for a day.",
        edits=(
            Edit(
                "api/deps.py",
                "lock is None or lock.credential.revoked or lock.credential.version != claims.version",
                "lock is None",
            ),
        ),
        killers=(
            f"{SAYS}[ver]",
            f"{TOKENS}::test_a_token_that_was_good_is_refused_in_the_same_words_once_its_credential_is_not",
        ),
    ),
    Mutant(
        name="roles-as-the-token-has-them",
        breaks="Nobody asks whether the credential has the role that its token says.",
        edits=(
            Edit(
                "api/deps.py",
                "(lock.credential.name, lock.credential.role) != (who.name, who.role)",
                "lock.credential.name != who.name",
            ),
        ),
        killers=(f"{SAYS}[role]",),
    ),
    Mutant(
        name="every-role-may",
        breaks="A role is declared and not asked for: whoever may read may pay out and make owners.",
        edits=(
            Edit("api/deps.py", "        if who.role not in roles:\n", "        if who.role not in Role:\n"),
        ),
        killers=tuple(
            f"{ROLES}::test_a_role_may_do_what_it_is_for_and_nothing_else[{role}]"
            for role in ("operator", "approver", "readonly")
        ),
    ),
    Mutant(
        name="a-door-too-wide",
        breaks="One route forgets that it is for owners: whoever may read locks everybody else out.",
        edits=(
            Edit(
                "api/credentials.py",
                "async def revoke_credential(credential_id: str, who: Owner,",
                "async def revoke_credential(credential_id: str, who: AnyCaller,",
            ),
        ),
        killers=(
            f"{ROLES}::test_every_route_declares_the_one_thing_that_opens_it",
            f"{ROLES}::test_a_role_may_do_what_it_is_for_and_nothing_else[readonly]",
        ),
    ),
    Mutant(
        name="tokens-of-any-length",
        breaks="However long a token is, it is read: whoever sends long ones keeps us busy.",
        edits=(Edit("api/tokens.py", "_LONGEST: Final = 4096", "_LONGEST: Final = 1_000_000"),),
        killers=tuple(f"{test}[with other claims]" for test in FORGED),
    ),
)
