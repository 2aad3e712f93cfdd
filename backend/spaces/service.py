"""Search spaces: storing them, and what can be computed from one without training."""

import hashlib
import json

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db import lock_name
from backend.errors import ApiError
from backend.models import Benchmark, BenchmarkEntry, SearchSpace
from backend.paging import Listing, Page
from backend.references import get, next_version, pinned
from backend.runs.checks import split
from backend.spaces.schemas import (
    ArchitectureRead,
    DecisionRead,
    DrawingRead,
    EdgeRead,
    HistogramRead,
    KnownResult,
    PartitionPreview,
    SizeRead,
    SpaceRead,
    SpaceSummary,
    SubspacePreview,
)
from nas.errors import UnknownArchitecture
from nas.partition.base import Splitter
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.cell import CellSpace


def content_hash(space: Space) -> str:
    """Return the SHA-256 of a definition, independent of how it was written."""
    text = json.dumps(space.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def add_space(session: Session, space: Space) -> tuple[SpaceRead, bool]:
    """Store a definition; return it and whether it is new.

    The same content returns the version that holds it; other content under the same name becomes
    the next version.
    """
    lock_name(session, f"search-spaces/{space.name}")
    digest = content_hash(space)
    row = session.scalars(
        select(SearchSpace).where(
            SearchSpace.name == space.name, SearchSpace.content_hash == digest
        )
    ).one_or_none()
    if row is not None:
        return _read(row), False
    row = SearchSpace(
        name=space.name,
        version=next_version(session, SearchSpace, space.name),
        content_hash=digest,
        definition=space,
    )
    session.add(row)
    session.flush()
    return _read(row), True


def list_spaces(
    session: Session, limit: int = 100, cursor: str | None = None
) -> Page[SpaceSummary]:
    """Return every version of every space, by name and version."""
    keys = [SearchSpace.name, SearchSpace.version]
    listing = Listing("search-spaces", select(SearchSpace), keys, _summary)
    return listing.page(session, limit, cursor)


def read_space(session: Session, reference: str) -> SpaceRead:
    """Return a space. Raises `NotFound`."""
    return _read(get(session, SearchSpace, reference))


def definition(session: Session, reference: str) -> Space:
    """Return the definition of a space. Raises `NotFound`."""
    space: Space = get(session, SearchSpace, reference).definition
    return space


def histogram(session: Session, reference: str) -> HistogramRead:
    """Return the exact number of architectures per nonlinearity count. Raises `NotFound`."""
    space = definition(session, reference)
    size = _size(total(space))
    return HistogramRead(
        counts={str(count): _size(number) for count, number in space.histogram().items()},
        all=size.all,
        valid=size.valid,
    )


def total(space: Space) -> Count:
    """Return the size of a space."""
    numbers = space.histogram().values()
    return Count(
        all=sum(number.all for number in numbers), valid=sum(number.valid for number in numbers)
    )


def preview_partition(session: Session, reference: str, splitter: Splitter) -> PartitionPreview:
    """Return what `splitter` makes of a space, without a run.

    Raises:
        NotFound: if there is no such space.
        Unprocessable: if the space cannot be split so, naming the field and what is feasible.
    """
    partition = split(splitter, definition(session, reference))
    whole = total(partition.space)
    return PartitionPreview(
        thresholds=list(partition.thresholds),
        subspaces=[
            SubspacePreview(
                index=subspace.index,
                label=subspace.label,
                counts=sorted(subspace.counts),
                size=_size(subspace.size),
                share_all=subspace.size.all / whole.all,
                share_valid=subspace.size.valid / whole.valid,
            )
            for subspace in partition.subspaces
        ],
        all=str(whole.all),
        valid=str(whole.valid),
    )


def read_architecture(session: Session, reference: str, code: str) -> ArchitectureRead:
    """Return what is known of one architecture.

    Raises:
        NotFound: if there is no such space.
        ApiError: 404, if the space has no such architecture; the message says how one is written.
    """
    row = get(session, SearchSpace, reference)
    space: Space = row.definition
    try:
        architecture = space.decode(code)
    except UnknownArchitecture as error:
        raise ApiError(str(error), 404) from error
    return ArchitectureRead(
        code=space.encode(architecture),
        space=pinned(row),
        decisions=[
            DecisionRead(decision=index, operation=operation, choices=list(choices))
            for index, (operation, choices) in enumerate(
                zip(architecture, space.choices, strict=True)
            )
        ],
        valid=space.is_valid(architecture),
        nonlinearity_count=space.nonlinearity_count(architecture),
        flops=space.flops(architecture),
        parameters=space.parameters(architecture),
        drawing=drawing(space, architecture),
        known_results=_known_results(session, row.id, code),
    )


def drawing(space: Space, architecture: Architecture) -> DrawingRead | None:
    """Return the graph of an architecture, None if it is no cell."""
    if not isinstance(space, CellSpace):
        return None
    edges = zip(space.edges, architecture, space.live_edges(architecture), strict=True)
    return DrawingRead(
        num_nodes=space.num_nodes,
        edges=[
            EdgeRead(source=source, target=target, operation=operation, live=live)
            for (source, target), operation, live in edges
        ],
    )


def _known_results(session: Session, space_id: int, code: str) -> list[KnownResult]:
    found = session.execute(
        select(Benchmark, BenchmarkEntry)
        .join(BenchmarkEntry, BenchmarkEntry.benchmark_id == Benchmark.id)
        .where(Benchmark.space_id == space_id, BenchmarkEntry.architecture == code)
        .order_by(Benchmark.name, Benchmark.version)
    ).all()
    return [
        KnownResult(
            benchmark=pinned(benchmark),
            accuracy=entry.accuracy,
            seeds=entry.seeds,
            rank=_rank(session, entry) if entry.valid else None,
            num_valid=benchmark.num_valid,
        )
        for benchmark, entry in found
    ]


def _rank(session: Session, entry: BenchmarkEntry) -> int:
    better = session.scalar(
        select(func.count()).where(
            BenchmarkEntry.benchmark_id == entry.benchmark_id,
            BenchmarkEntry.valid,
            BenchmarkEntry.accuracy > entry.accuracy,
        )
    )
    return 1 + (better or 0)


def _summary(row: SearchSpace) -> SpaceSummary:
    space: Space = row.definition
    return SpaceSummary(
        name=row.name,
        version=row.version,
        kind=space.model_dump(include={"kind"})["kind"],
        num_decisions=len(space.choices),
        size=_size(total(space)),
        created_at=row.created_at,
    )


def _read(row: SearchSpace) -> SpaceRead:
    return SpaceRead(
        **dict(_summary(row)), content_hash=row.content_hash, definition=row.definition
    )


def _size(count: Count) -> SizeRead:
    return SizeRead(all=str(count.all), valid=str(count.valid))
