"""The largest, the smallest, and some between."""

from functools import lru_cache
from random import Random
from typing import Literal, final

from pydantic import Field

from nas.operations import OPERATIONS
from nas.partition.base import OperationShares, Partition
from nas.spaces.base import Architecture, Space
from nas.training.samplers.base import Route, Sampler


@final
class SandwichSampler(Sampler):
    """Train the architectures of most and of fewest FLOPs in every step, and random ones.

    FLOPs are those of the full stand-alone network. Both extremes are those of the whole space, so
    the sub-spaces that own them are trained in every step; the random ones are drawn uniformly from
    all valid architectures.

    Source: sandwich rule of Yu and Huang, ICCV 2019 (arXiv 1903.05134), for widths there; without
    their distillation from the largest. As there, the gradients are summed.
    """

    kind: Literal["sandwich"] = "sandwich"
    num_random: int = Field(2, ge=1, le=64, description="Random architectures per step.")

    def draw(self, partition: Partition, step: int, rng: Random) -> tuple[Route, ...]:
        space = partition.space
        drawn = [space.sample(rng) for _ in range(self.num_random)]
        return tuple(
            Route(partition.route(member), member) for member in (*_extremes(space), *drawn)
        )

    def samples_per_step(self, space: Space, num_subspaces: int) -> int:
        return 2 + self.num_random

    def target_updates(self, partition: Partition) -> tuple[float, ...]:
        owners = {partition.route(member) for member in _extremes(partition.space)}
        return tuple(
            1.0 if subspace.index in owners else 1 - (1 - share) ** self.num_random
            for subspace, share in zip(partition.subspaces, partition.shares, strict=True)
        )

    def operation_targets(self, partition: Partition) -> tuple[OperationShares | None, ...]:
        if partition.operation_shares is None:
            return (None,) * len(partition.subspaces)
        extremes = _extremes(partition.space)
        targets = []
        for index, random_shares in enumerate(partition.operation_shares):
            own = [member for member in extremes if partition.route(member) == index]
            num_random = self.num_random * partition.shares[index]
            targets.append(
                tuple(
                    {
                        name: (
                            num_random * share + sum(member[decision] == name for member in own)
                        )
                        / (num_random + len(own))
                        for name, share in shares.items()
                    }
                    for decision, shares in enumerate(random_shares)
                )
            )
        return tuple(targets)


@lru_cache(maxsize=64)
def largest(space: Space) -> Architecture:
    """Return the valid architecture of most FLOPs.

    It takes the dearest operation that connects at every decision: more connections leave no
    decision dead that another architecture keeps alive, and a dead one costs nothing.
    """
    return tuple(
        max(costs, key=lambda name: (OPERATIONS[name].connects, costs[name].flops))
        for costs in space.costs.choices
    )


@lru_cache(maxsize=64)
def smallest(space: Space) -> Architecture:
    """Return the valid architecture of fewest FLOPs, of these the one of fewest parameters."""
    return min(
        space.cheapest(), key=lambda member: (space.flops(member), space.parameters(member))
    )


def _extremes(space: Space) -> tuple[Architecture, Architecture]:
    return largest(space), smallest(space)
