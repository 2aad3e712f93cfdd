"""Novelty search over several cheap measures, towards and along their front."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from nas.search.candidates import CandidateList
from nas.search.pareto import admitted
from nas.search.pareto_searcher import ParetoSearcher
from nas.search.state import History, Memory
from nas.spaces.base import Architecture, Space

if TYPE_CHECKING:
    import numpy as np


@final
class ParetoNoveltySearcher(ParetoSearcher):
    """Breed what is far from the archive of non-dominated architectures, or near if not in it.

    The objectives serve as descriptors: measures that need no training are imperfect goals, but
    tell architectures apart. Who is in the archive is the more novel the farther its members are
    on average, who is not the less. Binary tournaments by novelty among parents and children
    decide who goes on.

    Source: Vo and Luong, GECCO 2024 (arXiv 2407.20656), MTF-PDNS, whose values the defaults are;
    its objectives are synflow, the Jacobian's covariance, snip and FLOPs. Unlike there, children
    that were evaluated before are bred anew, architectures with equal values in every objective
    have one place in the archive, and a measure with one value for all counts nothing.
    """

    kind: Literal["pareto-novelty"] = "pareto-novelty"
    population_size: int = Field(20, ge=2, le=10_000, description="Members, and their children.")

    def observe(
        self, space: Space, history: History, memory: Memory, newest: range, rng: Random
    ) -> Memory:
        pool = [*memory.population, *newest]
        archive = self._archive(history, memory.archive, newest)
        # Members of the archive need not be in the pool, and the other way round.
        known = list(dict.fromkeys([*pool, *archive]))
        losses = normalised(self.loss_matrix(history, known))
        rows = {place: row for row, place in enumerate(known)}
        admitted_rows = [rows[place] for place in archive]
        novelty = dict(zip(known, novelties(losses, admitted_rows), strict=True))
        survivors = tournament(pool, novelty, self.population_size, rng)
        return Memory(population=tuple(survivors), archive=tuple(archive))

    def propose(
        self, space: Space, history: History, memory: Memory, rng: Random
    ) -> list[Architecture]:
        candidates = CandidateList(space, self.constraints, history)
        parents = [history[place].architecture for place in memory.population]
        wanted = self.population_size
        if len(parents) == self.population_size:
            children = self._children(space, parents, rng)
            candidates.collect(wanted, lambda: next(children))
        else:
            wanted -= len(parents)
        candidates.collect_random(wanted - len(candidates.found), rng)
        return candidates.found

    def _archive(self, history: History, archive: Sequence[int], newest: range) -> list[int]:
        found = list(archive)
        losses = {place: self.losses(history[place].objectives) for place in (*archive, *newest)}
        for place in newest:
            found = admitted(found, losses, place)
        return found

    def _children(
        self, space: Space, parents: Sequence[Architecture], rng: Random
    ) -> Iterator[Architecture]:
        """Yield children without end: of every pair two, then of other pairs."""
        while True:
            shuffled = rng.sample(parents, len(parents))
            for mother, father in zip(shuffled[::2], shuffled[1::2], strict=False):
                for child in _crossed(mother, father, rng):
                    yield self.mutated(space, child, rng)


def normalised(losses: "np.ndarray") -> "np.ndarray":
    """Bring every column to the range 0 to 1; one of equal values becomes 0."""
    import numpy as np

    lowest = losses.min(axis=0, initial=np.inf)
    spans = losses.max(axis=0, initial=-np.inf) - lowest
    varies = spans > 0
    scaled = np.zeros_like(losses)
    scaled[:, varies] = (losses[:, varies] - lowest[varies]) / spans[varies]
    return scaled


def novelties(points: "np.ndarray", archive: Sequence[int]) -> list[float]:
    """Return the novelty of every row: the mean distance to the rows of the archive, itself included.

    It is positive for members of the archive and negative for the others.
    """
    import numpy as np

    members = points[list(archive)]
    distances = np.sqrt(((points[:, None, :] - members[None, :, :]) ** 2).sum(axis=2))
    mean = distances.mean(axis=1)
    inside = np.zeros(len(points), dtype=bool)
    inside[list(archive)] = True
    return [float(value) for value in np.where(inside, mean, -mean)]


def tournament(
    pool: Sequence[int], novelty: "dict[int, float]", size: int, rng: Random
) -> list[int]:
    """Pair members at random and drop the less novel of each pair, until `size` are left."""
    left = list(pool)
    while len(left) > size:
        rng.shuffle(left)
        dropped = {
            min(pair, key=lambda member: novelty[member])
            for pair in list(zip(left[::2], left[1::2], strict=False))[: len(left) - size]
        }
        left = [member for member in left if member not in dropped]
    return left


def _crossed(
    mother: Architecture, father: Architecture, rng: Random
) -> tuple[Architecture, Architecture]:
    """Exchange what lies between two points."""
    start, end = sorted(rng.randrange(len(mother) + 1) for _ in range(2))
    return (
        (*mother[:start], *father[start:end], *mother[end:]),
        (*father[:start], *mother[start:end], *father[end:]),
    )
