"""A partition: disjoint sub-spaces that cover a search space, and the one tested router."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from nas.errors import InfeasiblePartition
from nas.plugin import Strategy
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.labelling import Labelling, NonlinearityCount

OperationShares = tuple[dict[str, float], ...]
"""Per decision, operation name to the share of architectures that choose it, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Subspace:
    """The architectures whose label is one of `labels`.

    Attributes:
        index: position in the partition, 0-based.
        title: short name for people, for example `count 0-1`.
        labels: what the partition's labelling reads off its architectures.
        size: exact number of architectures, dead ones in `all` only.
    """

    index: int
    title: str
    labels: frozenset[int]
    size: Count


@dataclass(frozen=True)
class Partition:
    """Sub-spaces of one search space.

    Attributes:
        space: what is divided.
        labelling: by what it is divided.
        subspaces: disjoint, and together the whole space.
        thresholds: where nonlinearity counts are cut, t1 < t2 < ...: a sub-space's index is then
            the number of thresholds below the count. None where they are not cut.
    """

    space: Space
    labelling: Labelling
    subspaces: tuple[Subspace, ...]
    thresholds: tuple[int, ...] | None = None

    @cached_property
    def _owners(self) -> Mapping[int, int]:
        return {label: subspace.index for subspace in self.subspaces for label in subspace.labels}

    @property
    def shares(self) -> tuple[float, ...]:
        """Per sub-space, its share of all valid architectures."""
        total = sum(subspace.size.valid for subspace in self.subspaces)
        return tuple(subspace.size.valid / total for subspace in self.subspaces)

    @cached_property
    def operation_shares(self) -> tuple[OperationShares, ...] | None:
        """Per sub-space, the exact shares among its valid architectures.

        None in a space whose walk is too long, see `nas.spaces.marginals`.
        """
        counts = self.space.operation_counts(self.labelling)
        if counts is None:
            return None
        return tuple(
            tuple(
                {name: _held(counted.get(name, {}), subspace) for name in names}
                for names, counted in zip(self.space.choices, counts, strict=True)
            )
            for subspace in self.subspaces
        )

    def route(self, architecture: Architecture, depth: int = 0) -> int:
        """Return the index of the sub-space that owns `architecture`.

        Args:
            architecture: a member of the space.
            depth: searched cell or layer that asks. Private supernets (routing `class`) answer
                the same at every depth.
        """
        return self._owners[self.space.label(architecture, self.labelling)]

    def sample(self, index: int, rng: Random) -> Architecture:
        """Draw uniformly from the valid architectures of one sub-space."""
        return self.space.sample(rng, self.subspaces[index].labels, self.labelling)

    @property
    def counts_nonlinearities(self) -> bool:
        """Whether the labels are nonlinearity counts."""
        return isinstance(self.labelling, NonlinearityCount)


def _held(by_label: Mapping[int, int], subspace: Subspace) -> float:
    """Return the share of a sub-space's valid architectures that are counted by label."""
    return sum(by_label.get(label, 0) for label in subspace.labels) / subspace.size.valid


class Splitter(Strategy, ABC):
    """A rule that splits a search space into sub-spaces."""

    kind: str

    @abstractmethod
    def subspace_count(self, space: Space) -> int:
        """Return the number of sub-spaces that `split` makes, without making them."""

    @abstractmethod
    def split(self, space: Space) -> Partition:
        """Split `space`.

        Raises:
            InfeasiblePartition: if the space cannot be split so; it names the parameter at fault
                and what is feasible.
        """


def labelled_partition(
    space: Space, labelling: Labelling, groups: Sequence[tuple[str, frozenset[int]]]
) -> Partition:
    """Return the partition of groups of labels, their sizes counted exactly.

    Args:
        space: what to divide.
        labelling: by what.
        groups: title and labels of each sub-space.

    Raises:
        InfeasiblePartition: if a sub-space holds no valid architecture.
    """
    tallies = space.counting(labelling).tallies
    subspaces = []
    for index, (title, labels) in enumerate(groups):
        held = [tallies[label] for label in labels if label in tallies]
        size = Count(
            all=sum(count.all for count in held), valid=sum(count.valid for count in held)
        )
        if not size.valid:
            raise InfeasiblePartition(
                "splitter",
                f"sub-space {index} ({title}) of {space.name} has no valid architecture",
            )
        subspaces.append(Subspace(index=index, title=title, labels=labels, size=size))
    return Partition(space=space, labelling=labelling, subspaces=tuple(subspaces))
