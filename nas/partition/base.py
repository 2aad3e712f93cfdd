"""A partition: disjoint sub-spaces that cover a search space, and the one tested router."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from nas.plugin import Strategy
from nas.spaces.base import Architecture, Count, Space


@dataclass(frozen=True, slots=True)
class Subspace:
    """The architectures whose nonlinearity count is in `counts`.

    Attributes:
        index: position in the partition, 0-based.
        label: short name for people, for example `count 0-1`.
        counts: the nonlinearity counts it holds.
        size: exact number of architectures, dead ones in `all` only.
    """

    index: int
    label: str
    counts: frozenset[int]
    size: Count


@dataclass(frozen=True, slots=True)
class Partition:
    """Sub-spaces of one search space.

    Attributes:
        thresholds: t1 < t2 < ...; a sub-space's index is the number of thresholds below the count.
    """

    space: Space
    subspaces: tuple[Subspace, ...]
    thresholds: tuple[int, ...]

    def route(self, architecture: Architecture, depth: int = 0) -> int:
        """Return the index of the sub-space that owns `architecture`.

        Args:
            architecture: a member of the space.
            depth: searched cell or layer that asks. Private supernets (routing `class`) answer
                the same at every depth.
        """
        count = self.space.nonlinearity_count(architecture)
        return sum(count > threshold for threshold in self.thresholds)


class Splitter(Strategy, ABC):
    """A rule that splits a search space into `num_subspaces` sub-spaces."""

    kind: str
    num_subspaces: int

    @abstractmethod
    def split(self, space: Space) -> Partition:
        """Split `space`.

        Raises:
            InfeasiblePartition: if the space cannot be split so; the message names what is
                feasible.
        """
