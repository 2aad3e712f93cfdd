"""The full stand-alone network around the searched cells, and what it costs.

Stem (3x3 convolution, BatchNorm), then stages of equal cells; BatchNorm, ReLU, global average
pooling, linear classifier. Between two stages stands a reduction that halves the image:

residual: ReLU, 3x3 convolution of stride 2, BatchNorm, ReLU, 3x3 convolution, BatchNorm; shortcut
    2x2 average pooling and 1x1 convolution.
pooled: 2x2 average pooling, 1x1 convolution, BatchNorm.
cell: the searched cell itself, with stride 2 on the edges that leave its inputs.

A cell of one input and one output node in residual or pooled stages reads what it is given. All
others preprocess each input to the channels of the cell: ReLU, 1x1 convolution, BatchNorm; or a
factorised reduction, if the input is from before a reduction and so twice as large as the other.
Convolutions have no bias.

Every cell is computed, and counted, even if a later one reads it along no live edge.

Sources: NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326), DARTS (Liu et al., ICLR 2019,
arXiv 1806.09055). Unlike DARTS, BatchNorm and ReLU stand before the pooling of every network.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas.errors import InfeasibleSupernet
from nas.operations import OPERATIONS
from nas.operations.base import Place
from nas.plugin import refused_at
from nas.spaces.costs import Cost, Costs
from nas.spaces.graph import CellGraph
from nas.spaces.shape import NetworkShape, scaled

Channels = Annotated[int, Field(ge=1, le=65_536)]


class Features(NamedTuple):
    """Shape of the features between two blocks.

    Attributes:
        channels: how many.
        size: height and width in pixels.
    """

    channels: int
    size: int


class CellBlock(NamedTuple):
    """One searched cell in its place.

    Attributes:
        reads: what each input is, before preprocessing.
        channels: of every node.
        stride: of the edges that leave the inputs; 2 in a cell that halves the image.
        preprocesses: whether inputs are brought to the channels of the cell.
    """

    reads: tuple[Features, ...]
    channels: int
    stride: int
    preprocesses: bool

    @property
    def input_size(self) -> int:
        """Height and width of the input nodes."""
        return self.reads[-1].size

    def place(self, source: int) -> Place:
        """Return the place of an operation on an edge that leaves node `source`."""
        return Place(self.channels, self.channels, self.stride if self._is_input(source) else 1)

    def size(self, source: int) -> int:
        """Return height and width of the features that node `source` holds."""
        return self.input_size if self._is_input(source) else self.input_size // self.stride

    def _is_input(self, node: int) -> bool:
        return node < len(self.reads)


class ReductionBlock(NamedTuple):
    """A block between two stages that is not searched.

    Attributes:
        reads: its input.
        channels: of its output, which is half as large.
        kind: what it is made of.
    """

    reads: Features
    channels: int
    kind: Literal["residual", "pooled"]


class Skeleton(BaseModel):
    """The network that an architecture's cell is placed in when it is trained alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width: int = Field(ge=1, le=4096, description="Channels of the first stage.")
    widths: tuple[Channels, ...] | None = Field(
        None,
        min_length=1,
        description="Channels per stage, the first being `width`; null: each stage has twice "
        "those of the one before.",
    )
    cells_per_stage: int = Field(
        ge=1,
        le=100,
        description="Cells in a row at each resolution, beside those that halve the image.",
    )
    num_stages: int = Field(ge=1, le=8, description="Resolutions; each halves the image.")
    reduction: Literal["residual", "pooled", "cell"] = Field(
        "residual",
        description="What halves the image between two stages: two convolutions with a shortcut; "
        "average pooling and a 1x1 convolution; or the searched cell with stride 2.",
    )
    stem_multiplier: int = Field(
        1, ge=1, le=16, description="Channels after the stem, as a multiple of `width`."
    )
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

    @model_validator(mode="after")
    def _widths_are_those_of_the_stages(self) -> Self:
        if self.widths is None:
            return self
        if len(self.widths) != self.num_stages:
            raise refused_at(
                ("widths",), f"{len(self.widths)} widths for {self.num_stages} stages"
            )
        if self.widths[0] != self.width:
            raise refused_at(
                ("widths", 0), f"the first stage has {self.width} channels, as `width` says"
            )
        return self

    @property
    def stages(self) -> tuple[Features, ...]:
        """What every node of each stage's cells holds, first stage to last."""
        widths = self.widths or [self.width * 2**index for index in range(self.num_stages)]
        return tuple(
            Features(width, self.image_size // 2**index) for index, width in enumerate(widths)
        )

    @property
    def stem_channels(self) -> int:
        """Channels of the features that the first cell is given."""
        return self.stem_multiplier * self.width

    def resized(self, shape: NetworkShape) -> Self:
        """Return the skeleton with the sizes of `shape`.

        Raises:
            InfeasibleSupernet: if searched cells halve the image and `shape` asks for other
                blocks.
        """
        asked: dict[str, object] = {
            "cells_per_stage": shape.cells_per_stage,
            "image_channels": shape.image_channels,
            "num_classes": shape.num_classes,
        }
        if self.reduction != "cell":
            asked["reduction"] = shape.reduction
        elif shape.reduction == "residual":
            raise InfeasibleSupernet(
                "reduction",
                "in this space the searched cells themselves halve the image; leave it at pooled, "
                "which adds nothing to them",
            )
        changes = {name: value for name, value in asked.items() if value is not None}
        if shape.width is not None:
            changes["width"] = shape.width
            if self.widths is not None:
                changes["widths"] = tuple(
                    scaled(width, shape.width, of=self.width) for width in self.widths
                )
        return type(self).model_validate(self.model_dump() | changes)

    def blocks(self, graph: CellGraph) -> tuple[CellBlock | ReductionBlock, ...]:
        """Return what stands between stem and classifier, in order, with cells of a graph."""
        return tuple(self._blocks(graph))

    def _blocks(self, graph: CellGraph) -> Iterator[CellBlock | ReductionBlock]:
        preprocesses = (
            graph.num_inputs > 1
            or len(graph.outputs) > 1
            or self.reduction == "cell"
            or self.stem_multiplier > 1
        )
        before = [Features(self.stem_channels, self.image_size)] * graph.num_inputs
        for index, stage in enumerate(self.stages):
            strides = [1] * self.cells_per_stage
            if index:
                if self.reduction == "cell":
                    strides = [2, *strides]
                else:
                    yield ReductionBlock(before[-1], stage.channels, self.reduction)
                    before.append(stage)
            for stride in strides:
                reads = tuple(before[-graph.num_inputs :])
                yield CellBlock(reads, stage.channels, stride, preprocesses)
                before.append(self._output(stage, graph))

    def _output(self, stage: Features, graph: CellGraph) -> Features:
        """Return what a cell of a stage gives."""
        return Features(len(graph.outputs) * stage.channels, stage.size)

    def output_channels(self, graph: CellGraph) -> int:
        """Return the channels of the features before the classifier."""
        return self._output(self.stages[-1], graph).channels

    def costs(self, graph: CellGraph, *, affine: bool) -> Costs:
        """Return what the network costs with cells of a graph, for one image.

        Args:
            graph: of every cell.
            affine: whether BatchNorm has parameters.
        """
        blocks = self.blocks(graph)
        cells = [block for block in blocks if isinstance(block, CellBlock)]
        by_source = [
            {
                name: _operation_cost(name, source, cells, affine=affine)
                for name in set(chain(*graph.choices))
            }
            for source in range(graph.num_nodes)
        ]
        return Costs(
            fixed=self._ends_cost(graph, affine=affine).plus(
                _sum(_fixed_cost(block, affine=affine) for block in blocks)
            ),
            choices=tuple(
                {name: by_source[source][name] for name in names}
                for (source, _), names in zip(graph.edges, graph.choices, strict=True)
            ),
        )

    def cell_parameters(self, graph: CellGraph, *, affine: bool) -> tuple[int, ...]:
        """Return, per searched cell, the parameters of all its candidates and preprocessing.

        Args:
            graph: of every cell.
            affine: whether BatchNorm has parameters.
        """
        return tuple(
            _fixed_cost(block, affine=affine).parameters
            + sum(
                OPERATIONS[name].parameters(block.place(source), affine=affine)
                for (source, _), names in zip(graph.edges, graph.choices, strict=True)
                for name in names
            )
            for block in self.blocks(graph)
            if isinstance(block, CellBlock)
        )

    def _ends_cost(self, graph: CellGraph, *, affine: bool) -> Cost:
        """Return the cost of stem and classifier."""
        per_channel = 2 if affine else 0
        stem = 9 * self.image_channels * self.stem_channels
        channels = self.output_channels(graph)
        return Cost(
            flops=stem * self.image_size**2 + channels * self.num_classes,
            parameters=stem
            + per_channel * (self.stem_channels + channels)
            + (channels + 1) * self.num_classes,
        )


def _operation_cost(name: str, source: int, cells: list[CellBlock], *, affine: bool) -> Cost:
    """Return the cost of an operation on one edge that leaves node `source`, over all cells."""
    operation = OPERATIONS[name]
    return _sum(
        Cost(
            flops=operation.flops(cell.place(source), cell.size(source), cell.size(source)),
            parameters=operation.parameters(cell.place(source), affine=affine),
        )
        for cell in cells
    )


def _fixed_cost(block: CellBlock | ReductionBlock, *, affine: bool) -> Cost:
    """Return the cost of what is not searched in a block."""
    if isinstance(block, ReductionBlock):
        return _reduction_cost(block, affine=affine)
    if not block.preprocesses:
        return Cost(0, 0)
    # A factorised reduction has as many weights as the 1x1 convolution, and each is used once per
    # pixel of the output too. Average pooling before it has none.
    weights = [read.channels * block.channels for read in block.reads]
    return Cost(
        flops=sum(weights) * block.input_size**2,
        parameters=sum(weights) + (len(weights) * 2 * block.channels if affine else 0),
    )


def _reduction_cost(block: ReductionBlock, *, affine: bool) -> Cost:
    before, after = block.reads.channels, block.channels
    pixels = Place(before, after, 2).output_pixels(block.reads.size, block.reads.size)
    if block.kind == "pooled":
        weights, num_norms = before * after, 1
    else:
        weights, num_norms = 9 * before * after + 9 * after * after + before * after, 2
    # Every weight is used once per pixel of the output.
    return Cost(weights * pixels, weights + (num_norms * 2 * after if affine else 0))


def _sum(costs: Iterator[Cost]) -> Cost:
    total = Cost(0, 0)
    for cost in costs:
        total = total.plus(cost)
    return total
