"""Operations that neither multiply nor learn."""

from abc import ABC
from typing import final

from nas.operations.base import Operation


class ParameterFree(Operation, ABC):
    """An operation without convolution: no multiply-adds are counted and nothing is trained."""

    @final
    def flops(self, channels: int, height: int, width: int) -> int:
        return 0

    @final
    def parameters(self, channels: int) -> int:
        return 0
