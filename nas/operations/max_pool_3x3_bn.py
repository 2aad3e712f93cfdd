"""The DARTS cell's maximum pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.operations.base import WrittenPlace
from nas.operations.pooling import PoolingBatchNorm

if TYPE_CHECKING:
    from torch import nn


@final
class MaxPool3x3BatchNorm(PoolingBatchNorm):
    """Maximum of the 3x3 neighbours inside the image, BatchNorm.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055). As there, the maximum is not counted among
    the nonlinear functions.
    """

    kind: Literal["max_pool_3x3_bn"] = "max_pool_3x3_bn"

    def pool(self, stride: int) -> nn.Module:
        from torch import nn

        return nn.MaxPool2d(3, stride=stride, padding=1)

    def written(self, place: WrittenPlace) -> str:
        return place.call_alone("max_pool_bn")
