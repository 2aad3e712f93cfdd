"""The shortcut of NAS-Bench-201 and of the DARTS cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.operations.base import Operation, Place, WrittenPlace

if TYPE_CHECKING:
    from torch import nn


@final
class SkipConnect(Operation):
    """The input itself; where height and width are halved, a factorised reduction.

    The ReLU of a factorised reduction is not counted: it belongs to the reduction, which the
    skeleton asks for, and the choice of a skip adds none.

    Sources: Dong and Yang, ICLR 2020 (arXiv 2001.00326); Liu et al., ICLR 2019 (arXiv 1806.09055)
    for the reduction.
    """

    kind: Literal["skip_connect"] = "skip_connect"

    def fits(self, place: Place) -> bool:
        return place.keeps_shape or place.stride == 2

    def flops(self, place: Place, height: int, width: int) -> int:
        return self._weights(place) * place.output_pixels(height, width)

    def parameters(self, place: Place, *, affine: bool) -> int:
        if place.keeps_shape:
            return 0
        return self._weights(place) + (2 * place.out_channels if affine else 0)

    def build(self, place: Place, *, affine: bool) -> nn.Module:
        from torch import nn

        from nas.modules import FactorisedReduction

        if place.keeps_shape:
            return nn.Identity()
        return FactorisedReduction(place.in_channels, place.out_channels, affine=affine)

    def written(self, place: WrittenPlace) -> str | None:
        if place.keeps_shape:
            return None
        if place.stride == "2":
            return f"FactorisedReduction({place.in_channels}, {place.out_channels})"
        return place.call_alone("skip")

    def _weights(self, place: Place) -> int:
        return 0 if place.keeps_shape else place.in_channels * place.out_channels
