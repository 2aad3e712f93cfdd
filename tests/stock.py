"""Rows that many tests begin with: stored once by the services, then copied by the database."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from backend.db import Base, Database

SEQUENCES = """
SELECT schemaname, sequencename, last_value FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
COUNT_ON = "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, last_value) FROM "


@dataclass(frozen=True)
class Stock:
    """Rows for an empty migrated database.

    Attributes:
        name: of the schema in which a PostgreSQL database keeps its copy; tests see `public`.
        store: stores them as the product does.
        folder: for the SQLite file that is copied; this process's own.
    """

    name: str
    store: Callable[[Database], None]
    folder: Path

    def put_into(self, db: Database) -> None:
        """Store the rows; all but the first time in a process they are copied."""
        if db.engine.dialect.name == "sqlite":
            self._put_into_sqlite(db)
        else:
            self._put_into_postgresql(db)

    def _put_into_sqlite(self, db: Database) -> None:
        path, kept = Path(db.engine.url.database or ""), self.folder / f"{self.name}.sqlite3"
        if kept.exists():
            _copy_sqlite(kept, path)
        else:
            self.store(db)
            _copy_sqlite(path, kept)

    def _put_into_postgresql(self, db: Database) -> None:
        with db.engine.begin() as connection:
            if connection.scalar(text(f"SELECT to_regnamespace('{self.name}') IS NOT NULL")):
                self._copy_tables(connection)
                return
        self.store(db)
        with db.engine.begin() as connection:
            self._keep_tables(connection)

    def _keep_tables(self, connection: Connection) -> None:
        connection.execute(text(f"CREATE SCHEMA {self.name}"))
        for name in _tables():
            made = f"CREATE TABLE {self.name}.{name} AS TABLE public.{name}"
            connection.execute(text(made))
        connection.execute(text(f"CREATE TABLE {self.name}.sequences AS {SEQUENCES}"))

    def _copy_tables(self, connection: Connection) -> None:
        copies = [f"INSERT INTO public.{name} TABLE {self.name}.{name}" for name in _tables()]
        for statement in (*copies, f"{COUNT_ON} {self.name}.sequences"):
            connection.execute(text(statement))


def _tables() -> list[str]:
    """Return every table, those that others refer to first."""
    return [table.name for table in Base.metadata.sorted_tables]


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        new.execute("PRAGMA synchronous=OFF")
        old.backup(new)
