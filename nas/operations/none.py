"""NAS-Bench-201's absent connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.operations.base import Place
from nas.operations.parameter_free import ParameterFree

if TYPE_CHECKING:
    from torch import nn


@final
class NoneOperation(ParameterFree):
    """Zeros, whatever the input: the edge is absent.

    Source: Dong and Yang, ICLR 2020 (arXiv 2001.00326).
    """

    kind: Literal["none"] = "none"
    connects: ClassVar[bool] = False

    def fits(self, place: Place) -> bool:
        return True

    def build(self, place: Place, *, affine: bool) -> nn.Module:
        from nas.modules import Zero

        return Zero(place.out_channels, place.stride)
