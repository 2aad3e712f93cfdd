"""NSGA-II: non-dominated sorting, and among equals those in sparse places."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple, final

from pydantic import Field

from nas.search.candidates import CandidateList
from nas.search.pareto_searcher import ParetoSearcher
from nas.search.state import History, Memory
from nas.spaces.base import Architecture, Space

if TYPE_CHECKING:
    import numpy as np


class Merit(NamedTuple):
    """How a member of a population compares; the lower of two wins.

    Attributes:
        rank: of its front, 0 for those that nobody dominates.
        crowding: the negative crowding distance, lowest at the ends of a front.
    """

    rank: int
    crowding: float


@final
class Nsga2Searcher(ParetoSearcher):
    """Breed the least dominated, and among those the least crowded, in several objectives.

    Parents win binary tournaments, children take every decision from either of two parents and
    mutate. Of parents and children the best of as many as before go on. Children that were
    evaluated before are bred anew; where no new one is found in ten tries it is random.

    Source: Deb et al., IEEE TEVC 2002; sorting and crowding distances are pymoo's.
    """

    kind: Literal["nsga2"] = "nsga2"
    population_size: int = Field(50, ge=2, le=10_000, description="Members, and their children.")
    crossover_probability: float = Field(
        0.9, ge=0, le=1, description="That a child has two parents, and not one."
    )

    def observe(
        self, space: Space, history: History, memory: Memory, newest: range, rng: Random
    ) -> Memory:
        members = [*memory.population, *newest]
        merits = merits_of(self.loss_matrix(history, members), self.population_size)
        ordered = sorted(range(len(members)), key=lambda place: merits[place])
        return Memory(
            population=tuple(members[place] for place in ordered[: self.population_size])
        )

    def propose(
        self, space: Space, history: History, memory: Memory, rng: Random
    ) -> list[Architecture]:
        candidates = CandidateList(space, self.constraints, history)
        population = memory.population
        if len(population) == self.population_size:
            # Its losses are few: sorting them again costs less than remembering how they compare.
            merits = merits_of(self.loss_matrix(history, population))
            members = [history[place].architecture for place in population]
            breed = partial(self._child, space, members, merits, rng)
            candidates.collect(self.population_size, breed)
        missing = self.population_size - len(candidates.found)
        if len(population) < self.population_size:
            missing -= len(population)
        candidates.collect_random(missing, rng)
        return candidates.found

    def _child(
        self, space: Space, members: Sequence[Architecture], merits: Sequence[Merit], rng: Random
    ) -> Architecture:
        mother, father = (_winner(members, merits, rng) for _ in range(2))
        child = mother
        if rng.random() < self.crossover_probability:
            child = tuple(rng.choice(pair) for pair in zip(mother, father, strict=True))
        return self.mutated(space, child, rng)


def merits_of(losses: "np.ndarray", best: int | None = None) -> list[Merit]:
    """Return how rows of losses compare with one another; crowding is measured within a front.

    Args:
        losses: lower is better, shape (members, objectives).
        best: fronts are told apart until they hold so many; whoever is left is behind all of them.
            None: to the last one.
    """
    from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    # Beyond every front that there can be.
    merits = [Merit(len(losses), 0.0)] * len(losses)
    crowding = get_crowding_function("cd")
    fronts = NonDominatedSorting().do(losses, n_stop_if_ranked=best)
    for rank, front in enumerate(fronts):
        for place, distance in zip(front, crowding.do(losses[front]), strict=True):
            merits[place] = Merit(rank, -float(distance))
    return merits


def _winner(members: Sequence[Architecture], merits: Sequence[Merit], rng: Random) -> Architecture:
    one, other = rng.randrange(len(members)), rng.randrange(len(members))
    return members[other if merits[other] < merits[one] else one]
