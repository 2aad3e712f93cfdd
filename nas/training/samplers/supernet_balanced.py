"""Every supernet alike."""

from random import Random
from typing import Literal, final

from pydantic import Field

from nas.partition.base import Partition
from nas.spaces.base import Space
from nas.training.samplers.base import Route, Sampler


@final
class SupernetBalancedSampler(Sampler):
    """Train the sub-spaces alike, with architectures drawn uniformly inside each.

    Source: supernet-balanced sampling of Oh et al., AAAI 2025 (arXiv 2412.14678). Their code for
    cells draws one of three fixed groups per step, whatever K is, and rejects until its validity
    check passes; here the groups are the sub-spaces and the draw is exact. Their code for MobileNet
    trains one architecture of every sub-space per step and sums the gradients; where its rejection
    gives up it silently skips a sub-space, which an exact draw never does.
    """

    kind: Literal["supernet-balanced"] = "supernet-balanced"
    architectures_per_step: Literal["one", "one-per-subspace"] = Field(
        "one",
        description="one: of a sub-space drawn uniformly (cells in the paper). one-per-subspace: "
        "every sub-space trains one in every step, which costs K times as much (MobileNet).",
    )

    def draw(self, partition: Partition, step: int, rng: Random) -> tuple[Route, ...]:
        num_subspaces = len(partition.subspaces)
        drawn = (
            [rng.randrange(num_subspaces)]
            if self.architectures_per_step == "one"
            else range(num_subspaces)
        )
        return tuple(Route(index, partition.sample(index, rng)) for index in drawn)

    def samples_per_step(self, space: Space, num_subspaces: int) -> int:
        return 1 if self.architectures_per_step == "one" else num_subspaces

    def target_updates(self, partition: Partition) -> tuple[float, ...]:
        num_subspaces = len(partition.subspaces)
        each = 1 / num_subspaces if self.architectures_per_step == "one" else 1.0
        return (each,) * num_subspaces
