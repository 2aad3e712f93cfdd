"""Every supernet alike."""

from random import Random
from typing import Literal, final

from nas.partition.base import Partition
from nas.spaces.base import Architecture
from nas.training.samplers.base import Sampler


@final
class SupernetBalancedSampler(Sampler):
    """Draw a sub-space uniformly, then a valid architecture uniformly inside it.

    Source: supernet-balanced sampling of Oh et al., AAAI 2025 (arXiv 2412.14678). Their code for
    cells balances three fixed groups whatever K is, and rejects until its validity check passes;
    here the groups are the sub-spaces and the draw is exact.
    """

    kind: Literal["supernet-balanced"] = "supernet-balanced"

    def draw(self, partition: Partition, rng: Random) -> tuple[int, Architecture]:
        index = rng.randrange(len(partition.subspaces))
        return index, partition.sample(index, rng)

    def target_shares(self, partition: Partition) -> tuple[float, ...]:
        num_subspaces = len(partition.subspaces)
        return (1 / num_subspaces,) * num_subspaces
