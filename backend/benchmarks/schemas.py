"""What the API says about benchmarks."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.runs.schemas import ReadModel


class EntryQuery(BaseModel):
    """Which results of a benchmark are listed."""

    model_config = ConfigDict(frozen=True)

    column: str | None = Field(None, description="Name of a column; absent: the ground truth.")
    order: Literal["architecture", "best"] = Field(
        "architecture", description="By architecture, or highest accuracy (lowest cost) first."
    )
    valid: bool | None = Field(None, description="Only valid architectures, or only dead ones.")


class ColumnRead(ReadModel):
    """One metric on one dataset, of the architectures that have it."""

    name: str  # dataset/metric, or the metric alone; unique in the benchmark
    dataset: str | None  # null: the table does not tell
    metric: str
    unit: str
    is_truth: bool  # what runs are compared with that name no column
    num_known: int
    num_valid: int  # of these
    seeds: list[int] | None  # names of the trainings; null: unknown
    noise_ceiling: float | None  # null: unknown, because the column came without seeds
    noise_architectures: int | None  # of which it was computed; null: by whoever made the table
    lowest: float | None
    highest: float | None


class BenchmarkRead(ReadModel):
    """One version of a table of stand-alone results."""

    name: str
    version: int
    space: str  # name@version
    num_entries: int  # architectures with a result in any column
    num_valid: int
    columns: list[ColumnRead]
    truth: str | None  # name of the ground truth's column; null: no accuracy was measured
    num_seeds: int | None  # of the ground truth; null: unknown
    noise_ceiling: float | None  # of the ground truth
    recipe: dict[str, Any]  # Any: free-form, for people
    sha256: str  # of the content
    created_at: datetime


class CountCoverage(ReadModel):
    """How much is known of the architectures with one nonlinearity count."""

    count: int
    all: str  # decimal; in the space
    valid: str
    known: int  # in the column
    known_valid: int
    quantiles: list[float]  # of valid ones: lowest, quartiles, highest; empty if none is known


class TwinExample(ReadModel):
    """Two strings of the same network whose accuracies differ."""

    lower: str
    lowest: float
    higher: str
    highest: float


class TwinsRead(ReadModel):
    """How far accuracies of the same network lie apart that is written in several ways.

    Dead edges are left out, shortcuts followed and inner nodes renamed to find them.
    """

    groups: int  # networks with two strings or more in the column
    architectures: int  # strings of these
    disagreeing: int  # groups that lie further apart than the tolerance
    tolerance: float  # percentage points
    largest: float  # distance in any group
    examples: list[TwinExample]  # the groups furthest apart, if any disagrees


class CoverageRead(ReadModel):
    """What a column knows of its search space, by nonlinearity count."""

    column: str
    by_count: list[CountCoverage]
    twins: TwinsRead | None  # null: no network is there twice, or not an accuracy


class BenchmarkDetail(BenchmarkRead):
    """A benchmark with the coverage of every column."""

    space_all: str  # decimal: architectures of the space
    space_valid: str
    coverage: list[CoverageRead]
    warnings: list[str]  # for people: what was accepted and may still be wrong


class EntryRead(ReadModel):
    """The stand-alone result of one architecture."""

    architecture: str
    value: float  # in the column's unit, mean over the seeds
    seeds: list[float | None] | None  # per training seed; null: unknown
    valid: bool
    count: int  # of nonlinear functions
