"""NAS-Bench-201's average pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.operations.parameter_free import ParameterFree

if TYPE_CHECKING:
    from torch import nn


@final
class AvgPool3x3(ParameterFree):
    """Mean of the 3x3 neighbours inside the image, stride 1.

    Source: Dong and Yang, ICLR 2020 (arXiv 2001.00326).
    """

    kind: Literal["avg_pool_3x3"] = "avg_pool_3x3"

    def build(self, channels: int, *, affine: bool) -> nn.Module:
        from torch import nn

        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
