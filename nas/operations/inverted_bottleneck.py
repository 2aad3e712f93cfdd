"""The arithmetic and the module that MobileNet blocks of every kernel size and expansion share."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar, final

from nas.operations.base import Operation, Place, WrittenPlace

if TYPE_CHECKING:
    from torch import nn


class InvertedBottleneck(Operation, ABC):
    """1x1 convolution that expands, depthwise convolution, 1x1 convolution that projects.

    BatchNorm follows each of them, ReLU6 the first two. The input is added where the shape is kept.
    Expansion 1 leaves the first convolution out. Squeeze-and-excitation stands before the
    projection, with a quarter of the expanded channels and biases in its two convolutions.

    Sources: MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381); MobileNetV3 (Howard et al.,
    ICCV 2019, arXiv 1905.02244) for the place and the ratio of squeeze-and-excitation, whose
    sigmoid is kept as it is.

    Attributes:
        kernel_size: side of the depthwise kernel, odd.
        expansion: channels of the depthwise convolution as a multiple of those of the input.
        squeezes: whether there is squeeze-and-excitation.
    """

    kernel_size: ClassVar[int]
    expansion: ClassVar[int]
    squeezes: ClassVar[bool] = False

    @final
    def fits(self, place: Place) -> bool:
        return True

    @final
    def flops(self, place: Place, height: int, width: int) -> int:
        expand, depthwise, project, excite = self._weights(place)
        output_pixels = place.output_pixels(height, width)
        return expand * height * width + (depthwise + project) * output_pixels + excite

    @final
    def parameters(self, place: Place, *, affine: bool) -> int:
        expanded, squeezed = self._expanded(place), self._squeezed(place)
        normalised = expanded * (1 if self.expansion == 1 else 2) + place.out_channels
        biases = expanded + squeezed if self.squeezes else 0
        return sum(self._weights(place)) + (2 * normalised if affine else 0) + biases

    @final
    def build(self, place: Place, *, affine: bool) -> nn.Module:
        from torch import nn

        from nas.modules import Residual, SqueezeExcite, batch_norm, convolution

        expanded = self._expanded(place)
        modules: list[nn.Module] = []
        if self.expansion > 1:
            modules += [
                convolution(place.in_channels, expanded, 1),
                batch_norm(expanded, affine=affine),
                nn.ReLU6(),
            ]
        modules += [
            convolution(
                expanded, expanded, self.kernel_size, stride=place.stride, groups=expanded
            ),
            batch_norm(expanded, affine=affine),
            nn.ReLU6(),
        ]
        if self.squeezes:
            modules.append(SqueezeExcite(expanded, self._squeezed(place)))
        modules += [
            convolution(expanded, place.out_channels, 1),
            batch_norm(place.out_channels, affine=affine),
        ]
        block = nn.Sequential(*modules)
        return Residual(block) if place.keeps_shape else block

    @final
    def written(self, place: WrittenPlace) -> str:
        squeezing = ["squeeze=True"] if self.squeezes else []
        sizes = (f"kernel_size={self.kernel_size}", f"expansion={self.expansion}")
        return place.call("inverted_bottleneck", *sizes, *squeezing)

    def _expanded(self, place: Place) -> int:
        return self.expansion * place.in_channels

    def _squeezed(self, place: Place) -> int:
        return max(1, self._expanded(place) // 4)

    def _weights(self, place: Place) -> tuple[int, int, int, int]:
        """Return the weights that expand, of the depthwise kernel, that project, and that excite."""
        expanded = self._expanded(place)
        return (
            0 if self.expansion == 1 else place.in_channels * expanded,
            self.kernel_size**2 * expanded,
            expanded * place.out_channels,
            2 * expanded * self._squeezed(place) if self.squeezes else 0,
        )
