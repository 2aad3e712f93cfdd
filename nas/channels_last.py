"""Faster ways to the values of torch's own modules, for narrow networks on the CPU.

Feature maps lie in memory as (images, height, width, channels). Torch's kernels for BatchNorm and
pooling vectorise over the channels, so with 5 or 8 of them most of a vector register stays empty.
Here several pixels fill a register: a feature map is read as rows of `k * channels` values. The
arithmetic is torch's but for the order of sums. Where torch's own kernel is faster (many channels,
or few values, where calls from Python cost more than they save) each `..._pays` says so; it looks
at shapes alone, so that equal runs take equal ways.
"""

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

REGISTER = 16
"""Values of float32 in the widest vector register of today's processors."""

BOX = 3
"""Side of the pooling window."""


def standardising_pays(features_NCHW: Tensor) -> bool:
    """Tell whether `standardised` is faster than torch's own BatchNorm."""
    channels = features_NCHW.shape[1]
    return _lies_so(features_NCHW) and (
        channels % REGISTER != 0
        # Half a register full, torch's own way wastes less.
        and features_NCHW.numel() >= (2**18 if channels % (REGISTER // 2) == 0 else 2**17)
    )


def box_mean_pays(features_NCHW: Tensor) -> bool:
    """Tell whether `box_mean` is faster than torch's own pooling."""
    return _lies_so(features_NCHW) and (
        features_NCHW.shape[1] % (2 * REGISTER) != 0 and features_NCHW.numel() >= 2**16
    )


def product_pays(features_NCHW: Tensor, convolution: nn.Conv2d) -> bool:
    """Tell whether a matrix product is faster than a convolution of single pixels."""
    return (
        convolution.stride == (1, 1)
        and convolution.groups == 1
        and convolution.bias is None
        and convolution.in_channels % REGISTER == 0
        and convolution.out_channels % REGISTER == 0
        and _lies_so(features_NCHW)
    )


def _lies_so(features_NCHW: Tensor) -> bool:
    """Tell whether features lie on the CPU as (images, height, width, channels), in full precision.

    Sums of bfloat16 would lose what torch's own kernels add up in float32.
    """
    return (
        features_NCHW.device.type == "cpu"
        and features_NCHW.dtype in (torch.float32, torch.float64)
        and features_NCHW.is_contiguous(memory_format=torch.channels_last)
    )


def standardised(features_NCHW: Tensor, eps: float) -> Tensor:
    """Subtract each channel's mean over the batch, divide by its standard deviation.

    As `torch.nn.functional.batch_norm` in training without scale and shift: the variance is the
    biased one, `eps` is added to it.
    """
    result: Tensor = _Standardised.apply(features_NCHW, eps)  # type: ignore[no-untyped-call]  # torch's
    return result


def box_mean(features_NCHW: Tensor) -> Tensor:
    """Return the mean of the 3x3 neighbours inside the image.

    As `torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)`.
    """
    result: Tensor = _BoxMean.apply(features_NCHW)  # type: ignore[no-untyped-call]  # torch's
    return result


class _Standardised(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features_NCHW: Tensor, eps: float) -> Tensor:  # Any: torch's context
        """Return standardised features of the same shape, in channels-last memory."""
        channels = features_NCHW.shape[1]
        rows = _rows(features_NCHW)
        centred = rows - _channel_means(rows, channels)
        scale = _channel_means(centred * centred, channels).add_(eps).rsqrt_()
        values = centred.mul_(scale)
        ctx.save_for_backward(values, scale)
        return _features(values, features_NCHW.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient: what is left of the given one beside its mean and its part along
        the standardised features, divided by the standard deviation.
        """
        (gradient_NCHW,) = gradients
        values, scale = ctx.saved_tensors
        channels = gradient_NCHW.shape[1]
        rows = _rows(gradient_NCHW)
        mean = _channel_means(rows, channels)
        along = _channel_means(rows * values, channels)
        rest = torch.addcmul(rows, values, along, value=-1)
        torch.addcmul(mean.mul_(scale).neg_(), rest, scale, out=rest)
        return _features(rest, gradient_NCHW.shape), None


class _BoxMean(torch.autograd.Function):
    """A box is a sum along rows of sums along columns; each is made of whole shifted images.

    Its transpose is the box itself, so the gradient is divided by the neighbours' number and
    summed alike.
    """

    @staticmethod
    def forward(ctx: Any, features_NCHW: Tensor) -> Tensor:  # Any: torch's context
        """Return pooled features of the same shape, in channels-last memory."""
        lines = _lines(features_NCHW)
        shares = _shares(features_NCHW)
        return _features(
            _box_sums(lines, features_NCHW.shape[1]).mul_(shares), features_NCHW.shape
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the gradient, of the same shape."""
        (gradient_NCHW,) = gradients
        lines = _lines(gradient_NCHW) * _shares(gradient_NCHW)
        return _features(_box_sums(lines, gradient_NCHW.shape[1]), gradient_NCHW.shape)


def _rows(features_NCHW: Tensor) -> Tensor:
    """Return the values as rows of whole pixels that fill registers."""
    channels = features_NCHW.shape[1]
    pixels = features_NCHW.numel() // channels
    per_row = math.gcd(pixels, REGISTER // math.gcd(REGISTER, channels) * 4)
    return features_NCHW.permute(0, 2, 3, 1).reshape(-1, per_row * channels)


def _features(values: Tensor, shape: torch.Size) -> Tensor:
    """Return values that lie as (n, h, w, c) as features of shape (n, c, h, w)."""
    images, channels, height, width = shape
    return values.view(images, height, width, channels).permute(0, 3, 1, 2)


def _channel_means(rows: Tensor, channels: int) -> Tensor:
    """Return each channel's mean, repeated along a row."""
    return torch.mv(_averaging(rows.shape[1], channels, rows.dtype), rows.sum(dim=0) / len(rows))


@lru_cache(maxsize=64)
def _averaging(columns: int, channels: int, dtype: torch.dtype) -> Tensor:
    """Return the matrix that replaces each column's value by the mean over its channel's columns.

    One product with it takes less time than to add up the pixels of a row and to repeat the sums.
    """
    per_row = columns // channels
    return torch.eye(channels, dtype=dtype).repeat(per_row, per_row) / per_row


def _lines(features_NCHW: Tensor) -> Tensor:
    """Return the values as (images, height, width * channels)."""
    images, channels, height, width = features_NCHW.shape
    return features_NCHW.permute(0, 2, 3, 1).reshape(images, height, width * channels)


def _box_sums(lines: Tensor, channels: int) -> Tensor:
    along_width = torch.empty_like(lines)
    _add_neighbours(lines, along_width, dim=2, step=channels)
    sums = torch.empty_like(lines)
    _add_neighbours(along_width, sums, dim=1, step=1)
    return sums


def _add_neighbours(values: Tensor, sums: Tensor, *, dim: int, step: int) -> None:
    """Write the sums of every value and those `step` before and behind it along a dimension.

    The first addition writes where the sums are to lie: to copy the values first would be another
    pass through memory, which is what this takes.
    """
    size = values.shape[dim] - step
    torch.add(
        values.narrow(dim, step, size),
        values.narrow(dim, 0, size),
        out=sums.narrow(dim, step, size),
    )
    sums.narrow(dim, 0, step).copy_(values.narrow(dim, 0, step))
    sums.narrow(dim, 0, size).add_(values.narrow(dim, step, size))


def _shares(features_NCHW: Tensor) -> Tensor:
    _, channels, height, width = features_NCHW.shape
    return _shares_of(height, width, channels, features_NCHW.dtype)


@lru_cache(maxsize=64)
def _shares_of(height: int, width: int, channels: int, dtype: torch.dtype) -> Tensor:
    """Return one over the number of neighbours inside the image, (height, width * channels)."""
    rows, columns = (_neighbours(size, dtype) for size in (height, width))
    return (1 / torch.outer(rows, columns)).repeat_interleave(channels, dim=1)


def _neighbours(size: int, dtype: torch.dtype) -> Tensor:
    positions = torch.arange(size)
    inside = (positions > 0).int() + 1 + (positions < size - 1).int()
    return inside.to(dtype)
