"""The DARTS cell's dilated separable 3x3 convolution."""

from typing import ClassVar, Literal, final

from nas.operations.separable import SeparableConv


@final
class DilConv3x3(SeparableConv):
    """3x3 depthwise-separable convolution that reads every second pixel: one ReLU.

    Source: Liu et al., ICLR 2019 (arXiv 1806.09055).
    """

    kind: Literal["dil_conv_3x3"] = "dil_conv_3x3"
    nonlinearities: ClassVar[int] = 1
    kernel_size: ClassVar[int] = 3
    dilation: ClassVar[int] = 2
