"""The units of a run as generators of events; nothing here says in which order they execute.

Importing this module loads no torch; the units that train or score load it when they start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nas.events import (
    ArchitectureScore,
    ArchitecturesScored,
    CandidateEvaluated,
    Event,
    PartitionFound,
    RoundFinished,
    ScorerPrepared,
)
from nas.experiment import Experiment
from nas.ranking.calibration import Calibration
from nas.ranking.combination import Combination, ScoreTable, combine, learn
from nas.ranking.reference import reference_sample
from nas.ranking.scorers.base import Scorer
from nas.search.loop import search
from nas.search.state import SearchState
from nas.seeds import stream
from nas.spaces.base import Architecture, Space
from nas.spec import RunSpec, round_boundaries
from nas.training.team import Team

if TYPE_CHECKING:
    from nas.ranking.scoring import ScoringImages
    from nas.training.state import TrainState

SCORING_CHUNK = 20
"""Architectures per event of scores."""

COMBINING_CHUNK = 250
"""Likewise of combined ones, which take no pass through a supernet."""


def partition_unit(experiment: Experiment) -> Iterator[PartitionFound]:
    """Tell how the search space is split, and into which supernets.

    Raises:
        InfeasibleSupernet: if the spec's widths do not fit the partition.
    """
    yield PartitionFound(experiment.partition, experiment.supernets)


def ranking_sample(spec: RunSpec, space: Space) -> tuple[Architecture, ...]:
    """Return the architectures that are ranked after training: distinct, valid, in random order.

    They are `ranking.num_architectures` uniform draws without replacement, or all valid ones if
    the space holds no more. The first `ranking.live_architectures` are the live sample.
    """
    rng = stream(spec.seed, "ranking sample")
    wanted = spec.ranking.num_architectures
    num_valid = space.size.valid
    if num_valid <= 2 * wanted:
        # Draws would repeat too often; a space this small is quick to enumerate.
        valid = [member for member in space.enumerate() if space.is_valid(member)]
        return tuple(rng.sample(valid, min(wanted, num_valid)))
    drawn: dict[Architecture, None] = {}
    while len(drawn) < wanted:
        drawn[space.sample(rng)] = None
    return tuple(drawn)


def live_sample(spec: RunSpec, space: Space) -> tuple[Architecture, ...]:
    """Return the architectures that every round of live ranking scores."""
    return ranking_sample(spec, space)[: spec.ranking.live_architectures]


def unranked_sample(spec: RunSpec, space: Space) -> tuple[Architecture, ...]:
    """Return what is scored beside the ranking sample, and kept out of every rank correlation.

    It is the rest of the reference sample, if the run has a combined scorer.
    """
    if not spec.ranking.combined_scorers:
        return ()
    ranked = frozenset(ranking_sample(spec, space))
    reference = reference_sample(space, spec.ranking.reference_architectures)
    return tuple(member for member in reference if member not in ranked)


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
    is_warm_up = state.subspace is None and training.warm_up_steps
    last = training.warm_up_steps if is_warm_up else training.steps
    live = [
        architecture
        for architecture in live_sample(spec, experiment.space)
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
    landmarks: Mapping[str, float],
    learned: Mapping[str, Calibration | None],
) -> Iterator[ScorerPrepared | ArchitecturesScored]:
    """Score by the run's combined scorers every architecture that has no such score yet.

    Args:
        experiment: the run.
        table: final scores of all that the rank units scored, and the combined ones that exist.
        landmarks: canonical string of an architecture to its stand-alone accuracy in percent.
        learned: by kind of scorer, what those learned that are prepared already.

    Raises:
        InfeasibleCalibration: if a scorer needs more landmarks.
        ScoreUndefined: if the table lacks a score.
    """
    ranking, partition, space = experiment.spec.ranking, experiment.partition, experiment.space
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
    combination: Combination | None = None,
) -> Iterator[CandidateEvaluated]:
    """Search for the architecture with the best score.

    Args:
        experiment: of a spec that has a search.
        states: the trained supernets, by index of their sub-space; those of weight banks are one.
        search_state: updated in place; stored at any event, the search goes on exactly.
        combination: the scorer whose scores are maximised, if it combines others: as it scored the
            ranking.

    Raises:
        InfeasibleSearch: if no valid architecture keeps the constraints.
        ScoreUndefined: if a score is not finite.
    """
    from nas.ranking.evaluation import evaluate
    from nas.training.loop import prepare_device

    prepare_device(experiment)
    searcher = experiment.spec.search
    assert searcher is not None
    assert all(state.subspace in (None, index) for index, state in enumerate(states))
    kinds = (searcher.scorer,) if combination is None else combination.components
    by_kind = {scorer.kind: scorer for scorer in experiment.spec.ranking.measured_scorers}
    scorers = [by_kind[kind] for kind in kinds]

    def scores(architectures: Sequence[Architecture]) -> list[float]:
        found = [
            evaluate(
                experiment,
                states[experiment.partition.route(architecture)].supernet,
                architecture,
                experiment.scoring_images,
                scorers,
            )
            for architecture in architectures
        ]
        if combination is None:
            return [values[0] for values in found]
        return combination.scores(architectures, found)

    yield from search(searcher, experiment.partition, scores, search_state, experiment.spec.seed)


def _scored(
    experiment: Experiment,
    state: TrainState,
    architectures: Sequence[Architecture],
    images: ScoringImages,
    scorers: Sequence[Scorer],
) -> Iterator[ArchitecturesScored]:
    from nas.ranking.evaluation import evaluate

    if not scorers:
        return
    for start in range(0, len(architectures), SCORING_CHUNK):
        chunk = architectures[start : start + SCORING_CHUNK]
        yield ArchitecturesScored(
            step=state.next_step,
            scores=tuple(
                ArchitectureScore(
                    architecture=experiment.space.encode(architecture),
                    subspace=experiment.partition.route(architecture),
                    scorer=scorer.kind,
                    score=value,
                )
                for architecture in chunk
                for scorer, value in zip(
                    scorers,
                    evaluate(experiment, state.supernet, architecture, images, scorers),
                    strict=True,
                )
            ),
        )
