"""One trained network in the forms that files are written from."""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from nas.errors import ExportFailed
from nas.export.facts import CardFacts
from nas.export.source import Heading, NetworkClasses, written
from nas.spaces.base import Space
from nas.training.retrained import RetrainedModel

BRIGHTEST = 255
"""The highest value of a stored pixel; networks are given fractions of it."""

BATCHES_COMPARED = (1, 3)
"""Images in each batch on which two forms of a network are compared."""

SAME_NETWORK = 1e-5
"""How far class scores of two forms may lie apart within torch: only sums are ordered otherwise."""


@dataclass(frozen=True, eq=False)
class Exported:
    """A trained network, and what its card says. All forms are made when first asked for.

    Attributes:
        model: the network with its weights.
        facts: for the model card.
    """

    model: RetrainedModel
    facts: CardFacts

    @property
    def space(self) -> Space:
        """The space, its skeleton of the sizes of the network."""
        return self.model.space.resized(self.model.shape)

    @cached_property
    def classes(self) -> NetworkClasses:
        """The definitions of the network in Python.

        Raises:
            ExportFailed: if an operation is not written in plain torch.
        """
        return self.space.network_classes(self.model.architecture)

    @cached_property
    def source(self) -> str:
        """The Python file that builds the network with torch alone.

        Raises:
            ExportFailed: likewise.
        """
        return written(
            Heading(
                title=f"{self.space.name}: {self.model.code}",
                image_shape=self.model.image_shape,
                num_classes=len(self.model.classes),
                mean=_decimals(self._mean),
                deviation=_decimals(self._deviation),
            ),
            self.classes,
        )

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The weights under the names of the network that the Python file builds.

        Raises:
            ExportFailed: if there is no such file, or its network gives other class scores.
        """
        return {
            name: value.detach().contiguous()
            for name, value in self._from_source.state_dict().items()
        }

    @cached_property
    def network(self) -> nn.Module:
        """The network that the Python file builds, or else ours: pixels from 0 to 1 in.

        Raises:
            ExportFailed: if the file's gives other class scores than ours.
        """
        try:
            self.classes  # noqa: B018 - asked whether there is a file at all
        except ExportFailed:
            return Normalised(self.model).eval()
        return self._from_source

    @cached_property
    def program(self) -> ExportedProgram:
        """The network as one graph, of any number of images."""
        with torch.no_grad():
            program = torch.export.export(
                self.network, (self.images(2),), dynamic_shapes=({0: Dim("batch")},)
            )
        for module in program.graph_module.modules():
            for node in getattr(getattr(module, "graph", None), "nodes", ()):
                # It names files of this machine, and nobody who loads the program has them.
                node.meta.pop("stack_trace", None)
        return program

    def images(self, number: int) -> Tensor:
        """Return some images of noise, pixels from 0 to 1, the same each time."""
        generator = torch.Generator().manual_seed(number)
        return torch.rand(number, *self.model.image_shape, generator=generator)

    @property
    def _mean(self) -> Tensor:
        return self.model.pixels.mean / BRIGHTEST

    @property
    def _deviation(self) -> Tensor:
        return self.model.pixels.deviation / BRIGHTEST

    @cached_property
    def _from_source(self) -> nn.Module:
        network = _built(self.source)
        pixels = {"pixel_mean": self._mean, "pixel_deviation": self._deviation}
        network.load_state_dict(
            self.classes.named(self.model.state_dict)
            | {name: values.view(-1, 1, 1) for name, values in pixels.items()}
        )
        network.eval()
        check_same("python", network, Normalised(self.model).eval(), self, SAME_NETWORK)
        return network


class Normalised(nn.Module):
    """Our own network, given pixels from 0 to 1."""

    pixel_mean: Tensor
    pixel_deviation: Tensor

    def __init__(self, model: RetrainedModel) -> None:
        super().__init__()
        self.network = model.network()
        self.architecture = model.architecture
        self.register_buffer("pixel_mean", model.pixels.mean.view(-1, 1, 1))
        self.register_buffer("pixel_deviation", model.pixels.deviation.view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n, classes) of images (n, channels, height, width)."""
        normalised = (images * BRIGHTEST - self.pixel_mean) / self.pixel_deviation
        scores: Tensor = self.network(normalised, self.architecture)
        return scores


def check_same(
    format: str, one: nn.Module, other: nn.Module, exported: Exported, tolerance: float
) -> None:
    """Compare two forms of a network on batches of several sizes; see `check_scores`."""
    with torch.no_grad():
        for number in BATCHES_COMPARED:
            images = exported.images(number)
            check_scores(format, one(images), other(images), tolerance)


def check_scores(format: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare class scores.

    Args:
        format: in whose name to complain.
        found: class scores.
        expected: those of the same images.
        tolerance: of differences, as a share of the largest class score if that is beyond 1.

    Raises:
        ExportFailed: if they differ by more, or are not finite.
    """
    scale = max(1.0, expected.abs().max().item())
    difference = (found - expected).abs().max().item()
    if not difference <= tolerance * scale:
        raise ExportFailed(
            format,
            f"its class scores differ by {difference:.2g} from those of the trained network, "
            f"whose largest is {scale:.3g}; {tolerance:g} of that is allowed",
        )


def _built(source: str) -> nn.Module:
    """Return the network of a Python file that is written nowhere."""
    module = ModuleType("network")
    exec(compile(source, "network.py", "exec"), module.__dict__)
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = module.build()
    return network


def _decimals(values: Tensor) -> list[str]:
    """Return the shortest decimal of each that reads as the same float32."""
    return [str(np.float32(value)) for value in values.tolist()]
