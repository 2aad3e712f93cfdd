"""All that is stored about a run as one archive of tables that other tools read."""

import csv
import io
import json
import shutil
import tempfile
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Literal, Union, get_args, get_origin
from zipfile import ZIP_DEFLATED, ZipFile

from pydantic import BaseModel
from sqlalchemy.orm import Session

from backend.paging import Listing
from backend.runs import results, retraining, service, telemetry
from backend.runs.schemas import (
    ArtifactRead,
    BalanceRead,
    CandidateRead,
    CombinationRead,
    CorrelationRead,
    EventRead,
    LandmarkRead,
    LatencyRead,
    MetricRead,
    RetrainingEpochRead,
    RetrainingRead,
    ScoreRead,
    SubspaceRead,
    TelemetryRead,
    UnitRead,
)

if TYPE_CHECKING:
    import pyarrow

Format = Literal["csv", "json", "parquet"]

ROWS_AT_ONCE = 1000
"""Of a table in memory; tables have up to millions of rows."""

README = """Run {id}, {name!r}: {state}.

run.json holds the run with its whole spec; every other file is one table, and a run that has none of
something has a table without rows. The columns are those of the REST API, whose description
(docs/openapi.json, or /openapi.json of a server) gives their meaning and units. In CSV and Parquet a
column of lists or objects holds them as JSON text, and what is not known is empty.

Tables: {tables}.
"""

Rows = Iterable[BaseModel]
Row = dict[str, Any]  # Any: JSON


def paged(listing: Callable[[int], Listing[Any]]) -> Callable[[Session, int], Rows]:  # Any: rows
    """Return what reads a listing of a run page by page."""

    def read(session: Session, run_id: int) -> Iterator[BaseModel]:
        cursor = None
        while True:
            page = listing(run_id).page(session, ROWS_AT_ONCE, cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    return read


TABLES: Mapping[str, tuple[type[BaseModel], Callable[[Session, int], Rows]]] = {
    "units": (UnitRead, paged(results.unit_listing)),
    "subspaces": (SubspaceRead, results.subspaces),
    "landmarks": (LandmarkRead, paged(results.landmark_listing)),
    "metrics": (MetricRead, paged(results.metric_listing)),
    "telemetry": (
        TelemetryRead,
        lambda session, run_id: telemetry.telemetry(session, run_id, telemetry.MOST_POINTS),
    ),
    "balance": (BalanceRead, paged(results.balance_listing)),
    "correlations": (CorrelationRead, paged(results.correlation_listing)),
    "scores": (ScoreRead, paged(results.score_listing)),
    "combinations": (CombinationRead, results.combinations),
    "candidates": (CandidateRead, paged(results.candidate_listing)),
    "latencies": (LatencyRead, paged(results.latency_listing)),
    "retrainings": (RetrainingRead, paged(retraining.retraining_listing)),
    "retraining_epochs": (RetrainingEpochRead, paged(retraining.epoch_listing)),
    "log": (EventRead, paged(results.log_listing)),
    "artifacts": (ArtifactRead, paged(results.artifact_listing)),
}
"""By name: what a row is, and what reads the rows of a run."""


def write_bundle(session: Session, run_id: int, form: Format, target: IO[bytes]) -> None:
    """Write the archive of a run as it is at this moment.

    Args:
        session: of one moment of the database.
        run_id: of the run.
        form: of the tables.
        target: where to write the zip.

    Raises:
        NotFound: if there is no such run.
    """
    run = service.get_run(session, run_id)
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        archive.writestr("run.json", run.model_dump_json(indent=1) + "\n")
        about = README.format(id=run.id, name=run.name, state=run.state, tables=", ".join(TABLES))
        archive.writestr("README.txt", about)
        for name, (model, read) in TABLES.items():
            rows = (row.model_dump(mode="json") for row in read(session, run_id))
            _WRITERS[form](archive, f"{name}.{form}", model, rows)


def _write_json(archive: ZipFile, name: str, model: type[BaseModel], rows: Iterable[Row]) -> None:
    with archive.open(name, "w") as entry:
        before = b"[\n"
        for row in rows:
            entry.write(before + json.dumps(row, ensure_ascii=False).encode())
            before = b",\n"
        entry.write(b"\n]\n" if before == b",\n" else b"[]\n")


def _write_csv(archive: ZipFile, name: str, model: type[BaseModel], rows: Iterable[Row]) -> None:
    with (
        archive.open(name, "w") as entry,
        io.TextIOWrapper(entry, "utf-8", newline="") as text,
    ):
        writer = csv.DictWriter(text, list(model.model_fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(_flat, rows))


def _write_parquet(
    archive: ZipFile, name: str, model: type[BaseModel], rows: Iterable[Row]
) -> None:
    # Loaded here: a server that nobody asks for a bundle does without it.
    import pyarrow
    from pyarrow import parquet

    schema = _schema(model)
    rows = iter(rows)
    # Parquet's writer asks where in its file it is, which an entry of an archive does not tell.
    with tempfile.TemporaryFile() as file:
        with parquet.ParquetWriter(file, schema) as writer:
            while part := list(islice(rows, ROWS_AT_ONCE)):
                flat = [_timed(_flat(row), schema) for row in part]
                writer.write_table(pyarrow.Table.from_pylist(flat, schema))
        file.seek(0)
        with archive.open(name, "w") as entry:
            shutil.copyfileobj(file, entry)


_WRITERS: Mapping[Format, Callable[[ZipFile, str, type[BaseModel], Iterable[Row]], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}


def _flat(row: Row) -> Row:
    """Return a row without anything inside anything."""
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
        for name, value in row.items()
    }


def _timed(row: Row, schema: "pyarrow.Schema") -> Row:
    """Return a row with its times as such, which are text in JSON."""
    import pyarrow

    return {
        name: datetime.fromisoformat(value)
        if value is not None and pyarrow.types.is_timestamp(schema.field(name).type)
        else value
        for name, value in row.items()
    }


def _schema(model: type[BaseModel]) -> "pyarrow.Schema":
    """Return the columns of a table: numbers, truth values, times, and text for all else."""
    import pyarrow

    kinds = {
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    return pyarrow.schema(
        (name, kinds.get(_plain(field.annotation), pyarrow.string()))
        for name, field in model.model_fields.items()
    )


def _plain(annotation: Any) -> Any:  # Any: a type, or what typing makes of several
    """Return a type without its `| None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not types.NoneType]
        return members[0] if len(members) == 1 else None
    return annotation
