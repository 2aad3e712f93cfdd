"""NAS-Bench-201's absent connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.operations.parameter_free import ParameterFree

if TYPE_CHECKING:
    from torch import Tensor, nn


@final
class NoneOperation(ParameterFree):
    """Zeros, whatever the input: the edge is absent.

    Source: Dong and Yang, ICLR 2020 (arXiv 2001.00326).
    """

    kind: Literal["none"] = "none"
    connects: ClassVar[bool] = False

    def build(self, channels: int, *, affine: bool) -> nn.Module:
        import torch
        from torch import nn

        class Zero(nn.Module):
            """Zeros of the input's shape."""

            def forward(self, features: Tensor) -> Tensor:
                return torch.zeros_like(features)

        return Zero()
