"""The units of a run as generators of events; nothing here says in which order they execute.

Importing this module loads no torch; the units that train or score load it when they start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from nas.events import (
    ArchitectureScore,
    ArchitecturesScored,
    CandidateEvaluated,
    Event,
    PartitionFound,
    RoundFinished,
)
from nas.experiment import Experiment
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


def ranking_parts(experiment: Experiment) -> tuple[tuple[Architecture, ...], ...]:
    """Return the ranking sample by sub-space, those whose beginnings are alike as neighbours.

    Neighbours are cheap to score together (`nas.supernets.evaluation`).
    """
    space = experiment.space
    sample = ranking_sample(experiment.spec, space)
    return tuple(
        tuple(sorted(part, key=space.live_form)) for part in _by_subspace(experiment, sample)
    )


def live_sample(spec: RunSpec, space: Space) -> tuple[Architecture, ...]:
    """Return the architectures that every round of live ranking scores."""
    return ranking_sample(spec, space)[: spec.ranking.live_architectures]


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
    scorers = experiment.spec.ranking.scorers
    yield from _scored(experiment, state, architectures, experiment.scoring_images, scorers)


def search_unit(
    experiment: Experiment, states: Sequence[TrainState], search_state: SearchState
) -> Iterator[CandidateEvaluated]:
    """Search for the architecture with the best score.

    Args:
        experiment: of a spec that has a search.
        states: the trained supernets, by index of their sub-space; those of weight banks are one.
        search_state: updated in place; stored at any event, the search goes on exactly.

    Raises:
        InfeasibleSearch: if no valid architecture keeps the constraints.
        ScoreUndefined: if a score is not finite.
    """
    from nas.ranking.evaluation import evaluations
    from nas.training.loop import prepare_device

    prepare_device(experiment)
    searcher = experiment.spec.search
    assert searcher is not None
    assert all(state.subspace in (None, index) for index, state in enumerate(states))
    scorers = [
        scorer for scorer in experiment.spec.ranking.scorers if scorer.kind == searcher.scorer
    ]

    def scores(architectures: Sequence[Architecture]) -> list[float]:
        found: dict[Architecture, float] = {}
        for state, own in zip(states, _by_subspace(experiment, architectures), strict=True):
            evaluated = evaluations(
                experiment,
                state.supernet,
                own,
                experiment.scoring_images,
                scorers,
            )
            found.update((architecture, value) for architecture, (value,) in evaluated)
        return [found[architecture] for architecture in architectures]

    yield from search(searcher, experiment.partition, scores, search_state, experiment.spec.seed)


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
