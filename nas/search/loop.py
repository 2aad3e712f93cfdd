"""The search itself: propose, evaluate, report."""

import math
from collections.abc import Callable, Iterator, Sequence

from nas.errors import ScoreUndefined
from nas.events import CandidateEvaluated
from nas.partition.base import Partition
from nas.search.base import Searcher
from nas.search.state import Evaluation, SearchState
from nas.seeds import stream
from nas.spaces.base import Architecture

CHUNK = 8
"""Candidates per call of `evaluate`; what a stop may have to evaluate again."""

Evaluate = Callable[[Sequence[Architecture]], Sequence[float]]
"""Scores of architectures, higher is better; a function of each architecture alone."""


def search(
    searcher: Searcher,
    partition: Partition,
    evaluate: Evaluate,
    state: SearchState,
    seed: int,
) -> Iterator[CandidateEvaluated]:
    """Evaluate candidates until the budget is spent or no feasible one is left.

    `state` is consistent at every event: stored then (it dumps to JSON) and passed in again, the
    search goes on with the same candidates as if it had not stopped.

    Args:
        searcher: the strategy, with budget and constraints.
        partition: of the space to search; names the sub-space of each candidate.
        evaluate: scores some candidates.
        state: a new `SearchState()`, or that of an earlier call with the same other arguments.
        seed: of the run.

    Raises:
        InfeasibleSearch: if no valid architecture keeps the constraints.
        ScoreUndefined: if a score is not finite.
    """
    space = partition.space
    searcher.constraints.check(space)
    best_score = max((done.score for done in state.evaluations), default=-math.inf)
    while len(state.evaluations) < searcher.budget:
        if not state.pending:
            rng = stream(seed, "search", state.generation)
            state.pending = searcher.propose(space, state.evaluations, rng)
            state.generation += 1
            if not state.pending:
                return
        chunk = state.pending[: min(CHUNK, searcher.budget - len(state.evaluations))]
        for architecture, score in zip(chunk, evaluate(chunk), strict=True):
            if not math.isfinite(score):
                raise ScoreUndefined(
                    f"{space.encode(architecture)}: score is {score}; train longer or lower "
                    "training.learning_rate"
                )
            best_score = max(best_score, score)
            state.evaluations.append(Evaluation(architecture=architecture, score=score))
            state.pending = state.pending[1:]
            yield CandidateEvaluated(
                evaluation=len(state.evaluations),
                architecture=space.encode(architecture),
                subspace=partition.route(architecture),
                score=score,
                best_score=best_score,
                flops=space.flops(architecture),
                parameters=space.parameters(architecture),
                nonlinearity_count=space.nonlinearity_count(architecture),
            )
