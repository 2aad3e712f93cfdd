"""The latencies of a search: the table that it looks them up in, and those that it has measured."""

from functools import lru_cache
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.benchmarks.service import find_latency, valid_values
from backend.errors import Unprocessable
from backend.models import Benchmark, LatencyRow, Run
from backend.references import get, pinned
from nas.errors import InfeasibleSearch
from nas.latency.latency import Latency, LatencyTable
from nas.latency.sources.table import TableLatency
from nas.search.base import Searcher
from nas.spaces.base import Architecture, Space

FIELD = "search.latency"

CACHED = 4
"""Tables in memory, which pages ask for again and again."""


def settled(searcher: Searcher, benchmark: Benchmark | None) -> Searcher:
    """Return a searcher whose source of latencies is spelt out, a benchmark with version and column.

    So later versions of the benchmark, and other usual parameters of measurements, change nothing.

    Args:
        searcher: of a new run.
        benchmark: that the source names, or else the run's.

    Raises:
        Unprocessable: if there is no such table.
    """
    source = searcher.latency_source
    if isinstance(source, TableLatency):
        if benchmark is None:
            raise Unprocessable(
                f"{FIELD}.benchmark",
                "the run has no benchmark to look latencies up in: name one here, or measure them "
                "with the kind measured",
            )
        column = find_latency(benchmark, source.column, FIELD)
        source = TableLatency(benchmark=pinned(benchmark), column=column.name)
    return searcher.model_copy(update={"latency": source})


def check(session: Session, searcher: Searcher, space: Space) -> None:
    """Refuse what cannot be searched, by a searcher that is settled.

    Raises:
        Unprocessable: naming the field, and what would be possible instead.
    """
    try:
        searcher.check(space, latency_table(session, searcher, space))
    except InfeasibleSearch as error:
        raise Unprocessable(f"search.{error.parameter}", error.reason) from error


def latency_table(session: Session, searcher: Searcher, space: Space) -> LatencyTable | None:
    """Return the table that a settled searcher looks latencies up in; None if it does not."""
    source = searcher.latency_source
    if not isinstance(source, TableLatency):
        return None
    assert source.benchmark is not None, "the searcher is not settled"
    column = find_latency(get(session, Benchmark, source.benchmark), source.column, FIELD)
    return _decoded(space, tuple(valid_values(session, column.id).items()))


def measured_latencies(session: Session, run: Run) -> dict[Architecture, Latency]:
    """Return what a run's search has measured so far."""
    decode = run.space.definition.decode
    rows = session.scalars(select(LatencyRow).where(LatencyRow.run_id == run.id))
    return {
        decode(row.architecture): Latency(
            ms=row.latency_ms, spread_ms=row.latency_spread_ms, device=row.latency_device
        )
        for row in rows
    }


@lru_cache(CACHED)
def _decoded(space: Space, rows: tuple[tuple[str, float], ...]) -> LatencyTable:
    return MappingProxyType({space.decode(code): ms for code, ms in rows})
