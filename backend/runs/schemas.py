"""What the API and the dashboard say about runs. Read schemas have no defaults."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.columns import StorableText
from backend.paging import Page
from nas.names import RunName
from nas.plugin import refused_at
from nas.ranking.measures import MeasureName
from nas.spec import RunSpec
from nas.supernets.spec import MAX_WIDTH
from nas.training.recipes import AnyRecipe
from nas.training.retrain_spec import MOST_RETRAINED, Retraining, Seeds


class ReadModel(BaseModel):
    """A response built from a row."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class RunSummary(ReadModel):
    """One line of the run list."""

    id: int
    name: str
    state: str
    space: str  # name@version
    dataset: str
    benchmark: str | None
    benchmark_column: str | None  # whose accuracies are the ground truth
    num_subspaces: int
    progress: float  # 0..1, weighted by the expected cost of the units
    tau: float | None  # newest overall Kendall tau-b of the first scorer
    noise_ceiling: float | None  # of that column; null: unknown, or there is no benchmark
    revision: int
    archived: bool
    waiting_reason: str | None  # why a queued run waits
    failure_class: str | None  # why the run failed, or why the server paused it
    failure_message: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RunRead(RunSummary):
    """A run with its full spec."""

    spec: RunSpec
    note: str
    cloned_from: int | None
    inherits_from: int | None  # null once that run is deleted; the spec keeps its number
    allowed_actions: list[str]


class RunPatch(BaseModel):
    """What may change about a run after it was created; absent fields stay as they are."""

    model_config = ConfigDict(extra="forbid")

    name: RunName | None = None
    note: StorableText | None = Field(None, max_length=10_000)
    archived: bool | None = None


class UnitRead(ReadModel):
    """A piece of a run that one worker slot executes."""

    id: int
    key: str
    kind: str
    subspace: int | None
    chunk: int | None
    depends_on: list[str]
    state: str
    attempt: int
    owner: str | None
    lease_until: datetime | None
    progress: int
    total: int
    micro_batches: int  # parts of a batch: 2 after training ran out of memory
    useful_seconds: float  # spent on training and scoring; what was repeated counts again
    failure_class: str | None
    failure_message: str | None
    started_at: datetime | None
    progress_at: datetime | None
    finished_at: datetime | None


class SubspaceRead(ReadModel):
    """One sub-space; sizes are decimal strings because they exceed 2^53."""

    index: int
    label: str
    counts: list[int]
    size_all: str
    size_valid: str
    share_valid: float  # of all valid architectures
    # What the run's sampler aims at; null where it has no exact target.
    target_share: float | None  # of all training updates
    target_updates: float | None  # per global step
    operation_targets: list[dict[str, float]] | None  # per decision, shares of the samples
    supernet_width: int  # channels of its first stage
    supernet_parameters: str  # trainable ones; with weight banks, of one bank per cell
    num_landmarks: int | None  # null: the run has none
    # Inside it, those of equal accuracy left out; 0: a private supernet trains without the term.
    num_landmark_pairs: int | None


class LandmarkRead(ReadModel):
    """An architecture whose stand-alone accuracy a run knows; it is never ranked."""

    index: int  # in the order in which they were chosen
    architecture: str
    subspace: int
    source: str  # benchmark, or stand-alone: trained by the run, measured on validation images
    accuracy: float | None  # percent, mean over the seeds; null until all of them are trained
    seeds: list[float] | None  # per training so far; null: the benchmark does not tell


class MetricRead(ReadModel):
    """One point of a training curve."""

    unit: str
    subspace: int | None
    series: str
    step: int
    value: float


class TelemetryRead(ReadModel):
    """What one unit did in some stretch of its work, by wall time, and what its process used.

    The parts add up to `seconds`. `updates`, `images` and everything in seconds may be added up over
    rows. Values of CPU, memory and GPU are null where the worker's system does not tell them.
    """

    unit: str
    kind: str
    subspace: int | None
    attempt: int
    at: datetime  # the end of the stretch, to the second
    step: int  # global steps, architectures or evaluations behind the unit by then
    seconds: float  # for which the unit was worked on
    updates: int  # optimizer steps
    images: int  # training images times architectures
    steps_per_second: float | None  # updates / seconds; null for a unit that does not train
    samples_per_second: float | None  # images / seconds; likewise
    data_seconds: float
    forward_seconds: float
    backward_seconds: float
    optimizer_seconds: float
    ranking_seconds: float  # scoring: live, final, or of the search's candidates
    checkpoint_seconds: float  # for which checkpoints held the work up
    other_seconds: float  # the rest: opening the unit, recording its rows
    useful_share: float  # of the seconds, those of training and ranking, 0 to 1
    cpu_percent: float | None  # 100 is one core, fully used
    memory_bytes: int | None  # resident memory of the processes, the most seen
    gpu_percent: float | None  # of the time in which the GPU was busy, whoever used it
    gpu_memory_bytes: int | None  # in use on the whole GPU, the most seen


class BalanceRead(ReadModel):
    """Cumulative training of one sub-space by one unit when it had reached `step`.

    An update is an optimizer step that trained some architecture of the sub-space, a sample one
    architecture in it. What is counted per operation or bank stands only in each unit's newest row.
    """

    unit: str
    phase: str
    subspace: int
    step: int
    updates: int
    samples: int
    images: int  # that the samples saw
    operation_updates: list[dict[str, int]]  # per decision
    operation_samples: list[dict[str, int]]
    operation_images: list[dict[str, int]]
    bank_updates: list[dict[str, int]]  # per searched cell, by weight bank


class SupernetBalanceRead(ReadModel):
    """How much one sub-space was trained, the shared warm-up apart."""

    index: int
    label: str
    updates: int
    samples: int
    images: int
    warm_up_updates: int  # of the warm-up supernet, on architectures of this sub-space
    share: float  # of all updates, 0..1; 0 before the first
    target_share: float | None  # what the sampler aims at; null: no exact target


class BalanceSummary(ReadModel):
    """How evenly the sub-spaces were trained.

    With p_k the share of sub-space k in all updates, the normalised entropy is
    -sum(p_k ln p_k) / ln K: 1 if all K were trained alike, 0 if one alone was.
    """

    supernets: list[SupernetBalanceRead]
    entropy: float | None  # normalised
    target_entropy: float | None  # the same of the target shares; null without a target
    undefined_reason: str | None  # why `entropy` is null: one supernet, or no own update yet


class MeasureRead(ReadModel):
    """What one measure of a ranking found."""

    value: float | None  # null where it is undefined
    low: float | None  # 95 % bootstrap interval; null without one
    high: float | None
    num_architectures: int  # that it is about: all, those of a part of the ground truth, or k
    score_ties: int  # pairs of them with equal scores
    truth_ties: int  # pairs of them with equal truths
    undefined_reason: str | None  # a sentence, where the value is null


class BestRead(ReadModel):
    """The architecture with the highest score; of several, the first in order of the alphabet."""

    architecture: str
    true_accuracy: float  # percent
    true_rank: int  # 1 is best, among the benchmark's valid architectures
    num_ranked: int  # valid architectures of the benchmark
    num_tied: int  # architectures with the highest score, this one included


class CorrelationRead(ReadModel):
    """Every measure of one ranking with its conditions."""

    stage: str
    step: int
    scorer: str
    scope: str  # overall, or the sub-space's index
    num_architectures: int
    score_ties: int  # pairs with equal scores
    truth_ties: int
    measures: dict[MeasureName, MeasureRead]
    best: BestRead | None  # null where the measures are undefined
    conditions: dict[str, Any]  # Any: free-form, for people

    @property
    def tau(self) -> MeasureRead:
        """Kendall's tau-b of all architectures."""
        return self.measures["tau"]


class ScoreRead(ReadModel):
    """A score beside the ground truth, where known."""

    stage: str
    step: int
    scorer: str
    architecture: str
    subspace: int
    score: float
    ranked: bool  # false for what combined scorers need and no rank correlation counts
    true_accuracy: float | None


class LandmarkPrediction(ReadModel):
    """A landmark from which a scorer learned."""

    architecture: str
    accuracy: float  # stand-alone, in percent
    left_out_score: float | None  # fitted without it; null with fewer than three landmarks


class CombinationRead(ReadModel):
    """What a combined scorer of a run combines, and what it learned from landmarks."""

    scorer: str
    components: list[str]  # kinds of the scorers that it combines
    num_reference: int  # architectures among which it ranks
    num_landmarks: int
    left_out_tau: float | None  # Kendall's tau-b of the left-out scores; null: undefined
    offsets: list[float] | None  # per sub-space, on the scale of the target; null: learns nothing
    landmarks: list[LandmarkPrediction]


class CandidateRead(ReadModel):
    """One evaluation of the search."""

    evaluation: int
    architecture: str
    subspace: int
    score: float
    best_score: float
    flops: int
    parameters: int
    nonlinearity_count: int
    objectives: dict[str, float]  # of the search, by name, not turned around
    seconds: float  # of searching behind it, over all attempts
    latency_ms: float | None  # of one forward pass; null: the search does not ask for it
    latency_spread_ms: float | None  # interquartile range of the runs; null: not measured
    latency_device: str | None  # kind and model; likewise
    true_accuracy: float | None
    true_rank: int | None


class LatencyRead(ReadModel):
    """The latency of an architecture that the search has measured."""

    number: int  # in the order of measurement
    architecture: str
    latency_ms: float  # median of the runs
    latency_spread_ms: float  # their interquartile range
    latency_device: str  # kind and model
    is_candidate: bool  # or will be; false: it is above the search's limit


class RandomPoint(ReadModel):
    """True accuracy of the best by score of a random search, in percent."""

    evaluation: int
    mean: float  # over all its draws
    low: float  # of the band that holds 90 % of them
    high: float


class SearchControl(ReadModel):
    """What a run's search is compared with."""

    best_accuracy: float  # of the benchmark's valid architectures, percent
    num_scored: int  # architectures whose scores tell what random search finds; 0: none yet
    is_whole_space: bool  # whether the ranking scored all that is valid
    random: list[RandomPoint]  # by evaluation, up to the budget


class FrontPoint(ReadModel):
    """An architecture and its true values."""

    architecture: str
    objectives: dict[str, float]  # accuracy in percent, and the costs of the search


class TrueFront(ReadModel):
    """The front that a search has found beside that of its benchmark."""

    objectives: list[str]  # of the search, accuracy in the place of the scorer
    front: list[FrontPoint]  # what no valid architecture that the benchmark knows beats
    found: list[FrontPoint]  # of the search's own front, what is one in truth too
    # Hypervolume of `found` over that of `front`; the valid architectures span 0 to 1 in every
    # objective, and the reference point is 1.05.
    hypervolume_share: float
    num_known: int  # valid architectures of the benchmark


class RetrainRequest(BaseModel):
    """Which architectures of a run are to be trained stand-alone, and how.

    What is absent is as in the run's spec, or else as for the winners of a run that says nothing.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    architectures: list[Annotated[StorableText, Field(min_length=1, max_length=2048)]] | None = (
        Field(
            None,
            min_length=1,
            max_length=MOST_RETRAINED,
            description="By their canonical strings.",
        )
    )
    top: int | None = Field(
        None,
        ge=1,
        le=MOST_RETRAINED,
        description="So many of the best candidates of the search, in place of a list.",
    )
    seeds: Seeds | None = Field(None, description="One training of each per seed.")
    recipe: AnyRecipe | None = Field(None, description="How each is trained.")
    width: int | None = Field(None, ge=1, le=MAX_WIDTH)
    cells_per_stage: int | None = Field(None, ge=1, le=64)

    @model_validator(mode="after")
    def _listed_or_winners(self) -> Self:
        if (self.architectures is None) == (self.top is None):
            raise refused_at(
                ("architectures",),
                "either list architectures, or set top to so many of the search's best candidates",
            )
        return self

    def plan(self, usual: Retraining | None) -> Retraining:
        """Return how they are trained, with what is absent as in `usual`."""
        named = ("seeds", "recipe", "width", "cells_per_stage")
        usual = usual or Retraining()
        chosen = {name: getattr(usual, name) for name in named}
        given = {name: getattr(self, name) for name in named}
        chosen |= {name: value for name, value in given.items() if value is not None}
        return Retraining.model_validate(chosen)


class RetrainingRead(ReadModel):
    """One stand-alone training of one architecture."""

    number: int  # in the run
    unit: str
    state: str  # of the unit
    architecture: str
    subspace: int
    origin: str  # winner of the search, or picked by somebody
    seed: int
    recipe: AnyRecipe
    width: int | None  # null: that of the space
    cells_per_stage: int | None
    epochs: int  # finished
    max_epochs: int  # of the recipe; an early stop ends it before
    best_epoch: int | None  # of the highest accuracy on validation images so far
    kept_epoch: int | None  # whose weights are stored; null until the end, or if it diverged
    validation_accuracy: float | None  # of these weights, percent; likewise
    test_accuracy: float | None
    seconds: float | None  # of training, evaluation excluded
    device: str | None  # cpu or cuda
    weights_sha256: str | None  # of the tensors: equal weights have equal ones
    failure: str | None  # why there is no accuracy


class RetrainedRead(ReadModel):
    """All trainings of one architecture that differ in nothing but their seed."""

    architecture: str
    subspace: int
    origin: str
    recipe: str  # its kind
    width: int | None
    cells_per_stage: int | None
    numbers: list[int]  # of the trainings
    num_done: int  # that ended with an accuracy
    num_diverged: int
    test_accuracy: float | None  # mean over those that ended with one, percent
    test_deviation: float | None  # sample standard deviation; null below two
    validation_accuracy: float | None  # mean likewise
    scorer: str  # whose score follows
    score: float | None  # of the supernets, higher is better; null: never scored
    true_accuracy: float | None  # by the run's benchmark


class RetrainingPage(Page[RetrainingRead]):
    """Retrainings one by one, and what those of each architecture found together."""

    architectures: list[RetrainedRead]


class RetrainingEpochRead(ReadModel):
    """One epoch of a retraining."""

    number: int  # of the retraining
    epoch: int  # 1-based
    loss: float  # mean over its training steps, nats
    learning_rate: float  # of its last step
    accuracy: float  # on the validation images after it, percent


class EventRead(ReadModel):
    """One line of a run's history."""

    id: int
    unit: str | None
    kind: str
    level: str
    message: str
    data: dict[str, Any]  # Any: depends on kind
    created_at: datetime


class ArtifactRead(ReadModel):
    """A file of a unit: a checkpoint, or a retrained network."""

    id: int
    unit: str
    kind: str
    attempt: int
    step: int
    path: str  # relative to the artifact folder
    sha256: str
    num_bytes: int
    created_at: datetime
