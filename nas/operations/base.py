"""What one candidate operation of a cell knows about itself, without torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from nas.plugin import Strategy

if TYPE_CHECKING:
    from torch import nn


class Operation(Strategy, ABC):
    """A function on feature maps that keeps their shape (N, C, H, W).

    Attributes:
        nonlinearities: nonlinear functions on its path, the shared ReLU included.
        connects: whether its output depends on its input.
        takes_relu: whether the built module expects ReLU of the source node's features. The ReLU
            is left out of the module so that a network computes it once per node.
    """

    kind: str
    nonlinearities: ClassVar[int] = 0
    connects: ClassVar[bool] = True
    takes_relu: ClassVar[bool] = False

    @abstractmethod
    def flops(self, channels: int, height: int, width: int) -> int:
        """Return the multiply-adds of its convolutions for one image of C x H x W features."""

    @abstractmethod
    def parameters(self, channels: int) -> int:
        """Return its trainable parameters in a stand-alone network (BatchNorm is affine there)."""

    @abstractmethod
    def build(self, channels: int, *, affine: bool) -> nn.Module:
        """Build the module, from (N, C, H, W) to the same shape.

        Args:
            channels: C.
            affine: True for a stand-alone network (BatchNorm with scale, shift and running
                statistics), False for a supernet (BatchNorm by the statistics of each batch,
                without any of them: architectures that share weights do not share statistics).
        """
