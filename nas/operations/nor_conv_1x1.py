"""NAS-Bench-201's 1x1 convolution."""

from typing import Literal, final

from nas.operations.convolution import ReluConvBatchNorm


@final
class NorConv1x1(ReluConvBatchNorm):
    """ReLU, 1x1 convolution, BatchNorm.

    Source: Dong and Yang, ICLR 2020 (arXiv 2001.00326).
    """

    kind: Literal["nor_conv_1x1"] = "nor_conv_1x1"

    @property
    def kernel_size(self) -> int:
        return 1
