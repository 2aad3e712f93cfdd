"""The absent layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.operations.base import Place, WrittenPlace
from nas.operations.parameter_free import ParameterFree

if TYPE_CHECKING:
    from torch import nn


@final
class Identity(ParameterFree):
    """The input itself, so that a chain has one layer less.

    Unlike `skip_connect` it is nothing but the identity, so it fits only where the shape is kept.

    Source: ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332).
    """

    kind: Literal["identity"] = "identity"

    def fits(self, place: Place) -> bool:
        return place.keeps_shape

    def build(self, place: Place, *, affine: bool) -> nn.Module:
        from torch import nn

        return nn.Identity()

    def written(self, place: WrittenPlace) -> None:
        return None
