"""Random search, the control of every other one."""

from random import Random
from typing import ClassVar, Literal, final

from nas.search.base import Searcher
from nas.search.candidates import CandidateList
from nas.search.state import History, Memory
from nas.spaces.base import Architecture, Space

BATCH = 50


@final
class RandomSearcher(Searcher):
    """Evaluate architectures drawn uniformly, without repetition, among the feasible ones."""

    max_objectives: ClassVar[int | None] = None

    kind: Literal["random"] = "random"

    def propose(
        self, space: Space, history: History, memory: Memory, rng: Random
    ) -> list[Architecture]:
        candidates = CandidateList(space, self.constraints, history)
        candidates.collect_random(min(BATCH, self.budget - len(history)), rng)
        return candidates.found
