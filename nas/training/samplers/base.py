"""What a sampler decides."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random

from nas.partition.base import Partition
from nas.plugin import Strategy
from nas.spaces.base import Architecture


@dataclass(frozen=True, slots=True)
class Route:
    """An architecture that a step trains, and the sub-space that owns it."""

    subspace: int
    architecture: Architecture


class Sampler(Strategy, ABC):
    """A rule that draws what one training step trains; dead architectures are never drawn.

    A step trains one or several architectures on the same images. Every supernet that owns some of
    them sums their gradients and makes one optimizer step; the others skip the step.
    """

    kind: str

    @abstractmethod
    def draw(self, partition: Partition, step: int, rng: Random) -> tuple[Route, ...]:
        """Return the architectures of one step, at least one, all valid.

        Args:
            partition: whose sub-spaces own them.
            step: global step. Most samplers do not look at it.
            rng: the step's own stream, the same whenever the step is asked for.
        """

    @abstractmethod
    def target_updates(self, partition: Partition) -> tuple[float, ...]:
        """Return the expected optimizer steps per global step, 0 to 1, of each sub-space."""

    def target_shares(self, partition: Partition) -> tuple[float, ...]:
        """Return the expected share of all optimizer steps per sub-space; they add up to 1."""
        updates = self.target_updates(partition)
        return tuple(part / sum(updates) for part in updates)
