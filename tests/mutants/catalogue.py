"""All mutants. What is guarded by something not built yet waits for it."""

from tests.mutants import books, messages, money, walls
from tests.mutants.mutant import Waiting

MUTANTS = (*money.MUTANTS, *messages.MUTANTS, *walls.MUTANTS, *books.MUTANTS)
WAITING = (
    Waiting(
        name="unchained-audit",
        breaks="Records of the audit trail do not seal the ones before: one can be changed without a trace.",
        waits_for="audit records are append-only, but not yet sealed into a chain",
    ),
)
