"""The units of a run as generators of events; nothing here says in which order they execute.

Importing this module loads no torch; the units that train or score load it when they start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from nas.events import (
    ArchitectureScore,
    ArchitecturesScored,
    CandidateEvaluated,
    CandidatesScored,
    Event,
    LatencyMeasured,
    NothingOffered,
    PartitionFound,
    Retrained,
    RetrainingEpoch,
    RoundFinished,
    ScorerPrepared,
    SearchRemarked,
    StandAloneProgressed,
    StandAloneTrained,
)
from nas.experiment import Experiment
from nas.landmarks.sources.stand_alone import StandAloneLandmarks
from nas.latency.latency import Latency, LatencyTable
from nas.latency.sources.measured import MeasuredLatency
from nas.ranking.calibration import Calibration
from nas.ranking.combination import Combination, ScoreTable, combine, learn
from nas.ranking.reference import reference_sample
from nas.ranking.scorers.base import Scorer
from nas.search.latencies import Measure
from nas.search.loop import Evaluate, search
from nas.search.share import Share, shared
from nas.search.state import SearchState
from nas.seeds import derive_seed
from nas.spaces.base import Architecture
from nas.spaces.shape import NetworkShape
from nas.spec import round_boundaries
from nas.training.team import Team

if TYPE_CHECKING:
    from nas.ranking.scoring import ScoringImages
    from nas.training.retraining import RetrainState
    from nas.training.standalone import StandAloneTrainer
    from nas.training.state import TrainState

SCORING_CHUNK = 20
"""Architectures per event of scores."""

COMBINING_CHUNK = 250
"""Likewise of combined ones, which take no pass through a supernet."""


def partition_unit(experiment: Experiment) -> Iterator[PartitionFound]:
    """Tell how the search space is split, into which supernets, and which landmarks there are.

    Raises:
        InfeasibleSupernet: if the spec's widths do not fit the partition.
    """
    yield PartitionFound(experiment.partition, experiment.supernets, experiment.landmarks)


def landmarks_unit(
    experiment: Experiment, trainings: Sequence[tuple[Architecture, int]]
) -> Iterator[StandAloneProgressed | StandAloneTrained]:
    """Train landmarks alone, one after the other, each with the number of its training.

    Random numbers depend on the run's seed and on that number alone, so all landmarks see the same
    images in the same order. The networks have the full size of the space, and the dataset's
    classes. Accuracies are those on validation images.

    Args:
        experiment: of a spec whose landmarks are trained by the run.
        trainings: what is still to be trained.

    Raises:
        TrainingDiverged: if a trained network's outputs are not finite.
    """
    from nas.training.loop import prepare_device
    from nas.training.standalone import StandAloneTrainer

    if not trainings:
        return
    prepare_device(experiment)
    source, dataset = experiment.spec.landmarks, experiment.dataset
    assert isinstance(source, StandAloneLandmarks)
    shape = NetworkShape(image_channels=dataset.image_shape[0], num_classes=len(dataset.classes))
    trainer = StandAloneTrainer(experiment.space, dataset, source.recipe, experiment.device, shape)
    for architecture, number in trainings:
        seed = derive_seed(experiment.spec.seed, "landmark training", number)
        accuracy = yield from trainer.reported_accuracy(architecture, seed, number)
        yield StandAloneTrained(experiment.space.encode(architecture), number, accuracy)


def ranking_parts(experiment: Experiment) -> tuple[tuple[Architecture, ...], ...]:
    """Return what is scored after training by sub-space, what begins alike as neighbours.

    Neighbours are cheap to score together (`nas.supernets.evaluation`).
    """
    sample = (*experiment.ranking_sample, *unranked_sample(experiment))
    return tuple(
        tuple(sorted(part, key=experiment.space.live_form))
        for part in _by_subspace(experiment, sample)
    )


def unranked_sample(experiment: Experiment) -> tuple[Architecture, ...]:
    """Return what is scored beside the ranking sample, and kept out of every rank correlation.

    It is the rest of the reference sample, if the run has a combined scorer, and the landmarks, if
    such a scorer learns from them.
    """
    ranking = experiment.spec.ranking
    if not ranking.combined_scorers:
        return ()
    ranked = frozenset(experiment.ranking_sample)
    wanted = dict.fromkeys(reference_sample(experiment.space, ranking.reference_architectures))
    if any(scorer.needs_landmarks for scorer in ranking.combined_scorers):
        wanted |= dict.fromkeys(one.architecture for one in experiment.landmarks.chosen)
    return tuple(member for member in wanted if member not in ranked)


def train_unit(
    experiment: Experiment, state: TrainState, team: Team | None = None
) -> Iterator[Event]:
    """Train one supernet to the end of its unit, scoring its part of the live sample each round.

    The warm-up ends at `training.warm_up_steps`. It, and a supernet with weight banks, scores the
    whole live sample. `state` is whole
    at every event: stored then, restored and passed in again, the unit goes on exactly. A round
    that was interrupted while it was scored is scored again, to the same values.

    Args:
        experiment: the run.
        state: of the unit.
        team: who trains, by default this process alone; it alone scores.

    Raises:
        TrainingDiverged: if the loss is not finite.
        ScoreUndefined: if a score is not finite.
    """
    from nas.training.loop import prepare_device, train

    prepare_device(experiment)
    spec, training = experiment.spec, experiment.spec.training
    known = [landmark.accuracy is not None for landmark in experiment.landmarks.chosen]
    for regulariser in training.regularisers:
        assert not regulariser.needs_landmarks or (known and all(known)), "landmarks are missing"
    is_warm_up = state.subspace is None and training.warm_up_steps
    last = training.warm_up_steps if is_warm_up else training.steps
    live = [
        architecture
        for architecture in experiment.live_sample
        if state.subspace is None or experiment.partition.route(architecture) == state.subspace
    ]
    team = team or Team()
    team.begin(experiment, state)
    for boundary in round_boundaries(spec):
        if not state.finished_round < boundary <= last:
            continue
        yield from train(experiment, state, boundary, team)
        yield from _scored(
            experiment, state, live, experiment.live_scoring_images, spec.ranking.live_scorers
        )
        state.finished_round = boundary
        yield RoundFinished(boundary)


def rank_unit(
    experiment: Experiment, state: TrainState, architectures: Sequence[Architecture]
) -> Iterator[ArchitecturesScored]:
    """Score architectures with the trained supernet of the sub-space that they all belong to.

    Raises:
        ValueError: if one of them belongs to another sub-space.
        ScoreUndefined: if a score is not finite.
    """
    from nas.training.loop import prepare_device

    prepare_device(experiment)
    for architecture in architectures:
        owner = experiment.partition.route(architecture)
        if state.subspace is not None and owner != state.subspace:
            raise ValueError(
                f"{experiment.space.encode(architecture)} belongs to sub-space {owner}, "
                f"not to {state.subspace}"
            )
    scorers = experiment.spec.ranking.measured_scorers
    yield from _scored(experiment, state, architectures, experiment.scoring_images, scorers)


def combine_unit(
    experiment: Experiment,
    table: ScoreTable,
    learned: Mapping[str, Calibration | None],
) -> Iterator[ScorerPrepared | ArchitecturesScored]:
    """Score by the run's combined scorers every architecture that has no such score yet.

    Args:
        experiment: the run; the accuracies of its landmarks are known.
        table: final scores of all that the rank units scored, and the combined ones that exist.
        learned: by kind of scorer, what those learned that are prepared already.

    Raises:
        InfeasibleCalibration: if a scorer needs more landmarks.
        ScoreUndefined: if the table lacks a score.
    """
    ranking, partition, space = experiment.spec.ranking, experiment.partition, experiment.space
    landmarks = {
        space.encode(landmark.architecture): landmark.accuracy
        for landmark in experiment.landmarks.chosen
        if landmark.accuracy is not None
    }
    for scorer in ranking.combined_scorers:
        found = combine(ranking, partition, scorer, table, learned.get(scorer.kind))
        if scorer.kind not in learned:
            found = replace(found, calibration=learn(found, table, landmarks))
            yield ScorerPrepared(
                scorer=scorer.kind,
                components=found.components,
                num_reference=len(found.reference.architectures),
                landmarks=tuple(landmarks) if scorer.needs_landmarks else (),
                calibration=found.calibration,
            )
        missing = [code for code, scores in table.items() if scorer.kind not in scores]
        for start in range(0, len(missing), COMBINING_CHUNK):
            chunk = missing[start : start + COMBINING_CHUNK]
            members = [space.decode(code) for code in chunk]
            values = [[table[code][kind] for kind in found.components] for code in chunk]
            yield ArchitecturesScored(
                step=experiment.spec.training.steps,
                scores=tuple(
                    ArchitectureScore(code, partition.route(member), scorer.kind, score)
                    for code, member, score in zip(
                        chunk, members, found.scores(members, values), strict=True
                    )
                ),
            )


def search_unit(  # noqa: PLR0913 - what a search rests on
    experiment: Experiment,
    states: Sequence[TrainState],
    search_state: SearchState,
    combinations: Mapping[str, Combination] = MappingProxyType({}),
    table: LatencyTable | None = None,
    measured: Mapping[Architecture, Latency] = MappingProxyType({}),
    share: Share | None = None,
) -> Iterator[CandidateEvaluated | LatencyMeasured | SearchRemarked]:
    """Search for the architecture with the best score.

    Latencies are measured here, one after the other, wherever candidates are scored: those of one
    device can be compared.

    Args:
        experiment: of a spec that has a search.
        states: the trained supernets, by index of their sub-space; those of weight banks are one.
        search_state: updated in place; stored at any event, the search goes on exactly.
        combinations: by kind, those of the searcher's scorers that combine others: as they scored
            the ranking.
        table: known latencies, where the searcher looks them up.
        measured: latencies that earlier attempts have measured, which are not measured again.
        share: has others evaluate candidates too; None: nobody else does.

    Raises:
        InfeasibleSearch: if no valid architecture keeps the constraints.
        ScoreUndefined: if a score is not finite.
    """
    searcher, partition = experiment.spec.search, experiment.partition
    assert searcher is not None
    evaluate = _candidate_scores(experiment, states, combinations)
    if share is not None:
        evaluate = shared(evaluate, share, search_state, searcher.budget)
    source = searcher.latency_source
    latency: Measure | LatencyTable | None = table
    if isinstance(source, MeasuredLatency):
        latency = _measurement(experiment, source, measured)
    seed = experiment.spec.seed
    yield from search(searcher, partition, evaluate, search_state, seed, latency=latency)


def evaluate_unit(
    experiment: Experiment,
    states: Sequence[TrainState],
    offered: Iterable[Sequence[Architecture]],
    combinations: Mapping[str, Combination] = MappingProxyType({}),
) -> Iterator[CandidatesScored | NothingOffered]:
    """Score candidates of a search that goes on elsewhere.

    Args:
        experiment: as above.
        states: likewise.
        offered: candidates to score; empty where there are none just now.
        combinations: as above.

    Raises:
        ScoreUndefined: if a combined score is not finite.
    """
    scores = _candidate_scores(experiment, states, combinations)
    for chunk in offered:
        yield CandidatesScored(tuple(map(tuple, scores(chunk)))) if chunk else NothingOffered()


def _candidate_scores(
    experiment: Experiment,
    states: Sequence[TrainState],
    combinations: Mapping[str, Combination],
) -> Evaluate:
    """Return what scores candidates, each with the supernet of its sub-space."""
    from nas.ranking.evaluation import evaluations
    from nas.training.loop import prepare_device

    prepare_device(experiment)
    searcher = experiment.spec.search
    assert searcher is not None
    assert all(state.subspace in (None, index) for index, state in enumerate(states))
    wanted = searcher.scorers
    parts = {
        kind: combinations[kind].components if kind in combinations else (kind,) for kind in wanted
    }
    kinds = list(dict.fromkeys(chain.from_iterable(parts.values())))
    by_kind = {scorer.kind: scorer for scorer in experiment.spec.ranking.measured_scorers}
    scorers = [by_kind[kind] for kind in kinds]

    def scores(architectures: Sequence[Architecture]) -> list[tuple[float, ...]]:
        found: dict[Architecture, tuple[float, ...]] = {}
        for state, own in zip(states, _by_subspace(experiment, architectures), strict=True):
            evaluated = evaluations(
                experiment,
                state.supernet,
                own,
                experiment.scoring_images,
                scorers,
            )
            found.update(evaluated)
        measured = [dict(zip(kinds, found[member], strict=True)) for member in architectures]
        columns = [
            combinations[kind].scores(
                architectures, [[values[part] for part in parts[kind]] for values in measured]
            )
            if kind in combinations
            else [values[kind] for values in measured]
            for kind in wanted
        ]
        return list(zip(*columns, strict=True))

    return scores


def retrain_unit(
    experiment: Experiment, trainer: StandAloneTrainer, state: RetrainState
) -> Iterator[StandAloneProgressed | RetrainingEpoch | Retrained]:
    """Train one architecture stand-alone; `nas.training.retraining.retrain` says how.

    Args:
        experiment: the run.
        trainer: on its images and device.
        state: of the training, updated in place.
    """
    from nas.training.loop import prepare_device
    from nas.training.retraining import retrain

    prepare_device(experiment)
    yield from retrain(trainer, state)


def _measurement(
    experiment: Experiment, source: MeasuredLatency, known: Mapping[Architecture, Latency]
) -> Measure:
    from nas.latency.meter import LatencyMeter

    meter = LatencyMeter(experiment, source)
    return lambda architecture: known.get(architecture) or meter.measure(architecture)


def _by_subspace(
    experiment: Experiment, architectures: Iterable[Architecture]
) -> list[list[Architecture]]:
    parts: list[list[Architecture]] = [[] for _ in experiment.partition.subspaces]
    for architecture in architectures:
        parts[experiment.partition.route(architecture)].append(architecture)
    return parts


def _scored(
    experiment: Experiment,
    state: TrainState,
    architectures: Sequence[Architecture],
    images: ScoringImages,
    scorers: Sequence[Scorer],
) -> Iterator[ArchitecturesScored]:
    """Score architectures, those first whose beginnings are alike."""
    from nas.ranking.evaluation import evaluations

    if not scorers:
        return
    evaluated = evaluations(experiment, state.supernet, architectures, images, scorers)
    while chunk := list(islice(evaluated, SCORING_CHUNK)):
        yield ArchitecturesScored(
            step=state.next_step,
            scores=tuple(
                ArchitectureScore(
                    architecture=experiment.space.encode(architecture),
                    subspace=experiment.partition.route(architecture),
                    scorer=scorer.kind,
                    score=value,
                )
                for architecture, values in chunk
                for scorer, value in zip(scorers, values, strict=True)
            ),
        )
