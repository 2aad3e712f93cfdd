"""What one candidate operation knows about itself, without torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.errors import ExportFailed
from nas.plugin import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands in a network.

    Attributes:
        in_channels: of the features it reads.
        out_channels: of the features it gives.
        stride: 1; or 2 to halve height and width, odd ones rounded up.
    """

    in_channels: int
    out_channels: int
    stride: int = 1

    @property
    def keeps_shape(self) -> bool:
        """Whether features leave in the shape in which they came."""
        return self.stride == 1 and self.in_channels == self.out_channels

    def output_size(self, size: int) -> int:
        """Return the height or width that features of height or width `size` leave with."""
        return -(-size // self.stride)

    def output_pixels(self, height: int, width: int) -> int:
        """Return the pixels of the output for an input of height x width."""
        return self.output_size(height) * self.output_size(width)


@dataclass(frozen=True, slots=True)
class WrittenPlace:
    """A place in Python source: what each number is written as, a name or itself.

    Attributes:
        in_channels: of the features that are read.
        out_channels: of the features that are given.
        stride: `1`, `2`, or the name of what is one of them.
    """

    in_channels: str
    out_channels: str
    stride: str = "1"

    @property
    def keeps_shape(self) -> bool:
        """Whether features certainly leave in the shape in which they came."""
        return self.stride == "1" and self.in_channels == self.out_channels

    def call(self, layer: str, *arguments: str) -> str:
        """Return the call of a layer of `nas.export.layers` between these channels.

        Args:
            layer: whose first two parameters are channels, and one of which is `stride`.
            arguments: that follow the channels.
        """
        return _call(layer, self.in_channels, self.out_channels, *arguments, *self._strided)

    def call_alone(self, layer: str) -> str:
        """Return likewise that of a layer that keeps channels and reads their number alone."""
        return _call(layer, self.in_channels, *self._strided)

    def call_unsized(self, layer: str) -> str:
        """Return likewise that of a layer that need not know the channels."""
        return _call(layer, *self._strided)

    @property
    def _strided(self) -> tuple[str, ...]:
        return () if self.stride == "1" else (f"stride={self.stride}",)


def _call(layer: str, *arguments: str) -> str:
    return f"{layer}({', '.join(arguments)})"


class Operation(Strategy, ABC):
    """A function on feature maps of shape (N, C, H, W).

    Attributes:
        nonlinearities: nonlinear functions on its path, the shared ReLU included.
        connects: whether its output depends on its input.
        takes_relu: whether the built module expects ReLU of the features it reads. The ReLU is
            left out of the module so that a network computes it once per source.
    """

    kind: str
    nonlinearities: ClassVar[int] = 0
    connects: ClassVar[bool] = True
    takes_relu: ClassVar[bool] = False

    @abstractmethod
    def fits(self, place: Place) -> bool:
        """Tell whether the operation can be built at a place."""

    @abstractmethod
    def flops(self, place: Place, height: int, width: int) -> int:
        """Return the multiply-adds of its convolutions for one image.

        Args:
            place: one that it fits.
            height: H of the input.
            width: W of the input.
        """

    @abstractmethod
    def parameters(self, place: Place, *, affine: bool) -> int:
        """Return the trainable parameters of the module that `build` returns.

        Args:
            place: one that it fits.
            affine: as for `build`.
        """

    @abstractmethod
    def build(self, place: Place, *, affine: bool) -> nn.Module:
        """Build the module, from (N, in_channels, H, W) to (N, out_channels, H', W').

        Its weights are those of dense and depthwise convolutions and of linear layers, or of what
        else `nas.supernets.channels` knows: a narrower supernet takes its share of them.

        Args:
            place: one that it fits.
            affine: True for a stand-alone network (BatchNorm with scale, shift and running
                statistics), False for a supernet (BatchNorm by the statistics of each batch,
                without any of them: architectures that share weights do not share statistics).
        """

    def written(self, place: WrittenPlace) -> str | None:
        """Return the module of `build` in Python source: an expression of `nas.export.layers`.

        Its parts have the names of those of the built module, its BatchNorms have parameters and
        statistics, and it expects the same ReLU. None: features leave as they came.

        Args:
            place: one that it fits.

        Raises:
            ExportFailed: if nobody has written it.
        """
        raise ExportFailed("python", f"the operation {self.kind} is not written in plain torch")

    def apply_all(self, modules: Sequence[nn.Module], features: Tensor) -> Sequence[Tensor]:
        """Return what each of several modules of this operation makes of the same features.

        Edges that leave one node with one operation are computed together; an operation that can
        share work among them overrides this.

        Args:
            modules: one or more, each from `build` for the same place.
            features: shape (N, in_channels, H, W).
        """
        return [module(features) for module in modules]
