"""Local search: to a better neighbour until there is none, then from a new start."""

from itertools import islice
from random import Random
from typing import Literal, final

from pydantic import Field

from nas.search.base import Searcher
from nas.search.candidates import CandidateList
from nas.search.neighbours import neighbours
from nas.search.state import History, Memory
from nas.spaces.base import Architecture, Space


@final
class LocalSearcher(Searcher):
    """Climb from a random architecture over those that differ in one decision.

    `steepest` evaluates all neighbours and moves to the best, `first` moves to the first that is
    better. A neighbour with an equal score is no step. At a local optimum the search starts anew;
    what is known from earlier climbs is not evaluated again, but is stepped over.

    Source: White et al., UAI 2021 (arXiv 2005.02960), whose queries of all neighbours `steepest` is.
    """

    kind: Literal["local-search"] = "local-search"
    improvement: Literal["steepest", "first"] = Field(
        "steepest", description="Look at all neighbours before a step, or go to the first better."
    )

    def observe(
        self, space: Space, history: History, memory: Memory, newest: range, rng: Random
    ) -> Memory:
        (place,) = memory.population or newest[:1]
        summit = self._climb(space, history, place)
        first = history[newest[0]].architecture
        if summit is None and _distance(history[place].architecture, first) > 1:
            # All around the place was excluded, so `propose` went to a new start.
            summit = self._climb(space, history, newest[0])
        return Memory(population=() if summit is None else (summit,))

    def propose(
        self, space: Space, history: History, memory: Memory, rng: Random
    ) -> list[Architecture]:
        for place in memory.population:
            found = self._around(space, history, place, rng)
            # Empty if what was open when the place was chosen has been excluded since.
            further = None if found else self._climb(space, history, place)
            if further is not None:
                found = self._around(space, history, further, rng)
            if found:
                return found
        candidates = CandidateList(space, self.constraints, history)
        candidates.collect_random(1, rng)
        return candidates.found

    def _around(
        self, space: Space, history: History, place: int, rng: Random
    ) -> list[Architecture]:
        around = list(neighbours(space, history[place].architecture))
        rng.shuffle(around)
        unknown = (member for member in around if self._is_unknown(space, history, member))
        return list(unknown if self.improvement == "steepest" else islice(unknown, 1))

    def _climb(self, space: Space, history: History, place: int) -> int | None:
        """Go up as far as what is known tells; None if that ends at a local optimum."""
        while True:
            around = neighbours(space, history[place].architecture)
            is_open = any(self._is_unknown(space, history, member) for member in around)
            if is_open and self.improvement == "steepest":
                return place
            better = self._best_known(space, history, place)
            if better is None:
                return place if is_open else None
            place = better

    def _is_unknown(self, space: Space, history: History, architecture: Architecture) -> bool:
        return (
            history.is_open(architecture)
            and space.is_valid(architecture)
            and self.constraints.allow(space, architecture)
        )

    def _best_known(self, space: Space, history: History, place: int) -> int | None:
        """Return the best neighbour that was evaluated, if it is better than the place itself."""
        known = [
            found
            for neighbour in neighbours(space, history[place].architecture)
            if (found := history.place(neighbour)) is not None
        ]
        best = max(known, key=lambda found: history[found].score, default=place)
        return best if history[best].score > history[place].score else None


def _distance(one: Architecture, other: Architecture) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
