"""Evolution in which the oldest dies, not the worst."""

from functools import partial
from random import Random
from typing import Literal, final

from pydantic import Field

from nas.search.base import Searcher
from nas.search.candidates import CandidateList
from nas.search.neighbours import with_one_change
from nas.search.state import History, Memory
from nas.spaces.base import Architecture, Space


@final
class RegularisedEvolutionSearcher(Searcher):
    """Change one decision of the best of a few drawn from the latest evaluations.

    The population is a queue: who is evaluated enters, and the oldest leaves, however good. So
    only what keeps producing good descendants stays, not what once had a lucky score.

    Source: Real et al., AAAI 2019 (arXiv 1802.01548), whose values the defaults are. Unlike there,
    a child is never one that was evaluated before; where no new one is found in ten tries it is
    random.
    """

    kind: Literal["regularised-evolution"] = "regularised-evolution"
    population_size: int = Field(100, ge=1, le=10_000, description="Latest evaluations kept.")
    sample_size: int = Field(
        25,
        ge=1,
        le=10_000,
        description="Drawn from them, with repetition; the best is the parent.",
    )
    children_per_generation: int = Field(
        1, ge=1, le=1000, description="Proposed at once, from the same population."
    )

    def propose(
        self, space: Space, history: History, memory: Memory, rng: Random
    ) -> list[Architecture]:
        candidates = CandidateList(space, self.constraints, history)
        missing = self.population_size - len(history)
        if missing > 0:
            candidates.collect_random(missing, rng)
            return candidates.found
        candidates.collect(self.children_per_generation, partial(self._child, space, history, rng))
        candidates.collect_random(self.children_per_generation - len(candidates.found), rng)
        return candidates.found

    def _child(self, space: Space, history: History, rng: Random) -> Architecture:
        oldest = len(history) - self.population_size
        drawn = [history[rng.randrange(oldest, len(history))] for _ in range(self.sample_size)]
        parent = max(drawn, key=lambda evaluation: evaluation.score)
        return with_one_change(space, parent.architecture, rng)
