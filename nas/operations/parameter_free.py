"""Operations that neither multiply nor learn."""

from abc import ABC
from typing import final

from nas.operations.base import Operation, Place


class ParameterFree(Operation, ABC):
    """An operation without convolution: no multiply-adds are counted and nothing is trained."""

    @final
    def flops(self, place: Place, height: int, width: int) -> int:
        return 0

    @final
    def parameters(self, place: Place, *, affine: bool) -> int:
        return 0
