"""Weights of a trained supernet as the beginning of another one, as wide or narrower.

Weights are taken as they are. A BatchNorm follows nearly every convolution and gives its features
the same spread however many channels were added. Where none does (classifier, shortcut of a
`residual` reduction, squeeze-and-excitation), sums over fewer channels are smaller, and so the
first scores less certain. Widening those layers again would make them as certain as before about
features that are not: it was measured to cost more than it gains (decision 19).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.supernets.channels import Blocks, Weight
from nas.supernets.network import Network


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What one weight of an heir takes from one of its parent.

    Attributes:
        parent: the weight that is taken from.
        heir: the weight that takes.
        kept: per dimension, the positions in the parent; None for all of them.
    """

    parent: Tensor
    heir: Tensor
    kept: tuple[Tensor | None, ...]

    def of(self, values: Tensor) -> Tensor:
        """Return the share of a tensor that is shaped like the parent's weight."""
        for dimension, positions in enumerate(self.kept):
            if positions is not None:
                values = values.index_select(dimension, positions.to(values.device))
        return values

    def hand_over(self) -> None:
        """Set the heir's weight."""
        with torch.no_grad():
            self.heir.copy_(self.of(self.parent))


def shares(parent: Network, heir: Network) -> Iterator[Share]:
    """Yield, for every weight of `heir`, its share of `parent`: the first channels of every block.

    Every bank of an heir takes from its own in the parent, or else from the one that the parent
    has.

    Args:
        parent: a supernet of the same space and the same number of cells.
        heir: not wider anywhere; with weight banks if the parent has them.
    """
    owned = {(weight.name, weight.bank): weight for weight in parent.weights()}
    for weight in heir.weights():
        source = owned.get((weight.name, weight.bank)) or owned[weight.name, None]
        yield Share(source.tensor, weight.tensor, _kept(source, weight))


def _kept(source: Weight, weight: Weight) -> tuple[Tensor | None, ...]:
    return tuple(
        # A depthwise convolution of one channel cannot be told from a dense one.
        None if sum(theirs) == sum(ours) else _first(theirs, ours)
        for theirs, ours in zip(source.blocks, weight.blocks, strict=True)
    )


def _first(theirs: Blocks, ours: Blocks) -> Tensor:
    positions: list[int] = []
    start = 0
    for there, here in zip(theirs, ours, strict=True):
        assert here <= there, f"{here} channels cannot be the first of {there}"
        positions += range(start, start + here)
        start += there
    return torch.tensor(positions, dtype=torch.int64)
