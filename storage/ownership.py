"""Every statement of a tenant's transaction asks for that tenant's rows, whoever forgot to.

This is the filter that stands beside row-level security: either alone keeps tenants apart. It is added where
statements become SQL, once for each that is cached, so no query has to remember it and none can forget it.
SQL that is written by hand says ``tenant_id = :tenant`` itself, and is made by ``ours``.
"""

from collections.abc import Iterator
from contextvars import ContextVar
from copy import copy
from typing import Any, Final, cast

from sqlalchemy import (
    Alias,
    ColumnElement,
    Connection,
    Delete,
    FromClause,
    Join,
    Select,
    String,
    Table,
    TextClause,
    Update,
    bindparam,
    event,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql.dml import OnConflictDoUpdate
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

_OPTION: Final = "paysaga_tenant"
_present: Final[ContextVar[str | None]] = ContextVar("tenant", default=None)
"""Whose the statement is that is being compiled and filled in now; None in a system transaction."""
_MINE: Final = bindparam("tenant", callable_=_present.get, type_=String)


class Ownership:
    """What makes a transaction one tenant's. One for each engine: filtered SQL is cached apart from other."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._cache: LRUCache[Any, Any] = LRUCache(500)
        event.listen(engine.sync_engine, "before_execute", _look_whose)

    async def begin(self, tx: AsyncConnection, tenant_id: str) -> None:
        """From here on the transaction's statements are this tenant's."""
        await tx.execution_options(**{_OPTION: tenant_id}, compiled_cache=self._cache)


def ours(query: str) -> TextClause:
    """SQL by hand, whose ``:tenant`` is whoever's transaction it runs in; in a system transaction, nobody."""
    return text(query).bindparams(_MINE)


def _look_whose(connection: Connection, *_: object) -> None:
    # Nothing else runs between this and the filling in of what is sent.
    _present.set(connection.get_execution_options().get(_OPTION))


def owner_of(table: FromClause) -> ColumnElement[str]:
    """The column that says whose a row is."""
    original = cast(Table, table.element if isinstance(table, Alias) else table)
    return table.c["id" if original.name == "tenants" else "tenant_id"]


@compiles(Select, "postgresql")
def _select(query: Select[Any], compiler: SQLCompiler, **kw: Any) -> str:
    if _present.get() is not None:
        query = query.where(*(rule for each in query.get_final_froms() for rule in _rules(each)))
    return compiler.visit_select(query, **kw)  # type: ignore[no-any-return, no-untyped-call]


@compiles(Update, "postgresql")
def _update(change: Update, compiler: SQLCompiler, **kw: Any) -> str:
    if _present.get() is not None:
        change = change.where(*_rules(change.table))
    return compiler.visit_update(change, **kw)


@compiles(Delete, "postgresql")
def _delete(removal: Delete, compiler: SQLCompiler, **kw: Any) -> str:
    if _present.get() is not None:
        removal = removal.where(*_rules(removal.table))
    return compiler.visit_delete(removal, **kw)  # type: ignore[no-any-return, no-untyped-call]


@compiles(OnConflictDoUpdate, "postgresql")
def _on_conflict(met: OnConflictDoUpdate, compiler: SQLCompiler, **kw: Any) -> str:
    """A row that is in the way is changed only if it is ours, too."""
    if _present.get() is not None:
        # Nothing else has conflicts.
        added = cast(Insert, compiler.stack[-1]["selectable"])
        mine = owner_of(added.table) == _MINE
        where = met.update_whereclause
        met = copy(met)
        met.update_whereclause = mine if where is None else where & mine
    return compiler.visit_on_conflict_do_update(met, **kw)  # type: ignore[no-any-return, attr-defined]


def _rules(source: FromClause, *, optional: bool = False) -> Iterator[ColumnElement[bool]]:
    """What holds for the rows of a table, or of each in a join. Where none may match, there may be none."""
    if isinstance(source, Join):
        yield from _rules(source.left, optional=optional or source.full)
        yield from _rules(source.right, optional=optional or source.full or source.isouter)
    elif isinstance(source, Table) or (isinstance(source, Alias) and isinstance(source.element, Table)):
        owner = owner_of(source)
        yield or_(owner == _MINE, owner.is_(None)) if optional else owner == _MINE
    # Whatever else there is, a subquery say, is made of statements that have rules of their own.
