"""What a migration may not do while an older release is running, told from the SQL it would send.

A migration that has to break a rule says why: ``BREAKS = {"the rule": "the reason"}``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations

_TABLE: Final = r'(?:IF EXISTS |ONLY )*"?\w+"?'
_ABOUT: Final = re.compile(r'\b(?:TABLE|ON|UPDATE|FROM) (?:IF EXISTS |ONLY )*"?(\w+)')
_ALTER: Final = rf"ALTER TABLE {_TABLE} "
RULES: Final = {
    # The older release reads and writes what is taken away here.
    "drop": rf"DROP TABLE {_TABLE}|{_ALTER}DROP COLUMN",
    "rename": rf"{_ALTER}RENAME",
    "not null": rf"{_ALTER}(?:ALTER COLUMN \w+ SET NOT NULL|ADD COLUMN (?!.* DEFAULT ).* NOT NULL)",
    # Every row is read or written anew, and the table is closed meanwhile.
    "rewrite": rf"{_ALTER}(?:ALTER COLUMN \w+ (?:SET DATA )?TYPE"
    r"|ADD COLUMN .*DEFAULT .*(?:random|clock_timestamp|gen_random_uuid|nextval)\(|SET (?:UN)?LOGGED)",
    "check": rf"{_ALTER}ADD (?:CONSTRAINT \w+ )?(?:CHECK|FOREIGN KEY)(?!.* NOT VALID)",
    "unique": rf"{_ALTER}ADD (?:CONSTRAINT \w+ )?(?:UNIQUE|PRIMARY KEY)(?! USING INDEX)",
    "index": rf"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).* ON {_TABLE}|DROP INDEX (?!CONCURRENTLY)",
    "backfill": r"UPDATE|DELETE|TRUNCATE",
    "lock": rf"LOCK (?:TABLE )?{_TABLE}",
    # How long it may wait and work is not a migration's own to say.
    "patience": r"SET (?:LOCAL |SESSION )?(?:lock|statement)_timeout",
}
_MAKES: Final = re.compile(r'CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?"?(\w+)')
_VALIDATES: Final = re.compile(r"VALIDATE CONSTRAINT (\w+)")
_UNPROVEN: Final = re.compile(r"ADD CONSTRAINT (\w+) .* NOT VALID")


class _Statements:
    """What Alembic takes for a file: it writes one statement at a time."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def write(self, text: str) -> None:
        self.seen.append(" ".join(re.sub(r"--[^\n]*", "", text).split()))

    def flush(self) -> None:
        pass


def statements(upgrade: Callable[[], None]) -> list[str]:
    """The SQL of a migration, one statement a line."""
    sink = _Statements()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": sink}
    )
    with Operations.context(context):
        upgrade()
    return [statement for statement in sink.seen if statement]


def broken(sql: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The rules that this breaks, each with the statement. What a migration has made itself it may change."""
    made = {name for statement in sql for name in _MAKES.findall(statement)}
    unproven = {name for statement in sql for name in _UNPROVEN.findall(statement)}
    alone = False
    for statement in sql:
        about = _ABOUT.search(statement)
        alone = statement.startswith("COMMIT") or (alone and not statement.startswith("BEGIN"))
        for rule, pattern in RULES.items():
            if re.match(pattern, statement, re.IGNORECASE) and not (about and about[1] in made):
                yield rule, statement
        if " CONCURRENTLY" in statement and not alone:
            yield "index", statement
        if unproven & {*_VALIDATES.findall(statement)}:
            yield "check", statement


def faults(migration: ModuleType) -> list[str]:
    """What is wrong with a migration, in words."""
    reasons: dict[str, str] = getattr(migration, "BREAKS", {})
    return [
        f"{migration.revision} breaks the rule {rule!r}: {statement}"
        for rule, statement in broken(statements(migration.upgrade))
        if len(reasons.get(rule, "").split()) < 3
    ]
