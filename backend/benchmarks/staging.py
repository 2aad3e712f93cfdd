"""Checked rows of a table in a temporary file, sorted by architecture, before they are stored.

A table may be longer than what memory holds, and nobody waits for the database while it is read.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from nas.benchmarks.checking import CheckedRow, Value, checked_rows
from nas.benchmarks.contents import Contents, Header
from nas.errors import InvalidBenchmark
from nas.spaces.base import Space

BATCH_ROWS = 1000
FETCHED_ROWS = 5000


@dataclass(frozen=True, slots=True)
class StagedEntry:
    """One result of one architecture."""

    architecture: str
    value: float
    seeds: list[float | None] | None
    valid: bool
    count: int


class Staged:
    """A checked table in a temporary database of its own.

    Its table `entries` has one row per architecture; of each column of results, by its position,
    the value in `v0`, `v1`, ... and the seeds as JSON in `s0`, `s1`, ...

    Attributes:
        header: of the table.
        space: of the architectures.
    """

    def __init__(self, connection: sqlite3.Connection, header: Header, space: Space) -> None:
        self.header = header
        self.space = space
        self._connection = connection

    @property
    def num_entries(self) -> int:
        """Architectures of which something is known."""
        return int(self.one("SELECT COUNT(*) FROM entries")[0])

    @property
    def num_valid(self) -> int:
        """Those whose output depends on their input."""
        return int(self.one("SELECT COUNT(*) FROM entries WHERE valid")[0])

    def one(self, statement: str, *parameters: object) -> tuple[float, ...]:
        """Return the only row of a statement."""
        (row,) = self._connection.execute(statement, parameters).fetchall()
        return tuple(row)

    def each(
        self, statement: str, *parameters: object
    ) -> Iterator[tuple[int | float | str | bytes, ...]]:
        """Yield the rows of a statement, few of them in memory at a time."""
        cursor = self._connection.execute(statement, parameters)
        while rows := cursor.fetchmany(FETCHED_ROWS):
            yield from rows

    def entries(self, position: int) -> Iterator[StagedEntry]:
        """Yield the results of one column by architecture."""
        statement = (
            f"SELECT architecture, v{position}, s{position}, valid, count FROM entries "
            f"WHERE v{position} IS NOT NULL ORDER BY architecture"
        )
        for architecture, value, seeds, valid, count in self._connection.execute(statement):
            known = None if seeds is None else json.loads(seeds)
            yield StagedEntry(architecture, value, known, bool(valid), count)

    def digest(self, space_hash: str) -> str:
        """Return the SHA-256 of the content, whatever the order of the rows was."""
        header = self.header
        columns = [[column.name, column.seeds, column.noise_ceiling] for column in header.columns]
        truth = header.truth_column and header.truth_column.name
        total = sha256(
            json.dumps([space_hash, columns, truth, dict(header.recipe)], sort_keys=True).encode()
        )
        values = ", ".join(f"v{i}, s{i}" for i in range(len(columns)))
        for row in self.each(f"SELECT architecture, {values} FROM entries ORDER BY architecture"):
            total.update(json.dumps(row).encode())
        return total.hexdigest()


@contextmanager
def staged(contents: Contents, space: Space, folder: Path | None = None) -> Iterator[Staged]:
    """Check a table to its end and keep its rows for as long as the context is open.

    Args:
        contents: to read.
        space: of the architectures.
        folder: where the temporary file is made; None: where the system has such files.

    Raises:
        InvalidBenchmark: naming the place; of a repeated architecture both places.
    """
    with TemporaryDirectory(dir=folder, prefix=".staging-") as home:
        connection = sqlite3.connect(Path(home) / "entries.sqlite3", isolation_level=None)
        try:
            _fill(connection, contents, space)
            yield Staged(connection, contents.header, space)
        finally:
            connection.close()


def _fill(connection: sqlite3.Connection, contents: Contents, space: Space) -> None:
    # What a crash leaves behind is thrown away anyway.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
        connection.execute(f"PRAGMA {pragma}")
    positions = range(len(contents.header.columns))
    columns = ", ".join(f"v{i} REAL, s{i} TEXT" for i in positions)
    connection.execute(
        "CREATE TABLE entries (architecture TEXT PRIMARY KEY, place TEXT, valid INTEGER, "
        f"count INTEGER, form BLOB, {columns}) WITHOUT ROWID"
    )
    marks = ", ".join("?" * (5 + 2 * len(positions)))
    # Refused rows are looked at one by one, so what was inserted before them may stay.
    statement = f"INSERT OR IGNORE INTO entries VALUES ({marks})"
    connection.execute("BEGIN")
    rows = checked_rows(contents, space)
    while batch := list(islice(rows, BATCH_ROWS)):
        before = connection.total_changes
        connection.executemany(statement, map(_record, batch))
        if connection.total_changes - before < len(batch):
            _refuse_repeated(connection, batch)
    connection.execute("COMMIT")


def _record(row: CheckedRow) -> tuple[object, ...]:
    cells: list[object] = []
    for value in row.values:
        cells += (None, None) if value is None else (value.mean, _seeds(value))
    form = blake2b(row.form.encode(), digest_size=16).digest()
    return (row.architecture, row.place, row.valid, row.count, form, *cells)


def _seeds(value: Value) -> str | None:
    return None if value.seeds is None else json.dumps(value.seeds)


def _refuse_repeated(connection: sqlite3.Connection, batch: Sequence[CheckedRow]) -> None:
    """Name both places of the first architecture of a batch that is there already."""
    for row in batch:
        ((place,),) = connection.execute(
            "SELECT place FROM entries WHERE architecture = ?", (row.architecture,)
        ).fetchall()
        if place != row.place:
            raise InvalidBenchmark(
                f"{row.place}: {row.architecture!r} is in the table already, at {place}"
            )
