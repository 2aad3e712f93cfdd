"""The tables. The database is the record of everything; files are named by it, never the reverse."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backend.db import Base, PydanticJSON, UtcDateTime, db_now
from nas.benchmarks.build import BuildSpec
from nas.ranking.calibration import Calibration
from nas.spaces import AnySpace
from nas.spec import RunSpec
from nas.training.recipes import AnyRecipe

BigId = BigInteger().with_variant(Integer, "sqlite")
Json = JSON().with_variant(JSONB(), "postgresql")


class SearchSpace(Base):
    """One immutable version of a named search space."""

    __tablename__ = "search_spaces"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    content_hash: Mapped[str] = mapped_column(String(64))
    definition: Mapped[Any] = mapped_column(PydanticJSON(AnySpace))  # Any: a tagged union
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())


class Dataset(Base):
    """One immutable version of a named image dataset; the pixels lie in a checksummed file."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    path: Mapped[str] = mapped_column(Text)  # relative to the artifact folder
    sha256: Mapped[str] = mapped_column(String(64))
    num_bytes: Mapped[int] = mapped_column(BigInteger)
    channels: Mapped[int]
    height: Mapped[int]
    width: Mapped[int]
    classes: Mapped[list[str]] = mapped_column(Json)
    num_train: Mapped[int]
    num_validation: Mapped[int]
    num_test: Mapped[int]
    split_seed: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())


class Benchmark(Base):
    """One immutable version of a table of stand-alone results over a search space."""

    __tablename__ = "benchmarks"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    space_id: Mapped[int] = mapped_column(ForeignKey("search_spaces.id"))
    num_entries: Mapped[int]  # architectures of which anything is known
    num_valid: Mapped[int]
    recipe: Mapped[dict[str, Any]] = mapped_column(Json)  # Any: free-form, for people
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())

    space: Mapped[SearchSpace] = relationship()
    columns: Mapped[list["BenchmarkColumn"]] = relationship(
        back_populates="benchmark", order_by="BenchmarkColumn.position"
    )


class BenchmarkColumn(Base):
    """One metric on one dataset, and what its values look like."""

    __tablename__ = "benchmark_columns"
    __table_args__ = (UniqueConstraint("benchmark_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    benchmark_id: Mapped[int] = mapped_column(ForeignKey("benchmarks.id", ondelete="CASCADE"))
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(200))  # dataset/metric, or the metric alone
    dataset: Mapped[str | None] = mapped_column(String(100))
    metric: Mapped[str] = mapped_column(String(32))
    is_truth: Mapped[bool]  # the ground truth of runs that name no column
    num_known: Mapped[int]
    num_valid: Mapped[int]
    seeds: Mapped[list[int] | None] = mapped_column(Json)  # null: unknown
    noise_ceiling: Mapped[float | None]  # null: unknown, never invented
    noise_architectures: Mapped[int | None]  # of which it was computed at the import
    lowest: Mapped[float | None]
    highest: Mapped[float | None]
    by_count: Mapped[list[dict[str, Any]]] = mapped_column(Json)  # Any: numbers and lists of them
    twins: Mapped[dict[str, Any] | None] = mapped_column(Json)  # Any: as schemas.TwinsRead

    benchmark: Mapped[Benchmark] = relationship(back_populates="columns")


class BenchmarkEntry(Base):
    """One stand-alone result of one architecture, in the unit of its column's metric."""

    __tablename__ = "benchmark_entries"
    __table_args__ = (Index("ix_benchmark_entries_value", "column_id", "value"),)

    column_id: Mapped[int] = mapped_column(
        ForeignKey("benchmark_columns.id", ondelete="CASCADE"), primary_key=True
    )
    architecture: Mapped[str] = mapped_column(String(2048), primary_key=True)
    value: Mapped[float]  # mean over seeds
    seeds: Mapped[list[float | None] | None] = mapped_column(Json)
    valid: Mapped[bool]
    count: Mapped[int]  # of nonlinear functions


class Job(Base):
    """What worker slots execute in units: a run, or the build of a benchmark."""

    __tablename__ = "runs"
    # A deleted run's number is never given to another one.
    __table_args__ = (Index("ix_runs_state", "state"), {"sqlite_autoincrement": True})
    __mapper_args__ = {"polymorphic_on": "kind"}  # noqa: RUF012 - SQLAlchemy reads it

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # run or benchmark
    name: Mapped[str] = mapped_column(String(100))
    # Any: the spec of the kind, a RunSpec or a BuildSpec
    spec: Mapped[Any] = mapped_column(PydanticJSON(RunSpec | BuildSpec))
    state: Mapped[str] = mapped_column(String(16), default="queued")
    space_id: Mapped[int] = mapped_column(ForeignKey("search_spaces.id"))
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"))
    # That a run is compared with, or that a build has made.
    benchmark_id: Mapped[int | None] = mapped_column(ForeignKey("benchmarks.id"))
    # The column of the benchmark that scores are compared with.
    truth_id: Mapped[int | None] = mapped_column(ForeignKey("benchmark_columns.id"))
    cloned_from: Mapped[int | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    # Whose weights its supernets start with; null again once that run is deleted.
    inherits_from: Mapped[int | None] = mapped_column(
        ForeignKey("runs.id", ondelete="SET NULL"), index=True
    )
    # Rises with every change a viewer may want to see, so that polling costs one integer.
    revision: Mapped[int] = mapped_column(default=0)
    note: Mapped[str] = mapped_column(Text, default="")
    archived: Mapped[bool] = mapped_column(default=False)
    failure_class: Mapped[str | None] = mapped_column(String(32))
    failure_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    space: Mapped[SearchSpace] = relationship()
    dataset: Mapped[Dataset] = relationship()
    benchmark: Mapped[Benchmark | None] = relationship()
    truth: Mapped[BenchmarkColumn | None] = relationship()
    units: Mapped[list["Unit"]] = relationship(back_populates="run", order_by="Unit.id")

    @property
    def title(self) -> str:
        """What people call it."""
        return f"Run {self.id}"

    @property
    def processes(self) -> int:
        """How many processes execute a unit together."""
        return 1


class Run(Job):
    """One execution of a RunSpec."""

    __mapper_args__ = {"polymorphic_identity": "run"}  # noqa: RUF012 - likewise

    if TYPE_CHECKING:
        spec: Mapped[RunSpec]

    @property
    def processes(self) -> int:
        return self.spec.training.processes


class Build(Job):
    """The making of one benchmark by a BuildSpec."""

    __mapper_args__ = {"polymorphic_identity": "benchmark"}  # noqa: RUF012 - likewise

    if TYPE_CHECKING:
        spec: Mapped[BuildSpec]

    @property
    def title(self) -> str:
        return f"Build {self.id}"


class Unit(Base):
    """A piece of a run that one worker slot executes under a lease."""

    __tablename__ = "units"
    __table_args__ = (
        UniqueConstraint("run_id", "key"),
        Index("ix_units_state_lease", "state", "lease_until"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(String(64))  # partition, landmarks-0, warm-up, train-0, ...
    kind: Mapped[str] = mapped_column(String(16))  # partition, landmarks, warm-up, train, ...
    subspace: Mapped[int | None]
    chunk: Mapped[int | None]
    depends_on: Mapped[list[str]] = mapped_column(Json, default=list)  # keys within the run
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempt: Mapped[int] = mapped_column(default=0)  # the fencing token of every write
    fruitless_attempts: Mapped[int] = mapped_column(default=0)  # in a row without a checkpoint
    owner: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    progress: Mapped[int] = mapped_column(
        default=0
    )  # steps, trainings, scores or evaluations done
    total: Mapped[int] = mapped_column(default=0)
    micro_batches: Mapped[int] = mapped_column(default=1)  # 2 once training ran out of memory
    # Training and scoring, by the clock of the slots; what was repeated counts again.
    useful_seconds: Mapped[float] = mapped_column(default=0.0)
    failure_class: Mapped[str | None] = mapped_column(String(32))
    failure_message: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    progress_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    run: Mapped[Job] = relationship(back_populates="units")


class SubspaceRow(Base):
    """One sub-space of a run's partition."""

    __tablename__ = "subspaces"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str] = mapped_column(String(100))
    counts: Mapped[list[int]] = mapped_column(Json)
    size_all: Mapped[str] = mapped_column(Text)  # decimal: sizes exceed 64 bits
    size_valid: Mapped[str] = mapped_column(Text)
    # What the run's sampler aims at; null where it has no target.
    target_share: Mapped[float | None]  # of all updates
    target_updates: Mapped[float | None]  # per global step
    operation_targets: Mapped[list[dict[str, float]] | None] = mapped_column(Json)  # per decision
    supernet_width: Mapped[int]
    supernet_parameters: Mapped[str] = mapped_column(Text)  # decimal; of one bank per cell


class LandmarkRow(Base):
    """An architecture whose stand-alone accuracy a run knows, or is finding out."""

    __tablename__ = "landmarks"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    architecture: Mapped[str] = mapped_column(String(2048), primary_key=True)
    index: Mapped[int]  # in the order in which they were chosen
    subspace: Mapped[int]
    source: Mapped[str] = mapped_column(String(16))  # benchmark or stand-alone
    accuracy: Mapped[float | None]  # percent, mean over the seeds; null until all are trained
    # Per training, in order; null where the benchmark does not tell.
    seeds: Mapped[list[float] | None] = mapped_column(Json)


class BuildTraining(Base):
    """One finished training of a benchmark that is being built; it is never made again."""

    __tablename__ = "build_trainings"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    architecture: Mapped[str] = mapped_column(String(2048), primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True)
    accuracy: Mapped[float | None]  # percent, on the test images; null: it diverged
    seconds: Mapped[float]  # of training
    device: Mapped[str] = mapped_column(String(16))  # cpu or cuda


class Metric(Base):
    """One point of one series of one unit: training loss, learning rate, steps per second."""

    __tablename__ = "metrics"

    unit_id: Mapped[int] = mapped_column(
        ForeignKey("units.id", ondelete="CASCADE"), primary_key=True
    )
    series: Mapped[str] = mapped_column(String(32), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)  # global step
    value: Mapped[float]
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)


class TelemetryRow(Base):
    """One second of one unit: what it did since its row before, and what its process used.

    What counts or lasts can be added up over rows.
    """

    __tablename__ = "telemetry"

    unit_id: Mapped[int] = mapped_column(
        ForeignKey("units.id", ondelete="CASCADE"), primary_key=True
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)  # a whole second
    attempt: Mapped[int]
    step: Mapped[int]  # global steps, architectures or evaluations behind the unit
    seconds: Mapped[float] = mapped_column(default=0.0)  # of wall time; the parts are some of it
    updates: Mapped[int] = mapped_column(BigInteger, default=0)
    images: Mapped[int] = mapped_column(
        BigInteger, default=0
    )  # training images times architectures
    data_seconds: Mapped[float] = mapped_column(default=0.0)
    forward_seconds: Mapped[float] = mapped_column(default=0.0)
    backward_seconds: Mapped[float] = mapped_column(default=0.0)
    optimizer_seconds: Mapped[float] = mapped_column(default=0.0)
    ranking_seconds: Mapped[float] = mapped_column(default=0.0)
    checkpoint_seconds: Mapped[float] = mapped_column(default=0.0)
    # Null where the system does not say, or there is no GPU.
    cpu_seconds: Mapped[float | None]  # of all threads
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)  # resident, the most of them
    gpu_seconds: Mapped[float | None]  # in which the GPU was busy, with whatever it was
    gpu_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)  # in use on the whole GPU
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)


class Balance(Base):
    """Training balance as data: cumulative updates of one sub-space by one unit at a step."""

    __tablename__ = "balance"

    unit_id: Mapped[int] = mapped_column(
        ForeignKey("units.id", ondelete="CASCADE"), primary_key=True
    )
    subspace: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)  # global step
    phase: Mapped[str] = mapped_column(String(16))  # warm-up or train
    updates: Mapped[int] = mapped_column(BigInteger)
    samples: Mapped[int] = mapped_column(BigInteger)
    images: Mapped[int] = mapped_column(BigInteger)
    # Only each unit's newest row carries the counts per operation and per weight bank; older ones
    # are emptied.
    operation_updates: Mapped[list[dict[str, int]]] = mapped_column(Json)  # per decision
    operation_samples: Mapped[list[dict[str, int]]] = mapped_column(Json)
    operation_images: Mapped[list[dict[str, int]]] = mapped_column(Json)
    bank_updates: Mapped[list[dict[str, int]]] = mapped_column(Json)  # per searched cell
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)


class Score(Base):
    """The score of one architecture at one step; `stage` tells live rounds from the final one."""

    __tablename__ = "scores"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    stage: Mapped[str] = mapped_column(String(8), primary_key=True)  # live or final
    step: Mapped[int] = mapped_column(primary_key=True)
    scorer: Mapped[str] = mapped_column(String(32), primary_key=True)
    architecture: Mapped[str] = mapped_column(String(2048), primary_key=True)
    subspace: Mapped[int]
    score: Mapped[float]
    # False for what combined scorers need but no rank correlation counts: the rest of the reference
    # sample.
    ranked: Mapped[bool] = mapped_column(default=True)


class Combination(Base):
    """What a combined scorer of a run needs, beside the scores of the reference sample."""

    __tablename__ = "combinations"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    scorer: Mapped[str] = mapped_column(String(32), primary_key=True)
    components: Mapped[list[str]] = mapped_column(Json)  # kinds of the scorers that it combines
    num_reference: Mapped[int]  # architectures among which it ranks
    landmarks: Mapped[list[str]] = mapped_column(Json)  # in the order of the calibration
    calibration: Mapped[Calibration | None] = mapped_column(PydanticJSON(Calibration))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())


class RoundPart(Base):
    """A unit has stored all its live scores of the round that ends at `step`."""

    __tablename__ = "round_parts"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    step: Mapped[int] = mapped_column(primary_key=True)
    unit_id: Mapped[int] = mapped_column(
        ForeignKey("units.id", ondelete="CASCADE"), primary_key=True
    )


class Correlation(Base):
    """Rank correlation with the ground truth, with every condition it depends on."""

    __tablename__ = "correlations"
    __table_args__ = (UniqueConstraint("run_id", "stage", "step", "scorer", "scope"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    stage: Mapped[str] = mapped_column(String(8))  # live or final
    step: Mapped[int]
    scorer: Mapped[str] = mapped_column(String(32))
    scope: Mapped[str] = mapped_column(String(16))  # overall, or the sub-space's index
    tau: Mapped[float | None]  # that of `measures`, for lists of runs
    num_architectures: Mapped[int]
    score_ties: Mapped[int] = mapped_column(BigInteger)  # pairs
    truth_ties: Mapped[int] = mapped_column(BigInteger)
    measures: Mapped[dict[str, Any]] = mapped_column(Json)  # Any: `nas.ranking.measures.Measure`
    best: Mapped[dict[str, Any] | None] = mapped_column(Json)  # Any: the best by prediction
    conditions: Mapped[dict[str, Any]] = mapped_column(Json)  # Any: for people
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())


class Candidate(Base):
    """One evaluation of the searcher."""

    __tablename__ = "candidates"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    evaluation: Mapped[int] = mapped_column(primary_key=True)  # 1-based
    architecture: Mapped[str] = mapped_column(String(2048))
    subspace: Mapped[int]
    score: Mapped[float]
    best_score: Mapped[float]
    flops: Mapped[int] = mapped_column(BigInteger)
    parameters: Mapped[int] = mapped_column(BigInteger)
    nonlinearity_count: Mapped[int]
    objectives: Mapped[dict[str, float]] = mapped_column(Json)  # by name, not turned around
    seconds: Mapped[float]  # of searching behind it, over all attempts
    latency_ms: Mapped[float | None]  # null: the search does not ask for it
    latency_spread_ms: Mapped[float | None]  # interquartile range of the runs; null: from a table
    latency_device: Mapped[str | None] = mapped_column(String(200))  # likewise
    true_accuracy: Mapped[float | None]
    true_rank: Mapped[int | None]  # 1 is best, among the benchmark's valid architectures


class LatencyRow(Base):
    """The latency of one architecture that a search has measured, a candidate or too slow for one."""

    __tablename__ = "latencies"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    architecture: Mapped[str] = mapped_column(String(2048), primary_key=True)
    number: Mapped[int]  # 1-based, in the order of measurement
    latency_ms: Mapped[float]  # median of the runs
    latency_spread_ms: Mapped[float]  # their interquartile range
    latency_device: Mapped[str] = mapped_column(String(200))  # kind and model


class OfferedChunk(Base):
    """Candidates of a running search that another slot may evaluate, until the search takes them."""

    __tablename__ = "offered_chunks"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    # Of the search's attempt; ascending in the order of evaluation.
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # cpu or cuda: scores of the other differ a little.
    device: Mapped[str] = mapped_column(String(16))
    architectures: Mapped[list[str]] = mapped_column(Json)
    # Who evaluates it; the attempt tells a claim of the past from one of now.
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id", ondelete="CASCADE"))
    attempt: Mapped[int | None]
    # Per architecture, by each of the searcher's scorers; null until they are known.
    scores: Mapped[list[list[float]] | None] = mapped_column(Json)


class RetrainingRow(Base):
    """One stand-alone training of an architecture that was chosen; a unit of its run executes it."""

    __tablename__ = "retrainings"

    unit_id: Mapped[int] = mapped_column(
        ForeignKey("units.id", ondelete="CASCADE"), primary_key=True
    )
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]  # in the run, 0-based
    architecture: Mapped[str] = mapped_column(String(2048))
    subspace: Mapped[int]
    origin: Mapped[str] = mapped_column(String(16))  # winner, or picked by somebody
    seed: Mapped[int]
    recipe: Mapped[Any] = mapped_column(PydanticJSON(AnyRecipe))  # Any: a tagged union
    width: Mapped[int | None]  # null: that of the space
    cells_per_stage: Mapped[int | None]
    epochs: Mapped[int] = mapped_column(default=0)  # finished
    best_epoch: Mapped[int | None]  # of the highest accuracy on validation images so far
    # What follows is null until the training has ended, and where it diverged.
    kept_epoch: Mapped[int | None]  # whose weights are stored
    validation_accuracy: Mapped[float | None]  # of these weights, percent
    test_accuracy: Mapped[float | None]
    seconds: Mapped[float | None]  # of training; also known of one that diverged
    device: Mapped[str | None] = mapped_column(String(16))  # cpu or cuda; likewise
    weights_sha256: Mapped[str | None] = mapped_column(String(64))  # of the tensors, not of a file
    failure: Mapped[str | None] = mapped_column(Text)  # why there is no accuracy, for people


class RetrainingEpochRow(Base):
    """One epoch of a retraining."""

    __tablename__ = "retraining_epochs"

    unit_id: Mapped[int] = mapped_column(
        ForeignKey("units.id", ondelete="CASCADE"), primary_key=True
    )
    epoch: Mapped[int] = mapped_column(primary_key=True)  # 1-based
    loss: Mapped[float]  # mean over the steps of the epoch, nats
    learning_rate: Mapped[float]  # of the last of them
    accuracy: Mapped[float]  # on the validation images after it, percent
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)


class Artifact(Base):
    """A file of a unit; its hash is committed with the progress it belongs to."""

    __tablename__ = "artifacts"
    __table_args__ = (Index("ix_artifacts_unit_step", "unit_id", "step"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))  # checkpoint, or retrained: a `RetrainedModel`
    attempt: Mapped[int]
    step: Mapped[int]
    path: Mapped[str] = mapped_column(Text)  # relative to the artifact folder
    sha256: Mapped[str] = mapped_column(String(64))
    num_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())


class EventRow(Base):
    """One line of a run's history: every transition, and what a worker had to say."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_run", "run_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))  # run-state, unit-state, log, data
    level: Mapped[str] = mapped_column(String(8), default="info")
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)  # Any: depends on kind
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())


class WorkerSlot(Base):
    """A worker slot that has announced itself."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    hostname: Mapped[str] = mapped_column(String(200))
    pid: Mapped[int]
    device: Mapped[str] = mapped_column(String(200))
    max_processes: Mapped[int | None]  # of one unit, each on a GPU of its own; null: any number
    # Why the slot begins no unit although there is work for it; null: nothing holds it back.
    held_back: Mapped[str | None] = mapped_column(Text)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id", ondelete="SET NULL"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())


class IdempotencyKey(Base):
    """The answer already given to a POST that carried an `Idempotency-Key`."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    endpoint: Mapped[str] = mapped_column(String(200), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    response: Mapped[dict[str, Any]] = mapped_column(Json)  # Any: the stored answer
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=db_now())
