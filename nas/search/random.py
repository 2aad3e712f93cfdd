"""Random search, the control of every other one."""

from collections.abc import Sequence
from random import Random
from typing import Literal, final

from nas.search.base import Searcher
from nas.search.candidates import CandidateList
from nas.search.state import Evaluation
from nas.spaces.base import Architecture, Space

BATCH = 50


@final
class RandomSearcher(Searcher):
    """Evaluate architectures drawn uniformly, without repetition, among the feasible ones."""

    kind: Literal["random"] = "random"

    def propose(
        self, space: Space, evaluations: Sequence[Evaluation], rng: Random
    ) -> list[Architecture]:
        visited = [evaluation.architecture for evaluation in evaluations]
        candidates = CandidateList(space, self.constraints, visited)
        candidates.collect_random(min(BATCH, self.budget - len(visited)), rng)
        return candidates.found
