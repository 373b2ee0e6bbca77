"""Guards of the record of what happened."""

from tests.mutants.mutant import Edit, Mutant

CHAIN = "tests/domain/test_chain.py"
CUSTODY = "tests/storage/test_custody.py"

MUTANTS = (
    Mutant(
        name="unchained-audit",
        breaks="Records of the audit trail do not seal the ones before: one can be changed without a trace.",
        edits=(
            Edit(
                "domain/chain.py",
                "return sha256(_LINK + previous + leaf_hash).digest()",
                "return sha256(_LINK + leaf_hash).digest()",
            ),
        ),
        killers=(f"{CHAIN}::test_a_link_seals_everything_before_it",),
    ),
    Mutant(
        name="strangers-sealed",
        breaks="A record that is slipped in among old ones gets the next seal, and looks like all others.",
        edits=(
            Edit(
                "storage/sealing.py",
                "    return [audit_records.c.id > settled, audit_records.c.at >= last.latest - IN_FLIGHT]\n",
                "    return [audit_records.c.id > settled - settled]\n",
            ),
        ),
        killers=(
            f"{CUSTODY}::test_a_record_slipped_in_is_found_where_it_says_it_was_written_and_is_not_sealed",
            f"{CUSTODY}::test_a_record_slipped_in_between_two_ids_is_found_whatever_time_it_bears",
        ),
    ),
    Mutant(
        name="any-key-trusted",
        breaks="A proof is believed by the key it brings along: whoever forges it signs it as well.",
        edits=(
            Edit(
                "evidence.py",
                "Keyring(brought if key is None else _keys(key))",
                "Keyring(brought + (_keys(key) if key else []))",
            ),
        ),
        killers=(
            "tests/stories/test_proof.py::test_a_bundle_signed_anew_by_somebody_else_is_not_believed",
            "tests/stories/test_proof.py::test_another_key_is_not_believed",
        ),
    ),
)
