"""Benchmarks: reading results, their coverage, and the column that runs are compared with."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from backend.benchmarks.schemas import (
    BenchmarkDetail,
    BenchmarkRead,
    ColumnRead,
    CountCoverage,
    CoverageRead,
    EntryQuery,
    EntryRead,
    TwinsRead,
)
from backend.benchmarks.staging import staged
from backend.benchmarks.storing import store
from backend.errors import Unprocessable
from backend.models import Benchmark, BenchmarkColumn, BenchmarkEntry, SearchSpace
from backend.paging import Listing, Page
from backend.references import get, pinned
from nas.benchmarks.columns import METRICS, UNITS
from nas.benchmarks.table import GroundTruth
from nas.spaces.base import Count

DEFAULT_QUERY = EntryQuery()


def list_benchmarks(
    session: Session, limit: int = 100, cursor: str | None = None
) -> Page[BenchmarkRead]:
    """Return every version of every benchmark, by name and version."""
    keys = [Benchmark.name, Benchmark.version]
    statement = select(Benchmark).options(
        selectinload(Benchmark.columns), selectinload(Benchmark.space)
    )
    listing = Listing("benchmarks", statement, keys, _read)
    return listing.page(session, limit, cursor)


def read_benchmark(session: Session, reference: str) -> BenchmarkDetail:
    """Return a benchmark and the coverage of its columns. Raises `NotFound`."""
    return read_detail(get(session, Benchmark, reference))


def read_coverage(
    session: Session, reference: str, column: str | None = None
) -> tuple[ColumnRead, CoverageRead]:
    """Return a column of a benchmark and its coverage; None: as for `find_column`.

    Raises:
        NotFound: if there is no such benchmark.
        Unprocessable: if it has no such column, naming those that it has.
    """
    row = get(session, Benchmark, reference)
    found = find_column(row, column)
    return _read_column(found), _coverage(found, row.space.definition.histogram())


def list_entries(
    session: Session,
    reference: str,
    asked: EntryQuery = DEFAULT_QUERY,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[EntryRead]:
    """Return the results in one column.

    Args:
        session: a transaction.
        reference: of the benchmark.
        asked: which results, and in which order.
        limit: at most this many.
        cursor: `next_cursor` of the page before.

    Raises:
        NotFound: if there is no such benchmark.
        Unprocessable: if it has no such column, naming those that it has.
    """
    column = find_column(get(session, Benchmark, reference), asked.column)
    statement = select(BenchmarkEntry).where(BenchmarkEntry.column_id == column.id)
    if asked.valid is not None:
        statement = statement.where(BenchmarkEntry.valid.is_(asked.valid))
    by_value = asked.order == "best"
    keys = [BenchmarkEntry.value] if by_value else []
    listing = Listing(
        f"benchmark-columns/{column.id}/{asked.order}/{asked.valid}",
        statement,
        [*keys, BenchmarkEntry.architecture],
        EntryRead.model_validate,
        descending=by_value and column.metric == "accuracy",
    )
    return listing.page(session, limit, cursor)


def add_benchmark(
    session: Session, name: str, space_row: SearchSpace, truth: GroundTruth
) -> tuple[BenchmarkRead, bool]:
    """Store a table that is in memory; return it and whether it is new. See `store`."""
    with staged(truth.contents(), space_row.definition) as table:
        row, new = store(session, name, space_row, table)
    return _read(row), new


def find_column(benchmark: Benchmark, name: str | None) -> BenchmarkColumn:
    """Return a column by name; None: the ground truth, or the first where there is none.

    Raises:
        Unprocessable: with the names that there are.
    """
    columns = benchmark.columns
    if name is None:
        return next((column for column in columns if column.is_truth), columns[0])
    for column in columns:
        if column.name == name:
            return column
    raise _unknown("column", benchmark, name, [column.name for column in columns])


def find_truth(benchmark: Benchmark, name: str | None) -> BenchmarkColumn:
    """Return the column that a run is compared with; None: the benchmark's own choice.

    Raises:
        Unprocessable: if it is no accuracy, or there is none, with those that there are.
    """
    accuracies = [column for column in benchmark.columns if column.metric == "accuracy"]
    if not accuracies:
        measured = ", ".join(column.name for column in benchmark.columns)
        raise Unprocessable(
            "benchmark",
            f"{pinned(benchmark)} holds no accuracies to compare with, only {measured}",
        )
    for column in accuracies:
        if column.is_truth if name is None else column.name == name:
            return column
    raise _unknown(
        "benchmark_column", benchmark, name or "", [column.name for column in accuracies]
    )


def find_latency(benchmark: Benchmark, name: str | None, field: str) -> BenchmarkColumn:
    """Return the column that latencies are looked up in; None: the only one of latencies.

    Args:
        benchmark: that has it.
        name: of the column.
        field: of a spec, that holds the benchmark and the column.

    Raises:
        Unprocessable: if there is none, or which is not clear, with those that there are.
    """
    latencies = [column for column in benchmark.columns if column.metric == "latency"]
    if not latencies:
        measured = ", ".join(column.name for column in benchmark.columns)
        raise Unprocessable(
            f"{field}.benchmark", f"{pinned(benchmark)} holds no latencies, only {measured}"
        )
    known = [column.name for column in latencies]
    if name is None and len(latencies) > 1:
        raise Unprocessable(
            f"{field}.column",
            f"{pinned(benchmark)} has several of latencies, {', '.join(known)}: name one",
        )
    for column in latencies:
        if name is None or column.name == name:
            return column
    raise _unknown(f"{field}.column", benchmark, name or "", known)


def valid_values(session: Session, column_id: int) -> dict[str, float]:
    """Return what a column holds of valid architectures, by canonical string.

    They are in the order of these strings, which databases would sort each in its own way.
    """
    rows = session.execute(
        select(BenchmarkEntry.architecture, BenchmarkEntry.value).where(
            BenchmarkEntry.column_id == column_id, BenchmarkEntry.valid
        )
    )
    return dict(sorted((architecture, value) for architecture, value in rows))


def read_detail(row: Benchmark) -> BenchmarkDetail:
    """Return what the API says of a benchmark."""
    space = row.space.definition
    size, histogram = space.size, space.histogram()
    coverage = [_coverage(column, histogram) for column in row.columns]
    return BenchmarkDetail(
        **dict(_read(row)),
        space_all=str(size.all),
        space_valid=str(size.valid),
        coverage=coverage,
        warnings=[text for part in coverage if (text := _disagreement(part.column, part.twins))],
    )


def _coverage(column: BenchmarkColumn, histogram: Mapping[int, Count]) -> CoverageRead:
    known = {part["count"]: part for part in column.by_count}
    by_count = []
    for count, total in sorted(histogram.items()):
        part = known.get(count, {})
        by_count.append(
            CountCoverage(
                count=count,
                all=str(total.all),
                valid=str(total.valid),
                known=part.get("known", 0),
                known_valid=part.get("valid", 0),
                quantiles=part.get("quantiles", []),
            )
        )
    twins = None if column.twins is None else TwinsRead.model_validate(column.twins)
    return CoverageRead(column=column.name, by_count=by_count, twins=twins)


def _read(row: Benchmark) -> BenchmarkRead:
    truth = next((column for column in row.columns if column.is_truth), None)
    return BenchmarkRead(
        name=row.name,
        version=row.version,
        space=pinned(row.space),
        num_entries=row.num_entries,
        num_valid=row.num_valid,
        columns=[_read_column(column) for column in row.columns],
        truth=truth and truth.name,
        num_seeds=len(truth.seeds) if truth and truth.seeds else None,
        noise_ceiling=truth and truth.noise_ceiling,
        recipe=row.recipe,
        sha256=row.sha256,
        created_at=row.created_at,
    )


def _read_column(row: BenchmarkColumn) -> ColumnRead:
    (metric,) = (metric for metric in METRICS if metric == row.metric)
    return ColumnRead(
        name=row.name,
        dataset=row.dataset,
        metric=row.metric,
        unit=UNITS[metric].name,
        is_truth=row.is_truth,
        num_known=row.num_known,
        num_valid=row.num_valid,
        seeds=row.seeds,
        noise_ceiling=row.noise_ceiling,
        noise_architectures=row.noise_architectures,
        lowest=row.lowest,
        highest=row.highest,
    )


def _disagreement(column: str, twins: TwinsRead | None) -> str | None:
    if twins is None or not twins.disagreeing:
        return None
    worst = twins.examples[0]
    return (
        f"{column}: {twins.disagreeing:,} of {twins.groups:,} networks that are there under "
        f"several strings have accuracies more than {twins.tolerance:g} percentage points apart; "
        f"furthest are {worst.lower} ({worst.lowest:g}) and {worst.higher} ({worst.highest:g})"
    )


def _unknown(field: str, benchmark: Benchmark, name: str, known: list[str]) -> Unprocessable:
    return Unprocessable(
        field, f"{pinned(benchmark)} has no column {name!r}; known: {', '.join(known)}"
    )
