"""How wide the supernets of a run are, and how many parameters that gives them; without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from nas.partition.accumulated import BankedPartition
from nas.partition.base import Partition
from nas.spaces.base import Space
from nas.spaces.cell import CellSpace
from nas.spaces.shape import NetworkShape

PARENT_WIDTH = 16
"""Of the one-shot parent, where nothing else is said: the width of EFS-NAS's."""


class SupernetSize(NamedTuple):
    """A supernet.

    Attributes:
        width: channels of its first stage.
        parameters: trainable ones, exactly; with weight banks, of one bank per cell, which is what
            the architectures of a sub-space read.
    """

    width: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Supernets:
    """The supernets of a partition, and their one-shot parent.

    Attributes:
        partition: with private supernets, or with weight banks.
        shape: of all of them, but for their widths.
        parent: the one supernet of the undivided space; a warm-up trains it.
        subspaces: one per sub-space; with weight banks all are the one that holds them.
        parameters: of all supernets together; with weight banks, of the one that holds them.
    """

    partition: Partition
    shape: NetworkShape
    parent: SupernetSize
    subspaces: tuple[SupernetSize, ...]
    parameters: int

    @property
    def have_banks(self) -> bool:
        """Whether one supernet with weight banks holds all sub-spaces."""
        return isinstance(self.partition, BankedPartition)

    @property
    def fit(self) -> bool:
        """Whether they are no larger than the parent; not even width 1 may be."""
        return self.parameters <= self.parent.parameters

    def size(self, subspace: int | None) -> SupernetSize:
        """Return the size of one of them.

        Args:
            subspace: whose private supernet; None for the one of all: the supernet with weight
                banks where there is one, else the parent.
        """
        if subspace is not None:
            return self.subspaces[subspace]
        return self.subspaces[0] if self.have_banks else self.parent

    def shaped(self, size: SupernetSize) -> NetworkShape:
        """Return the shape of one of these supernets."""
        return replace(self.shape, width=size.width)


def supernets(
    partition: Partition, parent_width: int, widths: Sequence[int], shape: NetworkShape
) -> Supernets:
    """Return the supernets of given widths.

    Args:
        partition: with private supernets, or with weight banks.
        parent_width: of the one-shot parent.
        widths: one per sub-space; with weight banks, all the same.
        shape: of every supernet, the parent's too, but for its width; with weight banks, of as
            many cells as the partition has been made for.

    Raises:
        InfeasibleSupernet: if the space has no network of this shape.
    """
    shape = replace(shape, width=None)
    sizes = {
        width: SupernetSize(
            width, supernet_parameters(partition.space, replace(shape, width=width))
        )
        for width in {parent_width, *widths}
    }
    each = tuple(sizes[width] for width in widths)
    return Supernets(
        partition=partition,
        shape=shape,
        parent=sizes[parent_width],
        subspaces=each,
        parameters=(
            _banked_parameters(partition, replace(shape, width=widths[0]))
            if isinstance(partition, BankedPartition)
            else sum(size.parameters for size in each)
        ),
    )


def suggested_supernets(partition: Partition, parent_width: int, shape: NetworkShape) -> Supernets:
    """Return supernets that together are no larger than the one-shot parent, where possible.

    Their width is the parent's over the number of sub-spaces, or of banks, rounded (16 gives 8, 5
    and 4 for two, three and four, the widths of EFS-NAS), and lower where their parameters would
    together exceed the parent's. All sub-spaces get the same, because every supernet holds all
    candidate operations.

    Args:
        partition: as for `supernets`.
        parent_width: of the one-shot parent.
        shape: as for `supernets`.

    Raises:
        InfeasibleSupernet: if the space has no network of this shape.

    Source: Oh et al., AAAI 2025 (arXiv 2412.14678).
    """
    num_subspaces = len(partition.subspaces)
    parts = partition.banks.num_banks if isinstance(partition, BankedPartition) else num_subspaces
    # Halves are rounded up, as by hand.
    width = max(1, (2 * parent_width + parts) // (2 * parts))
    found = supernets(partition, parent_width, (width,) * num_subspaces, shape)
    while width > 1 and not found.fit:
        width -= 1
        found = supernets(partition, parent_width, (width,) * num_subspaces, shape)
    return found


def supernet_parameters(space: Space, shape: NetworkShape) -> int:
    """Return the trainable parameters of the network that `build_supernet` builds, without torch.

    Those of every candidate operation of every decision and of what surrounds them; the BatchNorms
    of a supernet have none. Of a supernet without weight banks.

    Raises:
        InfeasibleSupernet: if the space has no network of this shape.
    """
    return space.resized(shape).network_costs(affine=False).parameters_of_all


def _banked_parameters(partition: BankedPartition, shape: NetworkShape) -> int:
    """Return the parameters of the supernet with all weight banks that some architecture reads."""
    space = partition.space.resized(shape)
    assert isinstance(space, CellSpace)
    cells = space.skeleton.cell_parameters(space.graph, affine=False)
    copies = [len(banks) for banks in partition.banks.by_cell(space)]
    return supernet_parameters(partition.space, shape) + sum(
        (number - 1) * parameters for number, parameters in zip(copies, cells, strict=True)
    )
