"""The arithmetic and the module that convolution operations of every kernel size share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, final

from nas.operations.base import Operation

if TYPE_CHECKING:
    from torch import nn


class ReluConvBatchNorm(Operation, ABC):
    """ReLU, convolution of stride 1 without bias, BatchNorm."""

    nonlinearities: ClassVar[int] = 1
    takes_relu: ClassVar[bool] = True

    @property
    @abstractmethod
    def kernel_size(self) -> int:
        """Side of the kernel, odd."""

    @final
    def flops(self, channels: int, height: int, width: int) -> int:
        return self.kernel_size**2 * channels**2 * height * width

    @final
    def parameters(self, channels: int) -> int:
        batch_norm = 2 * channels
        return self.kernel_size**2 * channels**2 + batch_norm

    @final
    def build(self, channels: int, *, affine: bool) -> nn.Module:
        from torch import nn

        size = self.kernel_size
        return nn.Sequential(
            nn.Conv2d(channels, channels, size, padding=size // 2, bias=False),
            nn.BatchNorm2d(channels, affine=affine, track_running_stats=affine),
        )
