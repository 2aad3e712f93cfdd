"""The DARTS cell's double separable 5x5 convolution."""

from typing import ClassVar, Literal, final

from nas.operations.separable import SeparableConv


@final
class SepConv5x5(SeparableConv):
    """5x5 depthwise-separable convolution, twice in a row: two ReLUs.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055).
    """

    kind: Literal["sep_conv_5x5"] = "sep_conv_5x5"
    nonlinearities: ClassVar[int] = 2
    kernel_size: ClassVar[int] = 5
    twice: ClassVar[bool] = True
