"""NAS-Bench-201's 3x3 convolution."""

from typing import Literal, final

from nas.operations.convolution import ReluConvBatchNorm


@final
class NorConv3x3(ReluConvBatchNorm):
    """ReLU, 3x3 convolution, BatchNorm.

    Source: Dong and Yang, ICLR 2020 (arXiv 2001.00326).
    """

    kind: Literal["nor_conv_3x3"] = "nor_conv_3x3"

    @property
    def kernel_size(self) -> int:
        return 3
