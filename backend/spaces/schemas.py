"""What the API says about search spaces. Sizes are decimal strings: they exceed 2^53."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.runs.schemas import ReadModel
from nas.partition.routing import Routing
from nas.spaces import AnySpace
from nas.supernets.sizes import PARENT_WIDTH
from nas.supernets.spec import MAX_WIDTH


class SizeRead(ReadModel):
    """Number of architectures: all of them, and those whose output depends on their input."""

    all: str
    valid: str


class SpaceSummary(ReadModel):
    """One line of the list of search spaces."""

    name: str
    version: int
    kind: str
    num_decisions: int
    size: SizeRead
    created_at: datetime


class SpaceRead(SpaceSummary):
    """A search space with its definition, which never changes."""

    content_hash: str
    built_in: bool  # the name belongs to the catalogue: it takes no other content
    num_runs: int  # that use this version
    definition: AnySpace


class HistogramRead(ReadModel):
    """Architectures per nonlinearity count."""

    counts: dict[str, SizeRead]
    all: str
    valid: str


class DefinitionCheck(ReadModel):
    """What a definition would be if it were stored."""

    definition: AnySpace
    content_hash: str
    size: SizeRead
    stored_as: str | None  # name@version that has this content already
    next_version: int  # that it would get otherwise
    histogram: HistogramRead


class Estimates(BaseModel):
    """What a preview of a partition computes beside sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    costs: Literal["exact", "none"] = Field(
        "exact", description="Exact ranges of FLOPs and parameters, or none."
    )
    sample: int = Field(200, ge=1, le=2000, description="Architectures drawn per sub-space.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the drawn architectures.")
    width: int = Field(
        PARENT_WIDTH,
        ge=1,
        le=MAX_WIDTH,
        description="Of the one supernet that suggested ones are compared with.",
    )
    reduction: Literal["pooled", "residual"] = Field(
        "pooled", description="Of all these supernets, as in a run."
    )
    dataset: str | None = Field(
        None,
        max_length=120,
        description="Whose channels and classes these supernets have, `name` or `name@version`; "
        "null: those of the space's own skeleton.",
    )
    steps: int = Field(
        10_000, ge=1, le=10_000_000, description="Of the training whose cost is estimated."
    )
    batch_size: int = Field(64, ge=2, le=4096, description="Images per step of that training.")


class PreviewOptions(Routing, Estimates):
    """Everything about a preview of a partition but its splitter."""


class OwnerOptions(Routing):
    """The architecture whose owner is asked for, and how it finds its weights."""

    architecture: str = Field(description="As the space writes it.")


class RangeRead(ReadModel):
    """Least and greatest, both reached by an architecture."""

    min: str
    max: str


class CostRangesRead(ReadModel):
    """Exact ranges over the valid architectures of a sub-space, trained alone."""

    flops: RangeRead  # multiply-adds of one image
    parameters: RangeRead


class CostQuantilesRead(ReadModel):
    """What architectures drawn uniformly from a sub-space cost, trained alone.

    The values stand at the `quantiles` of the sample.
    """

    n: int  # drawn with replacement
    flops: list[str]
    parameters: list[str]


class SubspacePreview(ReadModel):
    """One sub-space of a partition that nobody has trained yet."""

    index: int
    label: str
    counts: list[int]
    size: SizeRead
    share_all: float
    share_valid: float
    costs: CostRangesRead | None  # null: they were not asked for, see `costs` of the preview
    sampled_costs: CostQuantilesRead
    suggested_width: int
    supernet_parameters: str  # at that width, see `widths`; with banks, of one bank per cell


class CoverRead(ReadModel):
    """The proof that sub-spaces are disjoint and cover the space: two counts, and no shared label.

    The sub-spaces are counted label by label, the space without labels.
    """

    subspaces: SizeRead
    space: SizeRead
    shared_labels: list[int]
    holds: bool


class WidthsRead(ReadModel):
    """Supernets of the suggested widths beside the one supernet of the undivided space.

    Parameters are all trainable ones of the networks that a run builds of this width, cells per
    stage, reduction and dataset; their BatchNorms have none. With weight banks the one supernet
    of all sub-spaces is counted, with those of its banks that some architecture reads.
    """

    parent_width: int
    parent_parameters: str
    parameters: str  # of all supernets together; with banks, of the one that holds them
    fits: bool  # no more than the parent's


class TrainingCostRead(ReadModel):
    """Estimated multiply-adds of training, forward and backward.

    Steps times batch times 3 (forward, and backward as twice that) times the mean FLOPs of the
    sampled architectures in the supernets of suggested width, every sub-space trained equally
    often, on images of the size that the space's skeleton reads.
    """

    steps: int
    batch_size: int
    flops: float
    one_shot_flops: float  # the parent's, whose architectures are drawn uniformly


class SamplingRead(ReadModel):
    """How the sampled figures of a preview were drawn."""

    n: int  # per sub-space
    seed: int
    quantiles: list[float]


class BankProfileRead(ReadModel):
    """The weight banks of all architectures of one nonlinearity count."""

    count: int  # of one cell
    subspace: int
    size: SizeRead
    banks: list[int]  # of each searched cell, the first to read the image first


class BanksRead(ReadModel):
    """The weight banks of routing `accumulated`: a bank for every count at every depth."""

    num_banks: int
    num_cells: int  # searched cells of the supernet, in a row
    shared_cells: int  # the first of them, which have the one bank 0
    profiles: list[BankProfileRead]  # counts ascending


class PartitionPreview(ReadModel):
    """A partition: what a splitter makes of a search space."""

    thresholds: list[int] | None  # null: not cut at thresholds; of the running count with banks
    banks: BanksRead | None  # null: every sub-space has a private supernet
    subspaces: list[SubspacePreview]
    all: str
    valid: str
    cover: CoverRead
    costs: Literal["exact", "none"]  # as asked for
    sampling: SamplingRead
    widths: WidthsRead
    training: TrainingCostRead


class OwnerRead(ReadModel):
    """The sub-space that an architecture belongs to."""

    code: str
    subspace: int
    label: str
    valid: bool  # a dead architecture belongs to a sub-space but is never trained
    nonlinearity_count: int
    banks: list[int]  # of each searched cell; empty without weight banks


class DecisionRead(ReadModel):
    """The operation chosen for one decision."""

    decision: int
    operation: str
    choices: list[str]


class EdgeRead(ReadModel):
    """One edge of the drawing of a cell; node 0 is the input."""

    source: int
    target: int
    operation: str
    live: bool  # on some path from the input to the output


class DrawingRead(ReadModel):
    """A cell as a graph."""

    num_nodes: int
    edges: list[EdgeRead]


class KnownResult(ReadModel):
    """A stand-alone accuracy of the architecture in one benchmark."""

    benchmark: str  # name@version
    column: str  # of the benchmark, by name
    accuracy: float  # percent
    seeds: list[float | None] | None
    rank: int | None  # among the column's valid architectures, 1 is best; null if dead
    num_valid: int


class ArchitectureRead(ReadModel):
    """Everything known about one architecture."""

    code: str
    space: str  # name@version
    decisions: list[DecisionRead]
    valid: bool
    nonlinearity_count: int
    flops: int
    parameters: int
    drawing: DrawingRead | None  # null for spaces that are no cells
    known_results: list[KnownResult]
