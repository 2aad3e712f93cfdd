"""The two networks of a space: all of its architectures at once, or one alone."""

from nas.spaces.base import Architecture, Space
from nas.spaces.shape import NetworkShape
from nas.supernets.network import Network

FULL = NetworkShape()
"""The sizes that FLOPs and parameters are counted on."""


def build_supernet(space: Space, shape: NetworkShape) -> Network:
    """Build a network that holds every candidate operation of every decision.

    Raises:
        InfeasibleSupernet: if the space has no network of this shape.
    """
    return space.resized(shape).build_network(space.choices, affine=False)


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
