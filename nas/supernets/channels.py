"""How the channels of a supernet's weights lie, so that a narrower one can take its share of each.

Features are consecutive blocks of channels: the concatenation of n nodes has one for each, and
where a factorised reduction makes them every node has two, of the even pixels and of the odd ones.
Networks of one space that differ in their width have the same blocks, of other sizes; the channels
that the narrower one keeps are the first of every block. Then each of its channels is one channel
of the wider network everywhere: where it is made, added to others, and read.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor, nn

from nas.modules import FactorisedReduction, Residual

Blocks = tuple[int, ...]
"""Channels per block, in their order."""

Layout = Callable[[int], Blocks]
"""Tells how so many channels fall into blocks."""


class Weight(NamedTuple):
    """One trainable tensor of a supernet.

    Attributes:
        name: the same in every network of the space, with or without weight banks.
        bank: its weight bank; None where it has none.
        tensor: itself.
        blocks: of each of its dimensions: output, input, and height and width of a kernel.
    """

    name: str
    bank: str | None
    tensor: Tensor
    blocks: tuple[Blocks, ...]


def whole(channels: int) -> Blocks:
    """Return one block."""
    return (channels,)


def halves(channels: int) -> Blocks:
    """Return two blocks, as a factorised reduction makes them."""
    return (channels - channels // 2, channels // 2)


def concatenated(number: int, each: Layout) -> Layout:
    """Return the layout of `number` nodes one after the other."""

    def layout(channels: int) -> Blocks:
        assert channels % number == 0
        return each(channels // number) * number

    return layout


def node_layout(module: nn.Module) -> Layout:
    """Return the layout of features to which every module inside `module` adds its own."""
    factorised = any(isinstance(part, FactorisedReduction) for part in module.modules())
    return halves if factorised else whole


def weights(
    module: nn.Module,
    name: str,
    *,
    reads: Layout,
    gives: Layout,
    bank: str | None = None,
) -> Iterator[Weight]:
    """Describe the weights of a part of a network.

    Args:
        module: one layer; or several, whose inner channels fall into blocks by the same rule.
        name: its place.
        reads: the layout of input channels.
        gives: the layout of output channels.
        bank: whose weights these are.

    Raises:
        TypeError: if the part has weights of a kind that is not known here.
    """
    if isinstance(module, Residual):
        # Whether a block keeps the shape can depend on the width; its name must not.
        yield from weights(module.inner, name, reads=reads, gives=gives, bank=bank)
        return
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        weight, bias = module.weight, module.bias
        outputs, inputs = weight.shape[:2]
        # The kernels of a depthwise convolution read one channel each.
        read = whole(1) if getattr(module, "groups", 1) > 1 else reads(inputs)
        assert inputs == sum(read), f"{name}: only depthwise convolutions have groups"
        kernel = tuple(whole(side) for side in weight.shape[2:])
        yield Weight(f"{name}.weight", bank, weight, (gives(outputs), read, *kernel))
        if bias is not None:
            yield Weight(f"{name}.bias", bank, bias, (gives(outputs),))
        return
    if next(module.parameters(recurse=False), None) is not None:
        raise TypeError(f"{name}: a narrower supernet cannot take its share of {module}")
    if isinstance(module, FactorisedReduction):
        gives = whole
    for part, child in module.named_children():
        yield from weights(child, f"{name}.{part}", reads=reads, gives=gives, bank=bank)
