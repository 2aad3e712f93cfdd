"""What a sampler decides."""

from abc import ABC, abstractmethod
from random import Random

from nas.partition.base import Partition
from nas.plugin import Strategy
from nas.spaces.base import Architecture


class Sampler(Strategy, ABC):
    """A rule that draws the architecture of one training step; dead ones are never drawn."""

    kind: str

    @abstractmethod
    def draw(self, partition: Partition, rng: Random) -> tuple[int, Architecture]:
        """Return the index of a sub-space and a valid architecture of it."""

    @abstractmethod
    def target_shares(self, partition: Partition) -> tuple[float, ...]:
        """Return the expected share of steps per sub-space; they add up to 1."""
