"""The Pareto front of a search with several objectives."""

from collections.abc import Sequence

from backend.runs.schemas import CandidateRead
from nas.search.base import Searcher
from nas.search.pareto import pareto_front


def front_of(searcher: Searcher, candidates: Sequence[CandidateRead]) -> list[CandidateRead]:
    """Return the candidates that no other beats in all objectives, in order of evaluation.

    There is no front, and the list is empty, for a single objective.
    """
    names = [aim.name for aim in searcher.aims]
    if len(names) < 2:
        return []
    ordered = sorted(candidates, key=lambda candidate: candidate.evaluation)
    losses = [
        searcher.losses([candidate.objectives[name] for name in names]) for candidate in ordered
    ]
    return [ordered[place] for place in pareto_front(losses)]
