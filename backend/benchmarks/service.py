"""Benchmarks: importing and reading ground truth."""

import hashlib
import json

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from backend.benchmarks.schemas import BenchmarkRead, EntryRead
from backend.db import lock_name
from backend.models import Benchmark, BenchmarkEntry, SearchSpace
from backend.paging import Listing, Page
from backend.references import get, next_version, pinned
from nas.benchmarks.table import GroundTruth
from nas.spaces.base import Space


def list_benchmarks(
    session: Session, limit: int = 100, cursor: str | None = None
) -> Page[BenchmarkRead]:
    """Return every version of every benchmark, by name and version."""
    keys = [Benchmark.name, Benchmark.version]
    listing = Listing("benchmarks", select(Benchmark), keys, _read)
    return listing.page(session, limit, cursor)


def read_benchmark(session: Session, reference: str) -> BenchmarkRead:
    """Return a benchmark. Raises `NotFound`."""
    return _read(get(session, Benchmark, reference))


def list_entries(
    session: Session, reference: str, limit: int = 100, cursor: str | None = None
) -> Page[EntryRead]:
    """Return the results of a benchmark by architecture. Raises `NotFound`."""
    benchmark = get(session, Benchmark, reference)
    listing = Listing(
        f"benchmarks/{benchmark.id}/entries",
        select(BenchmarkEntry).where(BenchmarkEntry.benchmark_id == benchmark.id),
        [BenchmarkEntry.architecture],
        EntryRead.model_validate,
    )
    return listing.page(session, limit, cursor)


def add_benchmark(
    session: Session, name: str, space_row: SearchSpace, truth: GroundTruth
) -> tuple[BenchmarkRead, bool]:
    """Store a table over a search space; return it and whether it is new.

    The same content returns the version that holds it; other content under the same name becomes
    the next version.
    """
    lock_name(session, f"benchmarks/{name}")
    digest = _content_hash(space_row, truth)
    row = session.scalars(
        select(Benchmark).where(Benchmark.name == name, Benchmark.sha256 == digest)
    ).one_or_none()
    if row is not None:
        return _read(row), False
    space: Space = space_row.definition
    valid = {code: space.is_valid(space.decode(code)) for code in truth.entries}
    row = Benchmark(
        name=name,
        version=next_version(session, Benchmark, name),
        space=space_row,
        num_entries=len(truth.entries),
        num_valid=sum(valid.values()),
        num_seeds=truth.num_seeds,
        noise_ceiling=truth.noise_ceiling,
        recipe=truth.recipe,
        sha256=digest,
    )
    session.add(row)
    session.flush()
    session.execute(
        insert(BenchmarkEntry),
        [
            {
                "benchmark_id": row.id,
                "architecture": code,
                "accuracy": entry.accuracy,
                "seeds": None if entry.seeds is None else list(entry.seeds),
                "valid": valid[code],
            }
            for code, entry in truth.entries.items()
        ],
    )
    return _read(row), True


def _content_hash(space: SearchSpace, truth: GroundTruth) -> str:
    entries = sorted((code, entry.accuracy, entry.seeds) for code, entry in truth.entries.items())
    content = [space.content_hash, entries, truth.noise_ceiling, truth.recipe]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(row: Benchmark) -> BenchmarkRead:
    return BenchmarkRead(
        name=row.name,
        version=row.version,
        space=pinned(row.space),
        num_entries=row.num_entries,
        num_valid=row.num_valid,
        num_seeds=row.num_seeds,
        noise_ceiling=row.noise_ceiling,
        recipe=row.recipe,
        sha256=row.sha256,
        created_at=row.created_at,
    )
