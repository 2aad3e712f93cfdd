"""What the science reports while it works; the worker's recorder turns these into rows.

Every event is cumulative or keyed by its step, so recording one twice after a resume changes
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.landmarks.landmark import NO_LANDMARKS, Landmarks
from nas.latency.latency import Latency
from nas.partition.base import Partition
from nas.ranking.calibration import Calibration
from nas.supernets.sizes import Supernets

if TYPE_CHECKING:
    from nas.training.retrained import RetrainedModel


@dataclass(frozen=True, slots=True)
class PartitionFound:
    """The search space has been split, and it is known which supernets and landmarks that takes."""

    partition: Partition
    supernets: Supernets
    landmarks: Landmarks = NO_LANDMARKS


@dataclass(frozen=True, slots=True)
class SupernetBalance:
    """How one sub-space was trained so far by one unit.

    Where a sampler trains several architectures per step, one update stands for several samples.

    Attributes:
        subspace: index of the sub-space.
        updates: optimizer steps that trained at least one of its architectures.
        samples: architectures trained, one forward and backward pass of a batch each.
        images: training images that these passes saw.
        operation_updates: per decision, operation name to updates in which some architecture
            chose it.
        operation_samples: likewise, to architectures that chose it.
        operation_images: likewise, to images that their passes saw.
        bank_updates: per searched cell, weight bank to updates in which some architecture of this
            sub-space read it there; empty without weight banks.
    """

    subspace: int
    updates: int
    samples: int
    images: int
    operation_updates: tuple[dict[str, int], ...]
    operation_samples: tuple[dict[str, int], ...]
    operation_images: tuple[dict[str, int], ...]
    bank_updates: tuple[dict[int, int], ...]


@dataclass(frozen=True, slots=True)
class PartSeconds:
    """How long the parts of some training steps took, in wall seconds; on a GPU, its own.

    Attributes:
        data: drawing architectures and images, augmentation.
        forward: passes through the supernet, the loss included.
        backward: gradients.
        optimizer: clipping and the update of the weights, counting what was trained.
    """

    data: float = 0.0
    forward: float = 0.0
    backward: float = 0.0
    optimizer: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingProgressed:
    """A unit has executed all of its global steps below `step`.

    Attributes:
        step: global steps behind this unit.
        updates: optimizer steps this unit has made in all, resumed ones included.
        loss: mean training loss (nats) of the updates since the previous event, each the mean of
            its architectures; without the regularisers' terms.
        learning_rate: of the last step.
        steps_per_second: own optimizer steps per wall second since the previous event.
        balance: cumulative counts, one entry per sub-space this unit trains.
        part_seconds: what the steps since the previous event took.
        penalty: mean sum of the regularisers' terms (nats) of the same updates.
    """

    step: int
    updates: int
    loss: float
    learning_rate: float
    steps_per_second: float
    balance: tuple[SupernetBalance, ...]
    part_seconds: PartSeconds = PartSeconds()
    penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class StandAloneProgressed:
    """An architecture is being trained alone.

    Attributes:
        architecture: which.
        seed: 0-based number of the training.
        step: optimizer steps of this training so far.
        num_steps: all of them.
        updates: optimizer steps since the previous event.
        images: training images that they saw.
        part_seconds: what they took.
    """

    architecture: str
    seed: int
    step: int
    num_steps: int
    updates: int
    images: int
    part_seconds: PartSeconds


@dataclass(frozen=True, slots=True)
class StandAloneTrained:
    """An architecture has been trained alone, once.

    Attributes:
        architecture: which.
        seed: 0-based number of the training; each has random numbers of its own.
        accuracy: in percent, on the validation images.
    """

    architecture: str
    seed: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class RetrainingEpoch:
    """An epoch of a retraining has ended.

    Attributes:
        architecture: which.
        seed: of the training.
        epoch: 1-based.
        loss: mean training loss of its steps (nats).
        learning_rate: of the last of them.
        accuracy: on the validation images after it, in percent.
        best_epoch: the first with the highest accuracy so far.
    """

    architecture: str
    seed: int
    epoch: int
    loss: float
    learning_rate: float
    accuracy: float
    best_epoch: int


@dataclass(frozen=True, slots=True)
class Retrained:
    """A retraining has come to its end.

    Attributes:
        architecture: which.
        seed: of the training.
        epochs: that were finished.
        best_epoch: the first with the highest accuracy on validation images; 0 if none was finished.
        kept_epoch: whose weights were kept; None where the training diverged.
        validation_accuracy: of those weights, in percent; likewise.
        test_accuracy: likewise, on the test images, which were read for nothing else.
        seconds: that the training took, evaluation excluded.
        reason: why there is no accuracy, for people; empty where there is one.
        model: the kept weights and all that is needed to use them; likewise None.
    """

    architecture: str
    seed: int
    epochs: int
    best_epoch: int
    kept_epoch: int | None
    validation_accuracy: float | None
    test_accuracy: float | None
    seconds: float
    reason: str
    model: RetrainedModel | None


@dataclass(frozen=True, slots=True)
class NetworkTrained:
    """A network of a benchmark that is being built has been trained once.

    Attributes:
        architecture: whose network it is; others that compute the same share the result.
        seed: of the training.
        accuracy: in percent, on the test images; None where the training diverged.
        seconds: that the training took, evaluation excluded.
        reason: why there is no accuracy, for people; empty where there is one.
    """

    architecture: str
    seed: int
    accuracy: float | None
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ArchitectureScore:
    """One score of one architecture; higher is better."""

    architecture: str
    subspace: int
    scorer: str
    score: float


@dataclass(frozen=True, slots=True)
class ArchitecturesScored:
    """Some architectures were scored by the supernet as it stood at global step `step`."""

    step: int
    scores: tuple[ArchitectureScore, ...]


@dataclass(frozen=True, slots=True)
class ScorerPrepared:
    """A combined scorer has all it needs to score any architecture of the run.

    Attributes:
        scorer: its kind.
        components: kinds of the scorers that it combines.
        num_reference: architectures among which it ranks.
        landmarks: those that it learned from, in the order of the calibration; empty if none.
        calibration: what it learned; None for a scorer that learns nothing.
    """

    scorer: str
    components: tuple[str, ...]
    num_reference: int
    landmarks: tuple[str, ...] = ()
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class RoundFinished:
    """The unit reached the boundary `step` of a round, its live scores included."""

    step: int


@dataclass(frozen=True, slots=True)
class CandidateEvaluated:
    """The searcher evaluated one architecture.

    Attributes:
        evaluation: 1-based number of the evaluation.
        best_score: highest score up to and including this evaluation.
        objectives: values of the searcher's objectives by name, in their order.
        seconds: of searching behind this evaluation, over all attempts; no part of the result.
        latency: None where the search does not ask for it.
    """

    evaluation: int
    architecture: str
    subspace: int
    score: float
    best_score: float
    flops: int
    parameters: int
    nonlinearity_count: int
    objectives: Mapping[str, float]
    seconds: float = field(compare=False)
    latency: Latency | None = None


@dataclass(frozen=True, slots=True)
class LatencyMeasured:
    """The search measured one architecture, before it is scored or because it will not be.

    Attributes:
        number: 1-based, of the measurement.
    """

    number: int
    architecture: str
    latency: Latency


@dataclass(frozen=True, slots=True)
class SearchRemarked:
    """A search has ended, and people should know how."""

    text: str


@dataclass(frozen=True, slots=True)
class CandidatesScored:
    """Some candidates of a search that goes on elsewhere were scored.

    Attributes:
        scores: of each of them in order, by each of the searcher's scorers.
    """

    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class NothingOffered:
    """A search that goes on elsewhere has no candidate to spare just now."""


Event = (
    PartitionFound
    | StandAloneProgressed
    | StandAloneTrained
    | NetworkTrained
    | RetrainingEpoch
    | Retrained
    | TrainingProgressed
    | ArchitecturesScored
    | ScorerPrepared
    | RoundFinished
    | CandidateEvaluated
    | LatencyMeasured
    | SearchRemarked
    | CandidatesScored
    | NothingOffered
)
