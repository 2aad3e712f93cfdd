"""The search itself: propose, evaluate, report."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from nas.errors import ScoreUndefined
from nas.events import CandidateEvaluated
from nas.partition.base import Partition
from nas.search.base import Searcher
from nas.search.objectives import Objective, costs_of
from nas.search.state import Evaluation, History, SearchState
from nas.seeds import stream
from nas.spaces.base import Architecture, Space

CHUNK = 8
"""Candidates per call of `evaluate`; what a stop may have to evaluate again."""

Evaluate = Callable[[Sequence[Architecture]], Sequence[Sequence[float]]]
"""Scores of architectures by each of the searcher's scorers; a function of each architecture alone.

Higher is better.
"""


def search(
    searcher: Searcher,
    partition: Partition,
    evaluate: Evaluate,
    state: SearchState,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[CandidateEvaluated]:
    """Evaluate candidates until a budget is spent or no feasible one is left.

    `state` is consistent at every event: stored then (it dumps to JSON) and passed in again, the
    search goes on with the same candidates as if it had not stopped.

    Args:
        searcher: the strategy, with budget and constraints.
        partition: of the space to search; names the sub-space of each candidate.
        evaluate: scores some candidates.
        state: a new `SearchState()`, or that of an earlier call with the same other arguments.
        seed: of the run.
        clock: in seconds; time that passes while an event is handled does not count.

    Raises:
        InfeasibleSearch: if the space cannot be searched so.
        ScoreUndefined: if a score is not finite.
    """
    space = partition.space
    searcher.check(space)
    aims, kinds = searcher.aims, searcher.scorers
    history = History(state.evaluations)
    best_score = max((done.score for done in state.evaluations), default=-math.inf)
    started = clock()
    while len(history) < searcher.budget and not _time_is_up(searcher, state, clock() - started):
        if not state.pending:
            _next_generation(searcher, space, history, state, seed)
            if not state.pending:
                return
        chunk = state.pending[: min(CHUNK, searcher.budget - len(history))]
        for architecture, scores in zip(chunk, evaluate(chunk), strict=True):
            named = dict(zip(kinds, scores, strict=True))
            _check_finite(space, architecture, named)
            costs = costs_of(space, architecture)
            score, objectives = named[searcher.scorer], _objectives(aims, named, costs)
            best_score = max(best_score, score)
            evaluation = Evaluation(
                architecture=architecture, score=score, objectives=tuple(objectives.values())
            )
            state.evaluations.append(evaluation)
            history.add(evaluation)
            state.pending = state.pending[1:]
            state.seconds += clock() - started
            yield CandidateEvaluated(
                evaluation=len(history),
                architecture=space.encode(architecture),
                subspace=partition.route(architecture),
                score=score,
                best_score=best_score,
                flops=costs["flops"],
                parameters=costs["parameters"],
                nonlinearity_count=costs["nonlinearity-count"],
                objectives=objectives,
                seconds=state.seconds,
            )
            started = clock()


def _time_is_up(searcher: Searcher, state: SearchState, since: float) -> bool:
    limit = searcher.budget_seconds
    return limit is not None and state.seconds + since >= limit


def _next_generation(
    searcher: Searcher, space: Space, history: History, state: SearchState, seed: int
) -> None:
    if newest := range(state.observed, len(history)):
        rng = stream(seed, "search observation", state.generation)
        state.memory = searcher.observe(space, history, state.memory, newest, rng)
        state.observed = len(history)
    rng = stream(seed, "search", state.generation)
    state.pending = searcher.propose(space, history, state.memory, rng)
    state.generation += 1


def _check_finite(space: Space, architecture: Architecture, scores: Mapping[str, float]) -> None:
    for scorer, score in scores.items():
        if not math.isfinite(score):
            raise ScoreUndefined(
                f"{space.encode(architecture)}: score by {scorer} is {score}; train longer or "
                "lower training.learning_rate"
            )


def _objectives(
    aims: Sequence[Objective], scores: Mapping[str, float], costs: Mapping[str, int]
) -> dict[str, float]:
    return {aim.name: float(costs[aim.name] if aim.is_cost else scores[aim.name]) for aim in aims}
