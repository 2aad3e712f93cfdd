"""What pooling operations share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

from nas.operations.base import Place
from nas.operations.parameter_free import ParameterFree

if TYPE_CHECKING:
    from torch import nn


class Pooling(ParameterFree, ABC):
    """A statistic of the neighbours inside the image, channel by channel."""

    @final
    def fits(self, place: Place) -> bool:
        return place.in_channels == place.out_channels


class PoolingBatchNorm(Pooling, ABC):
    """Pooling, then BatchNorm without scale and shift.

    Pooled features are of another size than those of convolutions, which end in a BatchNorm.
    Without one of its own pooling would weigh otherwise than they do in the sum of a node.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055), as in the authors' search code.
    """

    @abstractmethod
    def pool(self, stride: int) -> nn.Module:
        """Build the pooling alone."""

    @final
    def build(self, place: Place, *, affine: bool) -> nn.Module:
        from torch import nn

        from nas.modules import BatchNorm

        return nn.Sequential(
            self.pool(place.stride),
            BatchNorm(place.out_channels, affine=False, track_running_stats=affine),
        )
