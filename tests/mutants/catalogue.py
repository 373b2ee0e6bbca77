"""All mutants. What is guarded by something not built yet waits for it."""

from tests.mutants import (
    adapters,
    asking,
    books,
    changing,
    companies,
    evidence,
    eyes,
    lives,
    messages,
    mirror,
    money,
    papers,
    paying,
    people,
    routing,
    selling,
    using,
    walls,
)
from tests.mutants.mutant import Mutant, Waiting

MUTANTS = (
    *(*money.MUTANTS, *eyes.MUTANTS, *messages.MUTANTS),
    *(*walls.MUTANTS, *evidence.MUTANTS, *books.MUTANTS),
    *(*routing.MUTANTS, *companies.MUTANTS, *adapters.MUTANTS),
    *(*selling.MUTANTS, *papers.MUTANTS, *using.MUTANTS, *mirror.MUTANTS),
    *(*changing.MUTANTS, *lives.MUTANTS),
    *(*paying.MUTANTS, *asking.MUTANTS, *people.MUTANTS),
)
WAITING: tuple[Waiting, ...] = ()
ALL: tuple[Mutant | Waiting, ...] = (*MUTANTS, *WAITING)
