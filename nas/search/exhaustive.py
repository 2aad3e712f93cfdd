"""Exhaustive search: every architecture, where there are few enough."""

from collections.abc import Iterable
from itertools import dropwhile, islice
from random import Random
from typing import ClassVar, Literal, final

from nas.errors import InfeasibleSearch
from nas.latency.latency import LatencyTable
from nas.search.base import Searcher
from nas.search.candidates import MAX_ENUMERATED
from nas.search.state import History, Memory
from nas.spaces.base import Architecture, Space

BATCH = 500
"""Proposed at once; each time the enumeration goes through those before."""


@final
class ExhaustiveSearcher(Searcher):
    """Evaluate every valid architecture within the constraints, in the order of the space.

    It is refused for spaces too large to be enumerated, and for a budget that does not reach to the
    last one. Of a table of latencies it evaluates every architecture within the constraints. The
    seed plays no part.
    """

    max_objectives: ClassVar[int | None] = None

    kind: Literal["exhaustive"] = "exhaustive"

    def check(self, space: Space, table: LatencyTable | None = None) -> None:
        super().check(space, table)
        if table is not None:
            number = len(self.constraints.eligible(space, table))
            self._check_budget(number, f"architectures of {space.name} whose latency is known")
            return
        size = space.size
        if size.all > MAX_ENUMERATED:
            raise InfeasibleSearch(
                "kind",
                f"exhaustive: {space.name} has {size.all:,} architectures, and spaces of up to "
                f"{MAX_ENUMERATED:,} can be enumerated; take another searcher",
            )
        if size.valid <= self.budget:
            return
        number = self._feasible(space) if self.constraints.limits_costs else size.valid
        self._check_budget(number, f"valid architectures of {space.name}")

    def _check_budget(self, number: int, whose: str) -> None:
        if number > self.budget:
            limited = " within the constraints" if self.constraints.limits_costs else ""
            raise InfeasibleSearch(
                "budget",
                f"{self.budget:,} evaluations do not reach to the end of the {number:,} {whose}"
                f"{limited}; raise it to {number}, or take another searcher",
            )

    def _feasible(self, space: Space) -> int:
        return sum(self._is_feasible(space, architecture) for architecture in space.enumerate())

    def _is_feasible(self, space: Space, architecture: Architecture) -> bool:
        return space.is_valid(architecture) and self.constraints.allow(space, architecture)

    def propose(
        self, space: Space, history: History, memory: Memory, rng: Random
    ) -> list[Architecture]:
        left: Iterable[Architecture] = history.eligible or space.enumerate()
        if len(history):
            last = history[len(history) - 1].architecture
            left = islice(dropwhile(lambda member: member != last, left), 1, None)
        found = (
            member
            for member in left
            if history.is_open(member) and self._is_feasible(space, member)
        )
        return list(islice(found, BATCH))
