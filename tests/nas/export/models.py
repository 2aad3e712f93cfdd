"""Networks of every kind of space as trainings leave them, tiny and quickly made."""

import random
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn

from nas.export.exported import Exported
from nas.export.facts import CardFacts, DataFacts, SupernetFacts, TrainingFacts
from nas.spaces import AnySpace, catalogue
from nas.spaces.base import Architecture, Space
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_stand_alone
from nas.training.batches import PixelStatistics
from nas.training.retrained import RetrainedModel

FACTS = CardFacts(
    space="digits-mini@1",
    run="first",
    data=DataFacts("digits@1", "ab" * 32, {"train": 1000, "validation": 397, "test": 400}),
    exported_seed=1,
    trainings=(
        TrainingFacts(1, {"test": 97.5, "validation": 98.0}),
        TrainingFacts(2, {"test": 96.5, "validation": 97.0}),
    ),
    recipe={"epochs": 10, "augmentation": {"shift_pixels": 1}},
    search={"kind": "evolution", "budget": 200},
    supernet=SupernetFacts("loss", -0.3125, {"Kendall's tau-b": 0.61, "architectures": 200}),
    software={"efsnas": "0.1.0", "commit": "052336d"},
)

CLASSES = ("zero", "one", 'a "quoted" two', "drei", "quatre")

CELL: dict[str, Any] = {
    "kind": "cell",
    "name": "own",
    "num_nodes": 4,
    "operations": ["none", "skip_connect", "nor_conv_3x3"],
    "skeleton": {
        "width": 3,
        "cells_per_stage": 1,
        "num_stages": 3,
        "image_size": 8,
        "image_channels": 2,
        "num_classes": 5,
    },
}
CHAIN: dict[str, Any] = {
    "kind": "layered",
    "name": "own",
    "operations": ["identity", "nor_conv_3x3", "mbconv_3x3_e3_se", "skip_connect"],
    "layers": [{"channels": 3}, {"channels": 3}, {"channels": 3}],
    "skeleton": {
        "stem_channels": 3,
        "stem_stride": 1,
        "image_size": 8,
        "image_channels": 2,
        "num_classes": 5,
    },
}


def space_like(described: dict[str, Any], skeleton: dict[str, Any], **changes: Any) -> Space:
    adapter: TypeAdapter[Space] = TypeAdapter(AnySpace)
    changed = described | changes | {"skeleton": described["skeleton"] | skeleton}
    return adapter.validate_python(changed)


def trained(
    space: Space | str,
    chosen: str | int = 0,
    *,
    image_size: int = 8,
    channels: int = 2,
    **shape: Any,
) -> RetrainedModel:
    """A network whose weights and statistics are all different from those of a fresh one.

    Args:
        space: or the name of one in the catalogue.
        chosen: a canonical string, or the seed of a draw.
    """
    if isinstance(space, str):
        space = catalogue()[space]
    architecture: Architecture = (
        space.decode(chosen) if isinstance(chosen, str) else space.sample(random.Random(chosen))
    )
    sizes = NetworkShape(image_channels=channels, num_classes=len(CLASSES), **shape)
    torch.manual_seed(7)
    network = build_stand_alone(space, architecture, sizes)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.3, 0.3)
            norm.running_var.uniform_(0.5, 2)
            if norm.affine:
                nn.init.uniform_(norm.weight, 0.5, 1.5)
                nn.init.uniform_(norm.bias, -0.3, 0.3)
    return RetrainedModel(
        space=space,
        architecture=architecture,
        shape=sizes,
        state_dict=network.state_dict(),
        pixels=PixelStatistics(
            torch.linspace(100, 140, channels), torch.linspace(55.5, 63.25, channels)
        ),
        classes=CLASSES,
        image_shape=(channels, image_size, image_size),
        told={},
    )


def exported(*args: Any, **named: Any) -> Exported:
    return Exported(trained(*args, **named), FACTS)


def our_scores(model: RetrainedModel, pixels: torch.Tensor) -> torch.Tensor:
    """Class scores of our own network for pixels from 0 to 255, normalised as in training."""
    mean, deviation = (part.view(-1, 1, 1) for part in (model.pixels.mean, model.pixels.deviation))
    with torch.no_grad():
        return model.network()((pixels - mean) / deviation, model.architecture)


def pixels(model: RetrainedModel, number: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    shape = (number, *model.image_shape)
    return torch.randint(0, 256, shape, generator=generator).float()
