"""Storing a table: its rows go into the database in one transaction, or none of them does."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from backend.benchmarks.staging import Staged
from backend.benchmarks.statistics import column_statistics
from backend.db import lock_name
from backend.models import Benchmark, BenchmarkColumn, BenchmarkEntry, SearchSpace
from backend.references import next_version

BATCH_ROWS = 5000


def store(
    session: Session, name: str, space_row: SearchSpace, table: Staged
) -> tuple[Benchmark, bool]:
    """Store a table over a search space; return it and whether it is new.

    The same content returns the version that holds it; other content under the same name becomes
    the next version.
    """
    lock_name(session, f"benchmarks/{name}")
    digest = table.digest(space_row.content_hash)
    row = session.scalars(
        select(Benchmark).where(Benchmark.name == name, Benchmark.sha256 == digest)
    ).one_or_none()
    if row is not None:
        return row, False
    truth = table.header.truth_column
    row = Benchmark(
        name=name,
        version=next_version(session, Benchmark, name),
        space=space_row,
        num_entries=table.num_entries,
        num_valid=table.num_valid,
        recipe=dict(table.header.recipe),
        sha256=digest,
        columns=[
            BenchmarkColumn(
                position=position,
                name=column.name,
                dataset=column.dataset,
                metric=column.metric,
                is_truth=column is truth,
                seeds=list(column.seeds) or None,
                **column_statistics(table, position).row(),
            )
            for position, column in enumerate(table.header.columns)
        ],
    )
    session.add(row)
    session.flush()
    for made in row.columns:
        records = _records(made, table)
        while batch := list(islice(records, BATCH_ROWS)):
            session.execute(insert(BenchmarkEntry), batch)
    return row, True


def staging_folder(artifact_folder: Path) -> Path:
    """Return the folder for temporary files of imports; it is made if it is missing."""
    folder = artifact_folder / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _records(
    column: BenchmarkColumn, table: Staged
) -> Iterator[dict[str, Any]]:  # Any: columns of several types
    for entry in table.entries(column.position):
        yield {
            "column_id": column.id,
            "architecture": entry.architecture,
            "value": entry.value,
            "seeds": entry.seeds,
            "valid": entry.valid,
            "count": entry.count,
        }
