"""INSERT ... ON CONFLICT in the dialect at hand: storing the same rows twice changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from backend.db import Base


def upsert(
    session: Session,
    table: type[Base],
    key: Sequence[str],
    rows: Sequence[Mapping[str, Any]],  # Any: column values
) -> None:
    """Insert `rows`, or overwrite the rows that have the same `key`.

    Args:
        session: a writing transaction.
        table: the mapped class.
        key: columns of the primary key or of a unique constraint.
        rows: column values; every row names the same columns.
    """
    if not rows:
        return
    insert = postgresql_insert if _is_postgresql(session) else sqlite_insert
    target = table.__table__
    assert isinstance(target, Table)
    statement = insert(target)
    others = [column for column in rows[0] if column not in key]
    if others:
        update = {column: statement.excluded[column] for column in others}
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=update)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(key))
    session.flush()
    # One row's statement for all of them: it is compiled once and cached, whatever their number.
    session.execute(statement, [dict(row) for row in rows])


def insert_once(
    session: Session,
    table: type[Base],
    key: Sequence[str],
    row: Mapping[str, Any],  # Any: column values
) -> bool:
    """Insert `row` unless one with the same `key` exists; return whether it was inserted."""
    insert = postgresql_insert if _is_postgresql(session) else sqlite_insert
    columns = [getattr(table, column) for column in key]
    statement = (
        insert(table)
        .values(dict(row))
        .on_conflict_do_nothing(index_elements=list(key))
        .returning(*columns)
    )
    return session.execute(statement).first() is not None


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
