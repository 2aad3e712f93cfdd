"""The arithmetic and the module that separable convolutions of every kernel size share."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar, final

from nas.operations.base import Operation, Place, WrittenPlace

if TYPE_CHECKING:
    from torch import nn


class SeparableConv(Operation, ABC):
    """ReLU, depthwise convolution, 1x1 convolution, BatchNorm; once, or twice in a row.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055).

    Attributes:
        kernel_size: side of the depthwise kernel, odd.
        dilation: distance between the pixels that the kernel reads.
        twice: whether there are two in a row; then the first has the stride, and the second
            changes the channels.
    """

    takes_relu: ClassVar[bool] = True
    kernel_size: ClassVar[int]
    dilation: ClassVar[int] = 1
    twice: ClassVar[bool] = False

    @final
    def fits(self, place: Place) -> bool:
        return True

    @final
    def flops(self, place: Place, height: int, width: int) -> int:
        # Whichever convolution has the stride, all of them give pixels of the output's size.
        weights = sum(self._weights(part) for part in self._parts(place))
        return weights * place.output_pixels(height, width)

    @final
    def parameters(self, place: Place, *, affine: bool) -> int:
        per_channel = 2 if affine else 0
        return sum(
            self._weights(part) + per_channel * part.out_channels for part in self._parts(place)
        )

    @final
    def build(self, place: Place, *, affine: bool) -> nn.Module:
        from torch import nn

        from nas.modules import batch_norm, convolution

        modules: list[nn.Module] = []
        for part in self._parts(place):
            if modules:
                modules.append(nn.ReLU())
            modules += [
                convolution(
                    part.in_channels,
                    part.in_channels,
                    self.kernel_size,
                    stride=part.stride,
                    dilation=self.dilation,
                    groups=part.in_channels,
                ),
                convolution(part.in_channels, part.out_channels, 1),
                batch_norm(part.out_channels, affine=affine),
            ]
        return nn.Sequential(*modules)

    @final
    def written(self, place: WrittenPlace) -> str:
        dilated = [f"dilation={self.dilation}"] if self.dilation > 1 else []
        layer = "double_separable_conv" if self.twice else "separable_conv"
        return place.call(layer, str(self.kernel_size), *dilated)

    def _parts(self, place: Place) -> tuple[Place, ...]:
        inner = place.in_channels
        if not self.twice:
            return (place,)
        return Place(inner, inner, place.stride), Place(inner, place.out_channels)

    def _weights(self, part: Place) -> int:
        return part.in_channels * (self.kernel_size**2 + part.out_channels)
