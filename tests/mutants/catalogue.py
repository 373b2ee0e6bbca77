"""All mutants. What is guarded by something not built yet waits for it."""

from tests.mutants import (
    adapters,
    asking,
    books,
    changing,
    companies,
    evidence,
    eyes,
    floods,
    forgetting,
    lives,
    messages,
    mirror,
    money,
    papers,
    paying,
    people,
    routing,
    seals,
    selling,
    tokens,
    using,
    walls,
)
from tests.mutants.mutant import Mutant, Waiting

MUTANTS = (
    *(*money.MUTANTS, *eyes.MUTANTS, *messages.MUTANTS),
    *(*walls.MUTANTS, *tokens.MUTANTS, *evidence.MUTANTS, *books.MUTANTS),
    *(*floods.MUTANTS, *forgetting.MUTANTS),
    *(*routing.MUTANTS, *companies.MUTANTS, *adapters.MUTANTS),
    *(*selling.MUTANTS, *papers.MUTANTS, *using.MUTANTS, *mirror.MUTANTS),
    *(*changing.MUTANTS, *lives.MUTANTS),
    *(*paying.MUTANTS, *asking.MUTANTS, *seals.MUTANTS, *people.MUTANTS),
)
WAITING: tuple[Waiting, ...] = ()
ALL: tuple[Mutant | Waiting, ...] = (*MUTANTS, *WAITING)
