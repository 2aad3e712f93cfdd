"""Evolutionary search of the single-path one-shot kind."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Literal, Self, final

from pydantic import Field, model_validator

from nas.search.base import Searcher
from nas.search.candidates import CandidateList
from nas.search.state import History, Memory
from nas.spaces.base import Architecture, Space


@final
class EvolutionSearcher(Searcher):
    """Mutate and cross the best architectures seen so far, generation by generation.

    The first generation is random. Parents are the best of all evaluations; candidates that the
    mutations and crossovers do not provide are random.

    Source: Guo et al., ECCV 2020 (arXiv 1904.00420), whose values the defaults are (20
    generations of 50). Unlike there, small spaces are searched to their last architecture.
    """

    kind: Literal["evolution"] = "evolution"
    population_size: int = Field(50, ge=1, le=10_000, description="Candidates per generation.")
    num_parents: int = Field(10, ge=1, le=10_000, description="Best candidates that reproduce.")
    num_mutations: int = Field(25, ge=0, le=10_000, description="Mutated per generation.")
    num_crossovers: int = Field(25, ge=0, le=10_000, description="Crossed per generation.")
    mutation_probability: float = Field(
        0.1, gt=0, le=1, description="That a decision is drawn anew, maybe to the same operation."
    )

    @model_validator(mode="after")
    def _offspring_fit_the_population(self) -> Self:
        offspring = self.num_mutations + self.num_crossovers
        if offspring > self.population_size:
            raise ValueError(
                f"num_mutations {self.num_mutations} and num_crossovers {self.num_crossovers} "
                f"make {offspring} candidates, more than population_size {self.population_size}"
            )
        return self

    def propose(
        self, space: Space, history: History, memory: Memory, rng: Random
    ) -> list[Architecture]:
        candidates = CandidateList(space, self.constraints, history)
        parents = [evaluation.architecture for evaluation in history.best(self.num_parents)]
        if parents:
            candidates.collect(self.num_mutations, partial(self._mutated, space, parents, rng))
            candidates.collect(self.num_crossovers, partial(_crossed, parents, rng))
        candidates.collect_random(self.population_size - len(candidates.found), rng)
        return candidates.found

    def _mutated(self, space: Space, parents: Sequence[Architecture], rng: Random) -> Architecture:
        return tuple(
            rng.choice(operations) if rng.random() < self.mutation_probability else name
            for name, operations in zip(rng.choice(parents), space.choices, strict=True)
        )


def _crossed(parents: Sequence[Architecture], rng: Random) -> Architecture:
    mother, father = rng.choice(parents), rng.choice(parents)
    return tuple(rng.choice(pair) for pair in zip(mother, father, strict=True))
