"""The two networks of a space: all of its architectures at once, or one alone."""

from nas.partition.accumulated import BankedPartition
from nas.partition.base import Partition
from nas.spaces.base import Architecture, Space
from nas.spaces.cell import CellSpace
from nas.spaces.shape import NetworkShape
from nas.supernets.cell_network import CellNetwork
from nas.supernets.network import Network

FULL = NetworkShape()
"""The sizes that FLOPs and parameters are counted on."""


def build_supernet(
    space: Space, shape: NetworkShape, partition: Partition | None = None
) -> Network:
    """Build a network that holds every candidate operation of every decision.

    Args:
        space: whose architectures it holds.
        shape: its sizes.
        partition: whose weight banks it has, if there are any.

    Raises:
        InfeasibleSupernet: if the space has no network of this shape.
    """
    sized = space.resized(shape)
    if isinstance(partition, BankedPartition):
        assert isinstance(sized, CellSpace)
        return CellNetwork(sized, candidates=space.choices, affine=False, banks=partition.banks)
    return sized.build_network(space.choices, affine=False)


def build_stand_alone(
    space: Space, architecture: Architecture, shape: NetworkShape = FULL
) -> Network:
    """Build the network of one architecture: the operations of its live decisions alone.

    Raises:
        InfeasibleSupernet: if the space has no network of this shape.
    """
    live = space.live(architecture)
    candidates = tuple(
        (operation,) if alive else () for operation, alive in zip(architecture, live, strict=True)
    )
    return space.resized(shape).build_network(candidates, affine=True)
