"""The units of a run as generators of events; nothing here says in which order they execute.

Importing this module loads no torch; the units that train or score load it when they start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from nas.errors import InfeasibleLandmarks
from nas.events import (
    ArchitectureScore,
    ArchitecturesScored,
    CandidateEvaluated,
    CandidatesScored,
    Event,
    NothingOffered,
    PartitionFound,
    Retrained,
    RetrainingEpoch,
    RoundFinished,
    ScorerPrepared,
    StandAloneProgressed,
    StandAloneTrained,
)
from nas.experiment import Experiment
from nas.landmarks.landmark import NO_LANDMARKS, Landmarks
from nas.landmarks.sources.stand_alone import StandAloneLandmarks
from nas.ranking.calibration import Calibration
from nas.ranking.combination import Combination, ScoreTable, combine, learn
from nas.ranking.reference import reference_sample
from nas.ranking.scorers.base import Scorer
from nas.search.loop import Evaluate, search
from nas.search.share import Share, shared
from nas.search.state import SearchState
from nas.seeds import derive_seed, stream
from nas.spaces.base import Architecture, Space
from nas.spaces.distinct import draw_distinct
from nas.spaces.shape import NetworkShape
from nas.spec import RunSpec, round_boundaries
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


def ranking_sample(
    spec: RunSpec, space: Space, landmarks: Landmarks = NO_LANDMARKS
) -> tuple[Architecture, ...]:
    """Return the architectures that are ranked after training: distinct, valid, in random order.

    They are `ranking.num_architectures` uniform draws without replacement, or all if the space
    holds no more, that compute something else than each of the landmarks does. The first
    `ranking.live_architectures` are the live sample.

    Raises:
        InfeasibleLandmarks: if they leave fewer than two architectures to be ranked.
    """
    trained = landmarks.forms(space)
    sample = draw_distinct(
        space,
        stream(spec.seed, "ranking sample"),
        spec.ranking.num_architectures,
        lambda architecture: not trained or space.live_form(architecture) not in trained,
    )
    if trained and len(sample) < 2:
        raise InfeasibleLandmarks(
            "choice",
            f"{len(landmarks)} landmarks leave {len(sample)} architectures of {space.name} to be "
            "ranked, for landmarks and what computes the same are never ranked; take fewer",
        )
    return sample


def ranking_parts(experiment: Experiment) -> tuple[tuple[Architecture, ...], ...]:
    """Return what is scored after training by sub-space, what begins alike as neighbours.

    Neighbours are cheap to score together (`nas.supernets.evaluation`).
    """
    spec, space, landmarks = experiment.spec, experiment.space, experiment.landmarks
    ranked = ranking_sample(spec, space, landmarks)
    sample = (*ranked, *unranked_sample(spec, space, landmarks))
    return tuple(
        tuple(sorted(part, key=space.live_form)) for part in _by_subspace(experiment, sample)
    )


def live_sample(
    spec: RunSpec, space: Space, landmarks: Landmarks = NO_LANDMARKS
) -> tuple[Architecture, ...]:
    """Return the architectures that every round of live ranking scores."""
    return ranking_sample(spec, space, landmarks)[: spec.ranking.live_architectures]


def unranked_sample(
    spec: RunSpec, space: Space, landmarks: Landmarks = NO_LANDMARKS
) -> tuple[Architecture, ...]:
    """Return what is scored beside the ranking sample, and kept out of every rank correlation.

    It is the rest of the reference sample, if the run has a combined scorer, and the landmarks, if
    such a scorer learns from them.
    """
    scorers = spec.ranking.combined_scorers
    if not scorers:
        return ()
    ranked = frozenset(ranking_sample(spec, space, landmarks))
    wanted = dict.fromkeys(reference_sample(space, spec.ranking.reference_architectures))
    if any(scorer.needs_landmarks for scorer in scorers):
        wanted |= dict.fromkeys(landmark.architecture for landmark in landmarks.chosen)
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
        for architecture in live_sample(spec, experiment.space, experiment.landmarks)
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


def search_unit(
    experiment: Experiment,
    states: Sequence[TrainState],
    search_state: SearchState,
    combinations: Mapping[str, Combination] = MappingProxyType({}),
    share: Share | None = None,
) -> Iterator[CandidateEvaluated]:
    """Search for the architecture with the best score.

    Args:
        experiment: of a spec that has a search.
        states: the trained supernets, by index of their sub-space; those of weight banks are one.
        search_state: updated in place; stored at any event, the search goes on exactly.
        combinations: by kind, those of the searcher's scorers that combine others: as they scored
            the ranking.
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
    yield from search(searcher, partition, evaluate, search_state, experiment.spec.seed)


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
