"""The DARTS cell's dilated separable 5x5 convolution."""

from typing import ClassVar, Literal, final

from nas.operations.separable import SeparableConv


@final
class DilConv5x5(SeparableConv):
    """5x5 depthwise-separable convolution that reads every second pixel: one ReLU.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055).
    """

    kind: Literal["dil_conv_5x5"] = "dil_conv_5x5"
    nonlinearities: ClassVar[int] = 1
    kernel_size: ClassVar[int] = 5
    dilation: ClassVar[int] = 2
