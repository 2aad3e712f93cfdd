"""Every valid architecture alike."""

from random import Random
from typing import Literal, final

from nas.partition.base import Partition
from nas.training.samplers.base import Route, Sampler


@final
class UniformSampler(Sampler):
    """Draw uniformly from all valid architectures, so that large sub-spaces are trained more.

    Source: Guo et al., ECCV 2020 (arXiv 1904.00420), without dead architectures.
    """

    kind: Literal["uniform"] = "uniform"

    def draw(self, partition: Partition, step: int, rng: Random) -> tuple[Route, ...]:
        architecture = partition.space.sample(rng)
        return (Route(partition.route(architecture), architecture),)

    def target_updates(self, partition: Partition) -> tuple[float, ...]:
        return partition.shares
