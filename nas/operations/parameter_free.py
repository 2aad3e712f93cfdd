"""Operations that neither multiply nor learn."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, final

from nas.operations.base import Operation, Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


class ParameterFree(Operation, ABC):
    """An operation without convolution: no multiply-adds are counted and nothing is trained."""

    @final
    def flops(self, place: Place, height: int, width: int) -> int:
        return 0

    @final
    def parameters(self, place: Place, *, affine: bool) -> int:
        return 0

    def apply_all(self, modules: Sequence[nn.Module], features: Tensor) -> Sequence[Tensor]:
        """See the base: without weights and statistics all of them are the same function."""
        if next(modules[0].buffers(), None) is not None:
            # Each gathers statistics of its own: the next architecture may have one of them alone.
            return super().apply_all(modules, features)
        return [modules[0](features)] * len(modules)
