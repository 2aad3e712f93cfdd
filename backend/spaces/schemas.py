"""What the API says about search spaces. Sizes are decimal strings: they exceed 2^53."""

from datetime import datetime

from backend.runs.schemas import ReadModel
from nas.spaces import AnySpace


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
    """A search space with its definition."""

    content_hash: str
    definition: AnySpace


class HistogramRead(ReadModel):
    """Architectures per nonlinearity count."""

    counts: dict[str, SizeRead]
    all: str
    valid: str


class SubspacePreview(ReadModel):
    """One sub-space of a partition that nobody has trained yet."""

    index: int
    label: str
    counts: list[int]
    size: SizeRead
    share_all: float
    share_valid: float


class PartitionPreview(ReadModel):
    """A partition: what a splitter makes of a search space."""

    thresholds: list[int] | None  # null: not cut at thresholds
    subspaces: list[SubspacePreview]
    all: str
    valid: str


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
    """The stand-alone result of the architecture in one benchmark."""

    benchmark: str  # name@version
    accuracy: float  # percent
    seeds: list[float] | None
    rank: int | None  # among the benchmark's valid architectures, 1 is best; null if dead
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
