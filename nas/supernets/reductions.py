"""Blocks between the stages of a cell network, where no searched cell halves the image."""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from nas.modules import batch_norm, convolution
from nas.supernets.channels import Layout, Weight, weights, whole


class ResidualReduction(nn.Module):
    """Residual block that halves height and width."""

    def __init__(self, in_channels: int, out_channels: int, *, affine: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(
            convolution(in_channels, out_channels, 3, stride=2),
            batch_norm(out_channels, affine=affine),
        )
        self.second = nn.Sequential(
            convolution(out_channels, out_channels, 3),
            batch_norm(out_channels, affine=affine),
        )
        self.shortcut = convolution(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, in, h, w) to (n, out, h/2, w/2), odd sizes rounded up."""
        residual: Tensor = self.second(relu(self.first(relu(features))))
        shortcut: Tensor = self.shortcut(avg_pool2d(features, 2, ceil_mode=True))
        return residual + shortcut

    def weights(self, name: str, reads: Layout) -> Iterator[Weight]:
        """Describe its weights, given how the channels of its input lie."""
        yield from weights(self.first, f"{name}.first", reads=reads, gives=whole)
        yield from weights(self.second, f"{name}.second", reads=whole, gives=whole)
        yield from weights(self.shortcut, f"{name}.shortcut", reads=reads, gives=whole)


class PooledReduction(nn.Module):
    """Linear block that halves height and width."""

    def __init__(self, in_channels: int, out_channels: int, *, affine: bool) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            convolution(in_channels, out_channels, 1), batch_norm(out_channels, affine=affine)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, in, h, w) to (n, out, h/2, w/2), odd sizes rounded up."""
        widened: Tensor = self.widen(avg_pool2d(features, 2, ceil_mode=True))
        return widened

    def weights(self, name: str, reads: Layout) -> Iterator[Weight]:
        """Describe its weights, given how the channels of its input lie."""
        yield from weights(self.widen, f"{name}.widen", reads=reads, gives=whole)


REDUCTIONS = {"residual": ResidualReduction, "pooled": PooledReduction}
