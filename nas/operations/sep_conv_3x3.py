"""The DARTS cell's double separable 3x3 convolution."""

from typing import ClassVar, Literal, final

from nas.operations.separable import SeparableConv


@final
class SepConv3x3(SeparableConv):
    """3x3 depthwise-separable convolution, twice in a row: two ReLUs.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055).
    """

    kind: Literal["sep_conv_3x3"] = "sep_conv_3x3"
    nonlinearities: ClassVar[int] = 2
    kernel_size: ClassVar[int] = 3
    twice: ClassVar[bool] = True
