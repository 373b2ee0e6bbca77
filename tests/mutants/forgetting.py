"""Mutants of what is taken away, and of what must outlive its store."""

from tests.mutants.mutant import Edit, Mutant

RETENTION = "tests/storage/test_retention.py"
ARCHIVE = "tests/workflows/test_archive.py"
MIGRATIONS = "tests/storage/test_migrations.py"
READY = "test_a_release_is_ready_on_the_schema_of_the_next_one_and_not_on_an_older_one"
FORGOTTEN = "storage/migrations/versions/0021_what_is_forgotten.py"

MUTANTS = (
    Mutant(
        name="unheard-words-forgotten",
        breaks="An event that a person has yet to look at loses what the provider said.",
        edits=(
            Edit("storage/retention.py", '(inbox.c.state == "PROCESSED") & (', "("),
            Edit(FORGOTTEN, "AND OLD.state = 'PROCESSED' AND NEW.state = 'PROCESSED'", ""),
        ),
        killers=(f"{RETENTION}::test_what_is_younger_or_not_yet_in_effect_keeps_its_body",),
    ),
    Mutant(
        name="fresh-evidence-can-go",
        breaks="Whoever has the application's password takes away what a provider said this morning.",
        edits=(Edit(FORGOTTEN, "AND OLD.processed_at < now() - interval '90 days'", ""),),
        killers=(f"{RETENTION}::test_a_body_that_is_young_or_needed_is_taken_by_nobody[PROCESSED-89.0]",),
    ),
    Mutant(
        name="evidence-without-a-hash",
        breaks="A body goes and leaves another hash: nobody can show any more what was said.",
        edits=(Edit(FORGOTTEN, "AND NEW.body_sha256 = encode(sha256(OLD.body), 'hex')", ""),),
        killers=(f"{RETENTION}::test_evidence_is_not_changed_whoever_asks[body = NULL]",),
    ),
    Mutant(
        name="waiting-deliveries-lose-their-past",
        breaks="Nobody can see any more why a delivery that still goes out has failed so far.",
        edits=(
            Edit(
                "storage/retention.py",
                'deliveries.c.id.in_(delivery_ids), deliveries.c.state != "PENDING"',
                "deliveries.c.id.in_(delivery_ids)",
            ),
        ),
        killers=(f"{RETENTION}::test_what_may_still_go_out_keeps_all_its_attempts",),
    ),
    Mutant(
        name="migrating-empties-the-service",
        breaks="As soon as the next release's migrations have run, no process of this one is ready any more.",
        edits=(
            Edit(
                "storage/schema.py",
                "present is not None and present not in _EARLIER",
                "bool(present == _KNOWN[0])",
            ),
        ),
        killers=(f"{MIGRATIONS}::{READY}",),
    ),
    Mutant(
        name="archivists-in-each-others-way",
        breaks="Two workers write the same files at once, and one remembers what the other has not written.",
        edits=(Edit("workflows/archive.py", "yield False", "yield True"),),
        killers=(f"{ARCHIVE}::test_of_several_archivists_one_works_at_a_time",),
    ),
)
