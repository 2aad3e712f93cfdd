"""Search spaces: storing them, and what can be computed from one without training."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db import lock_name
from backend.errors import ApiError, Unprocessable
from backend.models import Benchmark, BenchmarkColumn, BenchmarkEntry, Dataset, Run, SearchSpace
from backend.paging import Listing, Page
from backend.references import get, next_version, pinned
from backend.runs.checks import resolve, split
from backend.spaces.schemas import (
    ArchitectureRead,
    BankProfileRead,
    BanksRead,
    CostQuantilesRead,
    CostRangesRead,
    CoverRead,
    DecisionRead,
    DefinitionCheck,
    DrawingRead,
    EdgeRead,
    Estimates,
    HistogramRead,
    KnownResult,
    OwnerRead,
    PartitionPreview,
    PreviewOptions,
    RangeRead,
    SamplingRead,
    SizeRead,
    SpaceRead,
    SpaceSummary,
    SubspacePreview,
    TrainingCostRead,
    WidthsRead,
)
from nas.errors import InfeasibleSupernet, UnknownArchitecture
from nas.partition import inspection
from nas.partition.accumulated import BankedPartition
from nas.partition.base import Partition, Splitter
from nas.partition.routing import Routing
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.cell import CellSpace
from nas.spaces.costs import Cost, CostRange, Range
from nas.spaces.labelling import Reading
from nas.spaces.shape import NetworkShape
from nas.supernets.sizes import Supernets, suggested_supernets
from nas.supernets.spec import SupernetSpec

RESERVED_NAMES = frozenset({"schema"})
"""Names that addresses under /search-spaces use themselves."""


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
    row = _stored(session, space)
    if row is not None:
        return _read(session, row), False
    row = SearchSpace(
        name=space.name,
        version=next_version(session, SearchSpace, space.name),
        content_hash=content_hash(space),
        definition=space,
    )
    session.add(row)
    session.flush()
    return _read(session, row), True


def create_space(session: Session, space: Space) -> tuple[SpaceRead, bool]:
    """Store a definition that somebody brings, as `add_space` does.

    Raises:
        Unprocessable: if it has the name of a built-in space, but other content.
    """
    if _stored(session, space) is None:
        refuse_name(space)
    return add_space(session, space)


def refuse_name(space: Space) -> None:
    """Refuse new content under a name that is not free.

    Raises:
        Unprocessable: saying why.
    """
    if space.name in RESERVED_NAMES:
        raise Unprocessable("name", f"{space.name!r} is part of an address of the API itself")
    if space.name in built_in_names():
        raise Unprocessable(
            "name",
            f"{space.name!r} is a built-in search space, whose published results refer to it by "
            "that name: give yours another one",
        )


def check_definition(
    session: Session, space: Space, count: Reading = "effective"
) -> DefinitionCheck:
    """Return what a definition would be, storing nothing.

    Raises:
        Unprocessable: as `create_space`.
    """
    stored = _stored(session, space)
    if stored is None:
        refuse_name(space)
    return DefinitionCheck(
        definition=space,
        content_hash=content_hash(space),
        size=_size(space.size),
        stored_as=None if stored is None else pinned(stored),
        next_version=next_version(session, SearchSpace, space.name),
        histogram=_histogram(space, count),
    )


def list_spaces(
    session: Session, limit: int = 100, cursor: str | None = None
) -> Page[SpaceSummary]:
    """Return every version of every space, by name and version."""
    keys = [SearchSpace.name, SearchSpace.version]
    listing = Listing("search-spaces", select(SearchSpace), keys, _summary)
    return listing.page(session, limit, cursor)


def read_space(session: Session, reference: str) -> SpaceRead:
    """Return a space. Raises `NotFound`."""
    return _read(session, get(session, SearchSpace, reference))


def definition(session: Session, reference: str) -> Space:
    """Return the definition of a space. Raises `NotFound`."""
    space: Space = get(session, SearchSpace, reference).definition
    return space


def histogram(session: Session, reference: str, count: Reading = "effective") -> HistogramRead:
    """Return the exact number of architectures per nonlinearity count. Raises `NotFound`."""
    return _histogram(definition(session, reference), count)


def preview_partition(
    session: Session, reference: str, splitter: Splitter, options: PreviewOptions | None = None
) -> PartitionPreview:
    """Return what `splitter` makes of a space, without a run.

    Raises:
        NotFound: if there is no such space.
        Unprocessable: if the space cannot be split so, or has no such supernet, naming the field
            and what is feasible.
    """
    options = options or PreviewOptions()
    partition = split(splitter, definition(session, reference), options)
    return preview(partition, options, _supernet_shape(session, options))


def preview(partition: Partition, options: Estimates, shape: NetworkShape) -> PartitionPreview:
    """Return all that is known of a partition before training.

    Args:
        partition: of a space.
        options: what to compute.
        shape: of the supernets, but for their widths.

    Raises:
        Unprocessable: if the space has no supernet of this shape.
    """
    try:
        supernets = suggested_supernets(partition, options.width, shape)
    except InfeasibleSupernet as error:
        raise Unprocessable(error.parameter, error.reason) from error
    proof = inspection.cover(partition)
    samples = inspection.draw(partition, options.sample, options.seed)
    training = inspection.training_cost(supernets, samples)
    images = options.steps * options.batch_size
    exact = options.costs == "exact"
    ranges = inspection.exact_ranges(partition) if exact else (None,) * len(partition.subspaces)
    return PartitionPreview(
        thresholds=None if partition.thresholds is None else list(partition.thresholds),
        banks=_banks(partition) if isinstance(partition, BankedPartition) else None,
        subspaces=[
            SubspacePreview(
                index=subspace.index,
                label=subspace.title,
                counts=sorted(subspace.labels) if partition.counts_nonlinearities else [],
                size=_size(subspace.size),
                share_all=subspace.size.all / proof.space.all,
                share_valid=subspace.size.valid / proof.space.valid,
                costs=None if costs is None else _cost_ranges(costs),
                sampled_costs=_quantiles(inspection.costs_of(drawn, partition.space)),
                suggested_width=supernet.width,
                supernet_parameters=str(supernet.parameters),
            )
            for subspace, costs, drawn, supernet in zip(
                partition.subspaces, ranges, samples, supernets.subspaces, strict=True
            )
        ],
        all=str(proof.space.all),
        valid=str(proof.space.valid),
        cover=CoverRead(
            subspaces=_size(proof.parts),
            space=_size(proof.space),
            shared_labels=list(proof.shared_labels),
            holds=proof.holds,
        ),
        costs=options.costs,
        sampling=SamplingRead(
            n=options.sample, seed=options.seed, quantiles=list(inspection.QUANTILES)
        ),
        widths=WidthsRead(
            parent_width=supernets.parent.width,
            parent_parameters=str(supernets.parent.parameters),
            parameters=str(supernets.parameters),
            fits=supernets.fit,
        ),
        training=TrainingCostRead(
            steps=options.steps,
            batch_size=options.batch_size,
            flops=images * training.split,
            one_shot_flops=images * training.one_shot,
        ),
    )


def run_supernets(
    session: Session, reference: str, splitter: Splitter, supernet: SupernetSpec, dataset: str
) -> Supernets:
    """Return the supernets that a run would train.

    Raises:
        NotFound: if there is no such space.
        Unprocessable: as `preview_partition`.
    """
    partition = split(splitter, definition(session, reference), supernet)
    try:
        return supernet.supernets(partition, _shape(session, supernet, dataset))
    except InfeasibleSupernet as error:
        raise Unprocessable(error.parameter, error.reason) from error


def _supernet_shape(session: Session, options: PreviewOptions) -> NetworkShape:
    """Return the shape of a run's supernets, but for their widths."""
    supernet = SupernetSpec(cells_per_stage=options.cells_per_stage, reduction=options.reduction)
    return _shape(session, supernet, options.dataset)


def _shape(session: Session, supernet: SupernetSpec, dataset: str | None) -> NetworkShape:
    if dataset is None:
        return supernet.shape()
    found = resolve(session, Dataset, "dataset", dataset)
    return supernet.shape(image_channels=found.channels, num_classes=len(found.classes))


def owner(
    session: Session, reference: str, splitter: Splitter, code: str, routing: Routing
) -> OwnerRead:
    """Return the sub-space that an architecture belongs to, and the weight banks that it reads.

    Raises:
        NotFound: if there is no such space.
        Unprocessable: if the space cannot be split so, or has no such architecture.
    """
    partition = split(splitter, definition(session, reference), routing)
    space = partition.space
    try:
        architecture = space.decode(code)
    except UnknownArchitecture as error:
        raise Unprocessable("architecture", str(error)) from error
    index = partition.route(architecture)
    count = space.nonlinearity_count(architecture)
    return OwnerRead(
        code=space.encode(architecture),
        subspace=index,
        label=partition.subspaces[index].title,
        valid=space.is_valid(architecture),
        nonlinearity_count=count,
        banks=(
            list(partition.banks.profile(count)) if isinstance(partition, BankedPartition) else []
        ),
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
    edges = zip(space.graph.edges, architecture, space.live(architecture), strict=True)
    return DrawingRead(
        num_nodes=space.num_nodes,
        edges=[
            EdgeRead(source=source, target=target, operation=operation, live=live)
            for (source, target), operation, live in edges
        ],
    )


def _known_results(session: Session, space_id: int, code: str) -> list[KnownResult]:
    found = session.execute(
        select(Benchmark, BenchmarkColumn, BenchmarkEntry)
        .join(BenchmarkColumn, BenchmarkColumn.benchmark_id == Benchmark.id)
        .join(BenchmarkEntry, BenchmarkEntry.column_id == BenchmarkColumn.id)
        .where(
            Benchmark.space_id == space_id,
            BenchmarkColumn.metric == "accuracy",
            BenchmarkEntry.architecture == code,
        )
        .order_by(Benchmark.name, Benchmark.version, BenchmarkColumn.position)
    ).all()
    return [
        KnownResult(
            benchmark=pinned(benchmark),
            column=column.name,
            accuracy=entry.value,
            seeds=entry.seeds,
            rank=_rank(session, entry) if entry.valid else None,
            num_valid=column.num_valid,
        )
        for benchmark, column, entry in found
    ]


def _rank(session: Session, entry: BenchmarkEntry) -> int:
    better = session.scalar(
        select(func.count()).where(
            BenchmarkEntry.column_id == entry.column_id,
            BenchmarkEntry.valid,
            BenchmarkEntry.value > entry.value,
        )
    )
    return 1 + (better or 0)


@cache
def built_in_names() -> frozenset[str]:
    """Return the names of the catalogue."""
    return frozenset(catalogue())


def _stored(session: Session, space: Space) -> SearchSpace | None:
    """Return the version of the space's name that has the same content."""
    return session.scalars(
        select(SearchSpace).where(
            SearchSpace.name == space.name, SearchSpace.content_hash == content_hash(space)
        )
    ).one_or_none()


def _histogram(space: Space, count: Reading) -> HistogramRead:
    size = _size(space.size)
    return HistogramRead(
        counts={str(count): _size(number) for count, number in space.histogram(count).items()},
        all=size.all,
        valid=size.valid,
    )


def _banks(partition: BankedPartition) -> BanksRead:
    banks = partition.banks
    owners = {label: part.index for part in partition.subspaces for label in part.labels}
    return BanksRead(
        num_banks=banks.num_banks,
        num_cells=banks.num_cells,
        shared_cells=banks.shared_cells,
        profiles=[
            BankProfileRead(
                count=count,
                subspace=owners[count],
                size=_size(size),
                banks=list(banks.profile(count)),
            )
            for count, size in partition.space.histogram().items()
        ],
    )


def _cost_ranges(costs: CostRange) -> CostRangesRead:
    return CostRangesRead(flops=_range(costs.flops), parameters=_range(costs.parameters))


def _range(both: Range) -> RangeRead:
    return RangeRead(min=str(both.least), max=str(both.greatest))


def _quantiles(costs: Sequence[Cost]) -> CostQuantilesRead:
    return CostQuantilesRead(
        n=len(costs),
        flops=[str(value) for value in inspection.quantiles(cost.flops for cost in costs)],
        parameters=[
            str(value) for value in inspection.quantiles(cost.parameters for cost in costs)
        ],
    )


def _summary(row: SearchSpace) -> SpaceSummary:
    space: Space = row.definition
    return SpaceSummary(
        name=row.name,
        version=row.version,
        kind=space.model_dump(include={"kind"})["kind"],
        num_decisions=len(space.choices),
        size=_size(space.size),
        created_at=row.created_at,
    )


def _read(session: Session, row: SearchSpace) -> SpaceRead:
    uses = select(func.count()).select_from(Run).where(Run.space_id == row.id)
    return SpaceRead(
        **dict(_summary(row)),
        content_hash=row.content_hash,
        built_in=row.name in built_in_names(),
        num_runs=session.scalar(uses) or 0,
        definition=row.definition,
    )


def _size(count: Count) -> SizeRead:
    return SizeRead(all=str(count.all), valid=str(count.valid))
