"""One run of a spec in this process, unit by unit, through the same generators as the server."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from nas.data.dataset import ImageDataset
from nas.events import TrainingProgressed
from nas.experiment import Experiment
from nas.landmarks.choosing import choose_landmarks
from nas.pipeline import rank_unit, train_unit
from nas.ranking.evaluation import evaluations
from nas.ranking.metrics import RankCorrelation, rank_correlation
from nas.ranking.scorers.base import Scorer
from nas.spaces.base import Architecture, Space
from nas.spec import RunSpec
from nas.training.loop import prepare_device
from nas.training.state import TrainState, fresh_state, inherited_state

Scores = dict[str, dict[str, float]]
"""Scorer kind to architecture string to score."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What a run left behind.

    Attributes:
        experiment: the run.
        updates: optimizer steps of the warm-up, if there was one, and of each supernet.
        scores: of the ranking sample.
        wall_minutes: from the partition to the last score.
        cpu_minutes: processor time of this process in the same span.
    """

    experiment: Experiment
    updates: dict[str, int]
    scores: Scores
    wall_minutes: float
    cpu_minutes: float


def execute(
    spec: RunSpec,
    space: Space,
    dataset: ImageDataset,
    *,
    rank_by_warm_up: bool = False,
    accuracies: Mapping[str, float] | None = None,
    architectures: Sequence[Architecture] | None = None,
) -> Execution:
    """Split, train one supernet after the other, and rank.

    Args:
        spec: the run; its search is left out.
        space: that `spec.space` names.
        dataset: that `spec.dataset` names.
        rank_by_warm_up: score with the warm-up's shared supernet instead of the private ones.
        accuracies: of the valid architectures of the benchmark from which landmarks are taken, in
            percent by canonical string.
        architectures: to be scored; None: the ranking sample.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    partition = spec.partition(space)
    landmarks = choose_landmarks(spec, partition, accuracies)
    experiment = Experiment(spec, space, partition, dataset, landmarks=landmarks)
    updates: dict[str, int] = {}
    warm = None
    if spec.training.warm_up_steps:
        warm = _train(experiment, fresh_state(experiment, None))
        updates["warm-up"] = warm.updates
    scores: Scores = {scorer.kind: {} for scorer in spec.ranking.scorers}
    sample = experiment.ranking_sample if architectures is None else architectures
    for subspace in partition.subspaces:
        state = _train(
            experiment,
            fresh_state(experiment, subspace.index)
            if warm is None
            else inherited_state(experiment, warm, subspace.index),
        )
        updates[subspace.title] = state.updates
        own = [member for member in sample if partition.route(member) == subspace.index]
        judge = warm if warm is not None and rank_by_warm_up else state
        for event in rank_unit(experiment, judge, own):
            for entry in event.scores:
                scores[entry.scorer][entry.architecture] = entry.score
    wall_minutes = (time.perf_counter() - wall) / 60
    cpu_minutes = (time.process_time() - cpu) / 60
    return Execution(experiment, updates, scores, wall_minutes, cpu_minutes)


def score_before_training(
    spec: RunSpec,
    space: Space,
    dataset: ImageDataset,
    scorers: Sequence[Scorer],
    architectures: Sequence[Architecture],
) -> tuple[Scores, float]:
    """Score by scorers that read no trained supernet; return also the processor's minutes."""
    began = time.process_time()
    experiment = Experiment(spec, space, spec.partition(space), dataset)
    prepare_device(experiment)
    nobody = fresh_state(experiment, None).supernet
    scores: Scores = {scorer.kind: {} for scorer in scorers}
    ordered = sorted(architectures, key=space.live_form)
    images = experiment.scoring_images
    for member, values in evaluations(experiment, nobody, ordered, images, scorers):
        for scorer, value in zip(scorers, values, strict=True):
            scores[scorer.kind][space.encode(member)] = value
    return scores, (time.process_time() - began) / 60


def correlate(
    space: Space, scores: dict[str, float], truth: dict[str, float], counts: frozenset[int] | None
) -> RankCorrelation:
    """Compare scores with the truth, over the architectures whose count is in `counts` or all."""
    members = [
        code
        for code in sorted(scores)
        if counts is None or space.nonlinearity_count(space.decode(code)) in counts
    ]
    return rank_correlation(
        [scores[code] for code in members], [truth[code] for code in members], seed=0
    )


def ranking_figures(found: RankCorrelation) -> dict[str, JsonValue]:
    """Return what a kept result tells of a correlation."""
    return {
        "tau": found.tau.value,
        "tau_low": found.tau.low,
        "tau_high": found.tau.high,
        "spearman": found.measures["spearman"].value,
        "top_half_tau": found.measures["tau-top-half"].value,
        "num_architectures": found.num_architectures,
    }


def _train(experiment: Experiment, state: TrainState) -> TrainState:
    name = "warm-up" if state.subspace is None else f"sub-space {state.subspace}"
    shown = 0.0
    for event in train_unit(experiment, state):
        now = time.monotonic()
        if isinstance(event, TrainingProgressed) and now - shown > 30:
            shown = now
            print(
                f"{experiment.spec.name} seed {experiment.spec.seed}: {name} step {event.step}, "
                f"loss {event.loss:.3f}, {event.steps_per_second:.0f} steps/s",
                file=sys.stderr,
                flush=True,
            )
    return state
