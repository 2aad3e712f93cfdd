"""MobileNet blocks, one operation per kernel size and expansion.

Source: ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332).
"""

from typing import ClassVar, Literal, final

from nas.operations.inverted_bottleneck import InvertedBottleneck


@final
class MbConv3x3E1(InvertedBottleneck):
    """3x3 kernel, no expansion: one ReLU6."""

    kind: Literal["mbconv_3x3_e1"] = "mbconv_3x3_e1"
    nonlinearities: ClassVar[int] = 1
    kernel_size: ClassVar[int] = 3
    expansion: ClassVar[int] = 1


@final
class MbConv3x3E3(InvertedBottleneck):
    """3x3 kernel, expansion 3: two ReLU6."""

    kind: Literal["mbconv_3x3_e3"] = "mbconv_3x3_e3"
    nonlinearities: ClassVar[int] = 2
    kernel_size: ClassVar[int] = 3
    expansion: ClassVar[int] = 3


@final
class MbConv3x3E6(InvertedBottleneck):
    """3x3 kernel, expansion 6: two ReLU6."""

    kind: Literal["mbconv_3x3_e6"] = "mbconv_3x3_e6"
    nonlinearities: ClassVar[int] = 2
    kernel_size: ClassVar[int] = 3
    expansion: ClassVar[int] = 6


@final
class MbConv5x5E3(InvertedBottleneck):
    """5x5 kernel, expansion 3: two ReLU6."""

    kind: Literal["mbconv_5x5_e3"] = "mbconv_5x5_e3"
    nonlinearities: ClassVar[int] = 2
    kernel_size: ClassVar[int] = 5
    expansion: ClassVar[int] = 3


@final
class MbConv5x5E6(InvertedBottleneck):
    """5x5 kernel, expansion 6: two ReLU6."""

    kind: Literal["mbconv_5x5_e6"] = "mbconv_5x5_e6"
    nonlinearities: ClassVar[int] = 2
    kernel_size: ClassVar[int] = 5
    expansion: ClassVar[int] = 6


@final
class MbConv7x7E3(InvertedBottleneck):
    """7x7 kernel, expansion 3: two ReLU6."""

    kind: Literal["mbconv_7x7_e3"] = "mbconv_7x7_e3"
    nonlinearities: ClassVar[int] = 2
    kernel_size: ClassVar[int] = 7
    expansion: ClassVar[int] = 3


@final
class MbConv7x7E6(InvertedBottleneck):
    """7x7 kernel, expansion 6: two ReLU6."""

    kind: Literal["mbconv_7x7_e6"] = "mbconv_7x7_e6"
    nonlinearities: ClassVar[int] = 2
    kernel_size: ClassVar[int] = 7
    expansion: ClassVar[int] = 6
