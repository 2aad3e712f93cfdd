"""NAS-Bench-201's average pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.operations.base import Place, WrittenPlace
from nas.operations.pooling import Pooling

if TYPE_CHECKING:
    from torch import nn


@final
class AvgPool3x3(Pooling):
    """Mean of the 3x3 neighbours inside the image.

    Source: Dong and Yang, ICLR 2020 (arXiv 2001.00326).
    """

    kind: Literal["avg_pool_3x3"] = "avg_pool_3x3"

    def build(self, place: Place, *, affine: bool) -> nn.Module:
        from nas.modules import AvgPool3x3

        return AvgPool3x3(place.stride)

    def written(self, place: WrittenPlace) -> str:
        return place.call_unsized("avg_pool")
