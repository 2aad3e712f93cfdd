"""The DARTS cell's average pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.operations.base import WrittenPlace
from nas.operations.pooling import PoolingBatchNorm

if TYPE_CHECKING:
    from torch import nn


@final
class AvgPool3x3BatchNorm(PoolingBatchNorm):
    """Mean of the 3x3 neighbours inside the image, BatchNorm.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055).
    """

    kind: Literal["avg_pool_3x3_bn"] = "avg_pool_3x3_bn"

    def pool(self, stride: int) -> nn.Module:
        from nas.modules import AvgPool3x3

        return AvgPool3x3(stride)

    def written(self, place: WrittenPlace) -> str:
        return place.call_alone("avg_pool_bn")
