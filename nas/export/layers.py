"""Layers in plain torch, copied as they stand into the Python file of an exported network.

Their parts are named as those of `nas.modules` and `nas.supernets`, so that weights fit both. Lines
keep within the 88 columns that formatters take by default.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, relu


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """A convolution without bias that keeps height and width but for its stride."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
    )


def conv_bn(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
) -> nn.Sequential:
    """A convolution, then BatchNorm."""
    return nn.Sequential(
        convolution(in_channels, out_channels, kernel_size, stride),
        nn.BatchNorm2d(out_channels),
    )


def conv_bn_relu6(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
) -> nn.Module:
    """A convolution, BatchNorm, ReLU6."""
    return nn.Sequential(
        convolution(in_channels, out_channels, kernel_size, stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(),
    )


def to_channels(in_channels: int, out_channels: int) -> nn.Module:
    """ReLU, a 1x1 convolution, BatchNorm."""
    return nn.Sequential(
        nn.ReLU(),
        convolution(in_channels, out_channels, 1),
        nn.BatchNorm2d(out_channels),
    )


def separable_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """A depthwise convolution, a 1x1 convolution, BatchNorm."""
    return nn.Sequential(
        convolution(
            in_channels,
            in_channels,
            kernel_size,
            stride,
            dilation,
            groups=in_channels,
        ),
        convolution(in_channels, out_channels, 1),
        nn.BatchNorm2d(out_channels),
    )


def double_separable_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Module:
    """Two separable convolutions; the first has the stride, the second the channels."""
    return nn.Sequential(
        *separable_conv(in_channels, in_channels, kernel_size, stride, dilation),
        nn.ReLU(),
        *separable_conv(in_channels, out_channels, kernel_size, dilation=dilation),
    )


def avg_pool(stride: int = 1) -> nn.Module:
    """Mean of the 3x3 neighbours inside the image."""
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


def avg_pool_bn(channels: int, stride: int = 1) -> nn.Module:
    """Mean of the 3x3 neighbours inside the image, BatchNorm without scale and shift."""
    return nn.Sequential(
        nn.AvgPool2d(3, stride, padding=1, count_include_pad=False),
        nn.BatchNorm2d(channels, affine=False),
    )


def max_pool_bn(channels: int, stride: int = 1) -> nn.Module:
    """Maximum of the 3x3 neighbours, BatchNorm without scale and shift."""
    return nn.Sequential(
        nn.MaxPool2d(3, stride, padding=1),
        nn.BatchNorm2d(channels, affine=False),
    )


class SqueezeExcite(nn.Module):
    """Weighs every channel by a function of the means of all channels."""

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
        return features * self.weigh(features)


class Residual(nn.Module):
    """Adds its input to what a module makes of it."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        return features + self.inner(features)


def inverted_bottleneck(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    expansion: int,
    stride: int = 1,
    squeeze: bool = False,
) -> nn.Module:
    """Expand the channels, convolve each by itself, project; add the input if it fits."""
    expanded = expansion * in_channels
    parts: list[nn.Module] = []
    if expansion > 1:
        parts += [*conv_bn(in_channels, expanded, 1), nn.ReLU6()]
    parts += [
        convolution(expanded, expanded, kernel_size, stride, groups=expanded),
        nn.BatchNorm2d(expanded),
        nn.ReLU6(),
    ]
    if squeeze:
        parts.append(SqueezeExcite(expanded, max(1, expanded // 4)))
    parts += [*conv_bn(expanded, out_channels, 1)]
    block = nn.Sequential(*parts)
    return Residual(block) if stride == 1 and in_channels == out_channels else block


class FactorisedReduction(nn.Module):
    """Halves height and width: two 1x1 convolutions that read different pixels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        shifted = out_channels // 2
        self.even = convolution(in_channels, out_channels - shifted, 1, stride=2)
        self.odd = convolution(in_channels, shifted, 1, stride=2) if shifted else None
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, features: Tensor) -> Tensor:
        features = relu(features)
        parts = [self.even(features)]
        if self.odd is not None:
            # An odd size has no pixels beyond its last even one: zeros stand for them.
            parts.append(self.odd(pad(features, (0, 1, 0, 1))[:, :, 1:, 1:]))
        return self.norm(torch.cat(parts, dim=1))


def pooled_reduction(in_channels: int, out_channels: int, halvings: int) -> nn.Module:
    """Halves height and width several times, all but the last time by pooling."""
    pools = [nn.AvgPool2d(2, ceil_mode=True) for _ in range(halvings - 1)]
    return nn.Sequential(*pools, FactorisedReduction(in_channels, out_channels))


def skip(channels: int, stride: int = 1) -> nn.Module:
    """The features themselves, or halved in height and width."""
    return nn.Identity() if stride == 1 else FactorisedReduction(channels, channels)


class ResidualReduction(nn.Module):
    """Halves height and width: two 3x3 convolutions, and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = conv_bn(in_channels, out_channels, 3, stride=2)
        self.second = conv_bn(out_channels, out_channels, 3)
        self.shortcut = convolution(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        residual = self.second(relu(self.first(relu(features))))
        return residual + self.shortcut(avg_pool2d(features, 2, ceil_mode=True))


class PooledReduction(nn.Module):
    """Halves height and width by pooling, then changes the channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.widen = conv_bn(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.widen(avg_pool2d(features, 2, ceil_mode=True))
