"""The search itself: propose, evaluate, report."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from nas.errors import ScoreUndefined
from nas.events import CandidateEvaluated, LatencyMeasured, SearchRemarked
from nas.latency.latency import LatencyTable
from nas.partition.base import Partition
from nas.search.base import Searcher
from nas.search.latencies import Latencies, Measure
from nas.search.objectives import LATENCY, Objective, costs_of
from nas.search.state import Evaluation, SearchState
from nas.seeds import stream
from nas.spaces.base import Architecture, Space

CHUNK = 8
"""Candidates per call of `evaluate`; what a stop may have to evaluate again."""

Evaluate = Callable[[Sequence[Architecture]], Sequence[Sequence[float]]]
"""Scores of architectures by each of the searcher's scorers; a function of each architecture alone.

Higher is better.
"""


def search(  # noqa: PLR0913 - what a search rests on
    searcher: Searcher,
    partition: Partition,
    evaluate: Evaluate,
    state: SearchState,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
    latency: Measure | LatencyTable | None = None,
) -> Iterator[CandidateEvaluated | LatencyMeasured | SearchRemarked]:
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
        latency: measures candidates before they are scored, or a table to whose architectures
            they are confined; None where the searcher asks for neither.

    Raises:
        InfeasibleSearch: if the space cannot be searched so, or all that was measured is too slow.
        ScoreUndefined: if a score is not finite.
    """
    space = partition.space
    searcher.check(space, latency if isinstance(latency, Mapping) else None)
    aims, kinds = searcher.aims, searcher.scorers
    latencies = Latencies(searcher, space, latency, state)
    history = latencies.history
    best_score = max((done.score for done in state.evaluations), default=-math.inf)
    started = clock()
    while len(history) < searcher.budget and not _time_is_up(searcher, state, clock() - started):
        if not state.pending:
            _next_generation(searcher, space, latencies, state, seed)
            if not state.pending:
                break
        number = min(CHUNK, searcher.budget - len(history))
        if (measured := latencies.measure_next(number)) is not None:
            state.seconds += clock() - started
            yield measured
            started = clock()
            continue
        chunk = state.pending[:number]
        for architecture, scores in zip(chunk, evaluate(chunk), strict=True):
            named = dict(zip(kinds, scores, strict=True))
            _check_finite(space, architecture, named)
            costs, taken = costs_of(space, architecture), latencies.of(architecture)
            values = {**named, **costs, **({} if taken is None else {LATENCY: taken.ms})}
            score, objectives = named[searcher.scorer], _objectives(aims, values)
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
                latency=taken,
            )
            started = clock()
    if (remark := latencies.verdict()) is not None:
        yield SearchRemarked(remark)


def _time_is_up(searcher: Searcher, state: SearchState, since: float) -> bool:
    limit = searcher.budget_seconds
    return limit is not None and state.seconds + since >= limit


def _next_generation(
    searcher: Searcher, space: Space, latencies: Latencies, state: SearchState, seed: int
) -> None:
    history = latencies.history
    if latencies.has_given_up:
        state.pending = [] if len(history) else latencies.last_resort()
        return
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


def _objectives(aims: Sequence[Objective], values: Mapping[str, float]) -> dict[str, float]:
    return {aim.name: float(values[aim.name]) for aim in aims}
