"""The full stand-alone network around the searched cells, and what it costs.

Stem (3x3 convolution, BatchNorm), then stages of equal cells; between two stages a residual
reduction block that halves the image and doubles the channels (ReLU, 3x3 convolution of stride 2,
BatchNorm, ReLU, 3x3 convolution, BatchNorm; shortcut 2x2 average pooling and 1x1 convolution);
BatchNorm, ReLU, global average pooling, linear classifier. Convolutions have no bias.

Source: NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326).
"""

from itertools import pairwise
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas.operations.base import Operation


class Stage(NamedTuple):
    """Shape of the features of one stage.

    Attributes:
        channels: of every cell of the stage.
        size: height and width in pixels.
    """

    channels: int
    size: int


class Skeleton(BaseModel):
    """The network that an architecture's cell is placed in when it is trained alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width: int = Field(ge=1, le=4096, description="Channels of the first stage.")
    cells_per_stage: int = Field(ge=1, le=100, description="Cells in a row at each resolution.")
    num_stages: int = Field(ge=1, le=8, description="Resolutions; each halves the image.")
    image_size: int = Field(ge=1, le=4096, description="Height and width of the image, pixels.")
    image_channels: int = Field(ge=1, le=1024, description="Channels of the image.")
    num_classes: int = Field(ge=1, le=1_000_000, description="Outputs of the classifier.")

    @model_validator(mode="after")
    def _every_stage_halves_the_image(self) -> Self:
        divisor = 2 ** (self.num_stages - 1)
        if self.image_size % divisor:
            raise ValueError(
                f"image_size {self.image_size} must be a multiple of {divisor}: "
                f"{self.num_stages} stages halve the image {self.num_stages - 1} times"
            )
        return self

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The features' shape at each stage, first to last."""
        return tuple(
            Stage(self.width * 2**index, self.image_size // 2**index)
            for index in range(self.num_stages)
        )

    def fixed_flops(self) -> int:
        """Return the multiply-adds of everything but the cells, for one image."""
        first, last = self.stages[0], self.stages[-1]
        stem = 9 * self.image_channels * first.channels * first.size**2
        reductions = sum(
            _reduction_weights(before.channels, after.channels) * after.size**2
            for before, after in pairwise(self.stages)
        )
        return stem + reductions + last.channels * self.num_classes

    def fixed_parameters(self) -> int:
        """Return the trainable parameters of everything but the cells."""
        first, last = self.stages[0], self.stages[-1]
        stem = 9 * self.image_channels * first.channels + 2 * first.channels
        reductions = sum(
            _reduction_weights(before.channels, after.channels) + 2 * (2 * after.channels)
            for before, after in pairwise(self.stages)
        )
        classifier = (last.channels + 1) * self.num_classes
        return stem + reductions + 2 * last.channels + classifier

    def operation_flops(self, operation: Operation) -> int:
        """Return the multiply-adds of `operation` on one edge of every cell."""
        return self.cells_per_stage * sum(
            operation.flops(stage.channels, stage.size, stage.size) for stage in self.stages
        )

    def operation_parameters(self, operation: Operation) -> int:
        """Return the trainable parameters of `operation` on one edge of every cell."""
        return self.cells_per_stage * sum(
            operation.parameters(stage.channels) for stage in self.stages
        )


def _reduction_weights(before: int, after: int) -> int:
    """Return the convolution weights of a reduction block; each is used once per output pixel."""
    return 9 * before * after + 9 * after * after + before * after
