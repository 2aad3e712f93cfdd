"""NAS-Bench-201's identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.operations.parameter_free import ParameterFree

if TYPE_CHECKING:
    from torch import nn


@final
class SkipConnect(ParameterFree):
    """The input itself.

    Source: Dong and Yang, ICLR 2020 (arXiv 2001.00326).
    """

    kind: Literal["skip_connect"] = "skip_connect"

    def build(self, channels: int, *, affine: bool) -> nn.Module:
        from torch import nn

        return nn.Identity()
