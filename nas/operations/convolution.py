"""The arithmetic and the module that full convolutions of every kernel size share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, final

from nas.operations.base import Operation, Place, WrittenPlace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


class ReluConvBatchNorm(Operation, ABC):
    """ReLU, convolution without bias, BatchNorm."""

    nonlinearities: ClassVar[int] = 1
    takes_relu: ClassVar[bool] = True

    @property
    @abstractmethod
    def kernel_size(self) -> int:
        """Side of the kernel, odd."""

    @final
    def fits(self, place: Place) -> bool:
        return True

    @final
    def flops(self, place: Place, height: int, width: int) -> int:
        return self._weights(place) * place.output_pixels(height, width)

    @final
    def parameters(self, place: Place, *, affine: bool) -> int:
        batch_norm = 2 * place.out_channels if affine else 0
        return self._weights(place) + batch_norm

    @final
    def build(self, place: Place, *, affine: bool) -> nn.Module:
        from nas.modules import ConvolutionBatchNorm, batch_norm, convolution

        return ConvolutionBatchNorm(
            convolution(
                place.in_channels, place.out_channels, self.kernel_size, stride=place.stride
            ),
            batch_norm(place.out_channels, affine=affine),
        )

    @final
    def written(self, place: WrittenPlace) -> str:
        return place.call("conv_bn", str(self.kernel_size))

    def apply_all(self, modules: Sequence[nn.Module], features: Tensor) -> Sequence[Tensor]:
        from nas.modules import ConvolutionBatchNorm, convolve_side_by_side

        pairs = [module for module in modules if isinstance(module, ConvolutionBatchNorm)]
        assert len(pairs) == len(modules)
        return convolve_side_by_side(pairs, features)

    def _weights(self, place: Place) -> int:
        return self.kernel_size**2 * place.in_channels * place.out_channels
