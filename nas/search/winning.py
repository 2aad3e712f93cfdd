"""Which candidates of a search are worth a training of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas.search.base import Searcher
from nas.search.pareto import pareto_front
from nas.spaces.base import Architecture, Space


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A candidate as a search left it.

    Attributes:
        architecture: which.
        score: by the searcher's scorer; higher is better.
        objectives: values of its objectives, in their order, not turned around.
    """

    architecture: Architecture
    score: float
    objectives: tuple[float, ...]


def winners(
    searcher: Searcher, space: Space, candidates: Sequence[Evaluated], number: int
) -> list[Architecture]:
    """Return the best candidates, best first; of those that compute the same, the first of the best.

    Where a search has several objectives they are members of its Pareto front, in the order of
    their scores, so there may be fewer than asked for.

    Args:
        searcher: that found them.
        space: that it searched.
        candidates: in the order of evaluation.
        number: at most so many.
    """
    chosen = list(candidates)
    if len(searcher.aims) > 1:
        losses = [searcher.losses(candidate.objectives) for candidate in candidates]
        chosen = [candidates[place] for place in pareto_front(losses)]
    distinct: dict[tuple[str, ...], Architecture] = {}
    # Sorting keeps the earlier of equally good ones first, as searches do.
    for candidate in sorted(chosen, key=lambda one: -one.score):
        form = space.live_form(candidate.architecture)
        distinct.setdefault(form, candidate.architecture)
    return list(distinct.values())[:number]
