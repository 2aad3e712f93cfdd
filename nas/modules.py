"""Torch modules that operations and networks share; operations import them when they build.

Networks see images of odd sizes too: whatever halves a size rounds it up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


def batch_norm(channels: int, *, affine: bool) -> nn.BatchNorm2d:
    """Return BatchNorm with parameters and running statistics, or with neither."""
    return nn.BatchNorm2d(channels, affine=affine, track_running_stats=affine)


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Return a convolution without bias that keeps height and width but for its stride."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
    )


class Zero(nn.Module):
    """Zeros, (n, c, h, w) to (n, channels, h / stride, w / stride)."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """Return zeros on the features' device, of their type."""
        strided = features[:, :1, :: self.stride, :: self.stride]
        return torch.zeros_like(strided).repeat(1, self.channels, 1, 1)


class FactorisedReduction(nn.Module):
    """ReLU, two 1x1 convolutions of stride 2 that read different pixels, BatchNorm.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055), as in the authors' code.
    """

    def __init__(self, in_channels: int, out_channels: int, *, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        shifted = out_channels // 2
        self.even = convolution(in_channels, out_channels - shifted, 1, stride=2)
        self.odd = convolution(in_channels, shifted, 1, stride=2) if shifted else None
        self.norm = batch_norm(out_channels, affine=affine)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, out_channels, h/2, w/2)."""
        rectified = self.relu(features)
        parts = [self.even(rectified)]
        if self.odd is not None:
            # One row and one column of zeros: an odd size has no pixels beyond its last even one.
            parts.append(self.odd(pad(rectified, (0, 1, 0, 1))[:, :, 1:, 1:]))
        normalised: Tensor = self.norm(torch.cat(parts, dim=1))
        return normalised


class SqueezeExcite(nn.Module):
    """Weighs every channel by a function of all channels' means: 1x1 convolution, ReLU, 1x1
    convolution, sigmoid.

    Source: Hu et al., CVPR 2018 (arXiv 1709.01507).
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape (n, channels, h, w)."""
        weighed: Tensor = features * self.weigh(features)
        return weighed


class Residual(nn.Module):
    """Adds its input to what a module that keeps the shape makes of it."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape (n, c, h, w)."""
        output: Tensor = features + self.inner(features)
        return output
