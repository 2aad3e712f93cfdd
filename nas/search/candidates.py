"""Collecting legal candidates: new, valid and within the constraints."""

from collections.abc import Callable, Iterable
from random import Random

from nas.search.constraints import Constraints
from nas.search.state import History
from nas.spaces.base import Architecture, Space

TRIES_PER_CANDIDATE = 10
"""A proposal loop gives up after this many tries per candidate (SPOS, arXiv 1904.00420)."""

MAX_ENUMERATED = 100_000
"""Spaces up to this size are enumerated when random tries do not fill a request."""


class CandidateList:
    """Legal candidates in the order in which they were found."""

    def __init__(self, space: Space, constraints: Constraints, history: History) -> None:
        self._space = space
        self._constraints = constraints
        self._history = history
        self._taken: set[Architecture] = set()
        self.found: list[Architecture] = []

    def collect(self, number: int, propose: Callable[[], Architecture]) -> None:
        """Add up to `number` legal results of `propose`; give up after ten tries for each."""
        wanted = len(self.found) + number
        for _ in range(TRIES_PER_CANDIDATE * number):
            if len(self.found) >= wanted:
                return
            architecture = propose()
            if self._is_legal(architecture):
                self._add(architecture)

    def collect_random(self, number: int, rng: Random) -> None:
        """Add up to `number` legal architectures, uniformly among those left.

        When tries at random find too few, a space small enough is enumerated, so that it is
        searched to the last legal architecture. In a larger one the cheapest architectures are
        added instead: they are within any feasible constraints, however tight. Where candidates
        are confined to a table, that is drawn from at once, however little of the space it holds.
        """
        wanted = len(self.found) + number
        if self._history.eligible is None:
            self.collect(number, lambda: self._space.sample(rng))
        missing = wanted - len(self.found)
        if missing <= 0:
            return
        left = [architecture for architecture in self._source() if self._is_legal(architecture)]
        for architecture in rng.sample(left, min(missing, len(left))):
            self._add(architecture)

    def _source(self) -> Iterable[Architecture]:
        if self._history.eligible is not None:
            return self._history.eligible
        if self._space.size.all <= MAX_ENUMERATED:
            return self._space.enumerate()
        return self._constraints.cheapest(self._space)

    def _is_legal(self, architecture: Architecture) -> bool:
        return (
            architecture not in self._taken
            and self._history.is_open(architecture)
            and self._space.is_valid(architecture)
            and self._constraints.allow(self._space, architecture)
        )

    def _add(self, architecture: Architecture) -> None:
        self._taken.add(architecture)
        self.found.append(architecture)
