"""What a sampler decides."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random

from nas.partition.base import OperationShares, Partition
from nas.plugin import Strategy
from nas.spaces.base import Architecture, Space


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

    def samples_per_step(self, space: Space, num_subspaces: int) -> int:
        """Return how many architectures `draw` returns, whatever the step."""
        return 1

    @abstractmethod
    def target_updates(self, partition: Partition) -> tuple[float, ...] | None:
        """Return the expected optimizer steps per global step, 0 to 1, of each sub-space.

        None where they are not known exactly: then the training balance has no target.
        """

    def target_shares(self, partition: Partition) -> tuple[float, ...] | None:
        """Return the expected share of all optimizer steps per sub-space; they add up to 1."""
        updates = self.target_updates(partition)
        return None if updates is None else tuple(part / sum(updates) for part in updates)

    def operation_targets(self, partition: Partition) -> tuple[OperationShares | None, ...]:
        """Return the expected share of each operation among the samples of each sub-space.

        They are those of uniform draws inside the sub-space, which a sampler that draws otherwise
        overrides. None where they are not known exactly.
        """
        return partition.operation_shares or (None,) * len(partition.subspaces)

    def check(self, partition: Partition) -> None:
        """Refuse a partition from which this sampler cannot draw; by default none.

        Raises:
            InfeasibleSampling: naming the parameter at fault, and what would be possible.
        """
