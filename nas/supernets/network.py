"""The network of a cell space, as supernet (every candidate built) or stand-alone (one each).

Stem, stages of searched cells with a reduction block between them, and a classifier, as in
NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326). Supernets normalise with the statistics
of the batch, without affine parameters or running statistics: those would belong to whatever
architecture was trained last. Stand-alone networks have both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from nas.operations import OPERATIONS
from nas.spaces.base import Architecture
from nas.spaces.cell import CellSpace

Candidates = tuple[tuple[str, ...], ...]
"""The operations to build, per edge of a cell."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The sizes of a network around its cells.

    Attributes:
        width: channels of the first stage; each later stage has twice those of the one before.
        cells_per_stage: searched cells in a row at each resolution.
        num_stages: resolutions; between two of them a reduction block halves height and width.
        image_channels: channels of an image.
        num_classes: outputs.
        reduction: `residual`, the block of NAS-Bench-201, or `pooled`, without a nonlinearity. A
            supernet has fewer cells than the stand-alone network. Beside two convolutions per
            residual block they would weigh less in its score than they do in the ground truth.
    """

    width: int
    cells_per_stage: int
    num_stages: int
    image_channels: int
    num_classes: int
    reduction: Literal["residual", "pooled"] = "residual"


def stand_alone_shape(space: CellSpace) -> NetworkShape:
    """Return the full sizes, those that FLOPs and parameters are counted on."""
    skeleton = space.skeleton
    return NetworkShape(
        width=skeleton.width,
        cells_per_stage=skeleton.cells_per_stage,
        num_stages=skeleton.num_stages,
        image_channels=skeleton.image_channels,
        num_classes=skeleton.num_classes,
    )


def build_supernet(space: CellSpace, shape: NetworkShape) -> "CellNetwork":
    """Build a network that holds every candidate operation of every edge."""
    return CellNetwork(space, shape, candidates=space.choices, affine=False)


def build_stand_alone(
    space: CellSpace, architecture: Architecture, shape: NetworkShape
) -> "CellNetwork":
    """Build the network of one architecture: the operations of its live edges alone."""
    live = space.live(architecture)
    candidates = tuple(
        (operation,) if alive else () for operation, alive in zip(architecture, live, strict=True)
    )
    return CellNetwork(space, shape, candidates=candidates, affine=True)


def place(network: "CellNetwork", device: str) -> "CellNetwork":
    """Move a network to `device`, its convolutions in the memory format of image batches."""
    network.to(device)
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    return network


class CellNetwork(nn.Module):
    """Images in, class scores out, along one architecture's path.

    All random initialisation is torch's default, drawn from the global generator: seed it before
    building.
    """

    def __init__(
        self, space: CellSpace, shape: NetworkShape, *, candidates: Candidates, affine: bool
    ) -> None:
        super().__init__()
        self.space = space
        self.stem = nn.Sequential(
            nn.Conv2d(shape.image_channels, shape.width, 3, padding=1, bias=False),
            batch_norm(shape.width, affine=affine),
        )
        self.blocks = nn.ModuleList()
        channels = shape.width
        for stage in range(shape.num_stages):
            if stage:
                self.blocks.append(REDUCTIONS[shape.reduction](channels, affine=affine))
                channels *= 2
            for _ in range(shape.cells_per_stage):
                self.blocks.append(
                    Cell(
                        space.graph.edges, candidates=candidates, channels=channels, affine=affine
                    )
                )
        self.tail = batch_norm(channels, affine=affine)
        self.classifier = nn.Linear(channels, shape.num_classes)

    def forward(self, images_NCHW: Tensor, architecture: Architecture) -> Tensor:
        """Return class scores, shape (images, classes), before the softmax.

        A dead architecture's cells output zeros, so its scores are the same for every image.
        """
        live = self.space.live(architecture)
        features = self.stem(images_NCHW)
        for block in self.blocks:
            if isinstance(block, Cell):
                features = block(features, architecture, live)
            else:
                features = block(features)
        pooled: Tensor = relu(self.tail(features)).mean(dim=(2, 3))
        scores: Tensor = self.classifier(pooled)
        return scores


class Cell(nn.Module):
    """One searched cell: node 0 is the input, the last node the output, nodes sum their edges."""

    def __init__(
        self,
        edges: Sequence[tuple[int, int]],
        *,
        candidates: Candidates,
        channels: int,
        affine: bool,
    ) -> None:
        super().__init__()
        self.edges = tuple(edges)
        self.operations = nn.ModuleDict(
            {
                f"{index}-{name}": OPERATIONS[name].build(channels, affine=affine)
                for index, names in enumerate(candidates)
                for name in names
                if OPERATIONS[name].connects
            }
        )

    def forward(
        self, features: Tensor, architecture: Architecture, live: Sequence[bool]
    ) -> Tensor:
        """Return the last node's features.

        Dead edges are skipped. Operations that start with a ReLU read one shared ReLU of their
        source node.
        """
        nodes: dict[int, Tensor] = {0: features}
        rectified: dict[int, Tensor] = {}
        for index, (source, target) in enumerate(self.edges):
            if not live[index]:
                continue
            name = architecture[index]
            read = nodes[source]
            if OPERATIONS[name].takes_relu:
                if source not in rectified:
                    rectified[source] = relu(read)
                read = rectified[source]
            output = self.operations[f"{index}-{name}"](read)
            nodes[target] = nodes[target] + output if target in nodes else output
        last = self.edges[-1][1]
        return nodes[last] if last in nodes else torch.zeros_like(features)


class ResidualReduction(nn.Module):
    """Residual block that halves height and width and doubles the channels."""

    def __init__(self, channels: int, *, affine: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False),
            batch_norm(2 * channels, affine=affine),
        )
        self.second = nn.Sequential(
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, bias=False),
            batch_norm(2 * channels, affine=affine),
        )
        self.shortcut = nn.Conv2d(channels, 2 * channels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, 2c, h/2, w/2)."""
        residual: Tensor = self.second(relu(self.first(relu(features))))
        shortcut: Tensor = self.shortcut(avg_pool2d(features, 2, ceil_mode=True))
        return residual + shortcut


class PooledReduction(nn.Module):
    """Linear block that halves height and width and doubles the channels."""

    def __init__(self, channels: int, *, affine: bool) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1, bias=False),
            batch_norm(2 * channels, affine=affine),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, 2c, h/2, w/2), odd sizes rounded up."""
        widened: Tensor = self.widen(avg_pool2d(features, 2, ceil_mode=True))
        return widened


REDUCTIONS = {"residual": ResidualReduction, "pooled": PooledReduction}


def batch_norm(channels: int, *, affine: bool) -> nn.Module:
    """Return BatchNorm with parameters and running statistics, or with neither."""
    return nn.BatchNorm2d(channels, affine=affine, track_running_stats=affine)
