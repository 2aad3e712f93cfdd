"""MobileNet blocks with squeeze-and-excitation, one operation per kernel size and expansion.

Source: GreedyNAS (You et al., CVPR 2020, arXiv 2003.11236).
"""

from typing import ClassVar, Literal, final

from nas.operations.inverted_bottleneck import InvertedBottleneck


@final
class MbConv3x3E3Se(InvertedBottleneck):
    """3x3 kernel, expansion 3, squeeze-and-excitation: two ReLU6, a ReLU and a sigmoid."""

    kind: Literal["mbconv_3x3_e3_se"] = "mbconv_3x3_e3_se"
    nonlinearities: ClassVar[int] = 4
    kernel_size: ClassVar[int] = 3
    expansion: ClassVar[int] = 3
    squeezes: ClassVar[bool] = True


@final
class MbConv3x3E6Se(InvertedBottleneck):
    """3x3 kernel, expansion 6, squeeze-and-excitation: two ReLU6, a ReLU and a sigmoid."""

    kind: Literal["mbconv_3x3_e6_se"] = "mbconv_3x3_e6_se"
    nonlinearities: ClassVar[int] = 4
    kernel_size: ClassVar[int] = 3
    expansion: ClassVar[int] = 6
    squeezes: ClassVar[bool] = True


@final
class MbConv5x5E3Se(InvertedBottleneck):
    """5x5 kernel, expansion 3, squeeze-and-excitation: two ReLU6, a ReLU and a sigmoid."""

    kind: Literal["mbconv_5x5_e3_se"] = "mbconv_5x5_e3_se"
    nonlinearities: ClassVar[int] = 4
    kernel_size: ClassVar[int] = 5
    expansion: ClassVar[int] = 3
    squeezes: ClassVar[bool] = True


@final
class MbConv5x5E6Se(InvertedBottleneck):
    """5x5 kernel, expansion 6, squeeze-and-excitation: two ReLU6, a ReLU and a sigmoid."""

    kind: Literal["mbconv_5x5_e6_se"] = "mbconv_5x5_e6_se"
    nonlinearities: ClassVar[int] = 4
    kernel_size: ClassVar[int] = 5
    expansion: ClassVar[int] = 6
    squeezes: ClassVar[bool] = True


@final
class MbConv7x7E3Se(InvertedBottleneck):
    """7x7 kernel, expansion 3, squeeze-and-excitation: two ReLU6, a ReLU and a sigmoid."""

    kind: Literal["mbconv_7x7_e3_se"] = "mbconv_7x7_e3_se"
    nonlinearities: ClassVar[int] = 4
    kernel_size: ClassVar[int] = 7
    expansion: ClassVar[int] = 3
    squeezes: ClassVar[bool] = True


@final
class MbConv7x7E6Se(InvertedBottleneck):
    """7x7 kernel, expansion 6, squeeze-and-excitation: two ReLU6, a ReLU and a sigmoid."""

    kind: Literal["mbconv_7x7_e6_se"] = "mbconv_7x7_e6_se"
    nonlinearities: ClassVar[int] = 4
    kernel_size: ClassVar[int] = 7
    expansion: ClassVar[int] = 6
    squeezes: ClassVar[bool] = True
