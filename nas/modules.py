"""Torch modules that operations and networks share; operations import them when they build.

Networks see images of odd sizes too: whatever halves a size rounds it up.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, linear, pad

from nas.channels_last import (
    box_mean,
    box_mean_pays,
    product_pays,
    standardised,
    standardising_pays,
)


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm, by whichever arithmetic is faster where it has neither parameters nor memory."""

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape (n, c, h, w)."""
        by_batch_alone = not (self.affine or self.track_running_stats)
        if by_batch_alone and standardising_pays(features):
            return standardised(features, self.eps)
        return super().forward(features)

    def keep_statistics(self, momentum: float | None, like: Tensor) -> None:
        """Gather running statistics in training from now on, and use them in evaluation.

        Args:
            momentum: as of `torch.nn.BatchNorm2d`.
            like: a tensor of the device and type that they are to have.
        """
        self.momentum = momentum
        self.track_running_stats = True
        self.register_buffer("running_mean", like.new_zeros(self.num_features))
        self.register_buffer("running_var", like.new_ones(self.num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0, device=like.device))


class AvgPool3x3(nn.Module):
    """Mean of the 3x3 neighbours inside the image, by whichever arithmetic is faster."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, h / stride, w / stride)."""
        if self.stride == 1 and box_mean_pays(features):
            return box_mean(features)
        return avg_pool2d(features, 3, self.stride, padding=1, count_include_pad=False)


class Convolution(nn.Conv2d):
    """A convolution; one of single pixels is a matrix product where that is faster."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, in, h, w) to (n, out, h / stride, w / stride)."""
        if self.kernel_size == (1, 1) and product_pays(features, self):
            return linear(features.permute(0, 2, 3, 1), self.weight.flatten(1)).permute(0, 3, 1, 2)
        return super().forward(features)


def batch_norm(channels: int, *, affine: bool) -> BatchNorm:
    """Return BatchNorm with parameters and running statistics, or with neither."""
    return BatchNorm(channels, affine=affine, track_running_stats=affine)


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> Convolution:
    """Return a convolution without bias that keeps height and width but for its stride."""
    return Convolution(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
    )


class ConvolutionBatchNorm(nn.Sequential):
    """A convolution, then BatchNorm."""

    def __init__(self, convolution: Convolution, norm: BatchNorm) -> None:
        super().__init__(convolution, norm)

    @property
    def convolution(self) -> Convolution:
        """The first of the two."""
        first = self[0]
        assert isinstance(first, Convolution)
        return first

    @property
    def norm(self) -> BatchNorm:
        """The second of the two."""
        second = self[1]
        assert isinstance(second, BatchNorm)
        return second


def convolve_side_by_side(
    modules: Sequence[ConvolutionBatchNorm], features: Tensor
) -> Sequence[Tensor]:
    """Return the outputs of modules of equal sizes for the same input.

    Their output channels are computed as those of one convolution: narrow ones leave vector
    registers empty. BatchNorm treats each channel alone, so that one BatchNorm serves all, unless
    each has parameters or statistics of its own.

    Args:
        modules: without dilation and groups.
        features: shape (n, c, h, w).
    """
    convolution, norm = modules[0].convolution, modules[0].norm
    if len(modules) == 1 or norm.affine or norm.track_running_stats:
        return [module(features) for module in modules]
    weights = torch.cat([module.convolution.weight for module in modules])
    convolved = conv2d(features, weights, None, convolution.stride, convolution.padding)
    parts: Sequence[Tensor] = norm(convolved).chunk(len(modules), dim=1)
    return parts


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
