"""The Python file that builds one architecture's network with nothing but torch."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

from nas.export.layout import assigned_list

Value = TypeVar("Value")

USAGE = '''"""{title}

Found with EFS-NAS Server. It needs torch, and safetensors for its weights:

    from network import build
    from safetensors.torch import load_file

    model = build()
    model.load_state_dict(load_file("weights.safetensors"))
    model.eval()
    class_scores = model(images)

Images are float32 of shape (n, {channels}, {height}, {width}), their pixels from 0 to 1.
They are normalised inside, by the mean and the deviation of the training images.
Class scores have the shape (n, {classes}) and are those before the softmax.
"""
'''

BUILD = '''def build() -> Network:
    """Return the network, its weights random."""
    return Network()
'''


@dataclass(frozen=True, slots=True)
class NetworkClasses:
    """What of a file depends on the kind of space.

    Attributes:
        text: definitions, the last of them a class `Network`. Its buffers `pixel_mean` and
            `pixel_deviation` are those of a file's `MEAN` and `DEVIATION`, and it calls functions
            and classes of `nas.export.layers`.
        renamed: how the names of weights begin in our network, and how they begin in this one; a
            name of no such beginning is the same in both.
    """

    text: str
    renamed: Mapping[str, str]

    def named(self, state_dict: Mapping[str, Value]) -> dict[str, Value]:
        """Return what belongs to the names of our network, by those of this one."""
        return {self._name(ours): value for ours, value in state_dict.items()}

    def _name(self, ours: str) -> str:
        for beginning, theirs in self.renamed.items():
            if ours.startswith(beginning):
                return theirs + ours.removeprefix(beginning)
        return ours


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the definitions of a file.

    Attributes:
        title: the network in a line.
        image_shape: channels, height and width of an image.
        num_classes: outputs.
        mean: of the pixels of every channel, as fractions of their range.
        deviation: likewise, the standard deviation.
    """

    title: str
    image_shape: tuple[int, int, int]
    num_classes: int
    mean: Sequence[str]
    deviation: Sequence[str]


def written(heading: Heading, classes: NetworkClasses) -> str:
    """Return the whole file."""
    channels, height, width = heading.image_shape
    usage = USAGE.format(
        title=heading.title,
        channels=channels,
        height=height,
        width=width,
        classes=heading.num_classes,
    )
    layers = "\n\n\n".join(_layers(classes.text))
    definitions = f"{layers}\n\n\n{classes.text}"
    constants = [
        *assigned_list("MEAN", heading.mean),
        *assigned_list("DEVIATION", heading.deviation),
    ]
    return "\n".join(
        [
            usage,
            *_imports(definitions),
            "",
            "# Of the training images, per channel.",
            *constants,
            "\n",
            f"{definitions}\n\n",
            BUILD,
        ]
    )


def network_class(assignments: Iterable[str], forward: Iterable[str]) -> str:
    """Return the class `Network`.

    Args:
        assignments: lines that make its parts.
        forward: lines that make class scores of `images`.
    """
    return "\n".join(
        [
            "class Network(nn.Module):",
            '    """Images in, class scores out."""',
            "",
            "    def __init__(self) -> None:",
            "        super().__init__()",
            '        self.register_buffer("pixel_mean", torch.tensor(MEAN).view(-1, 1, 1))',
            '        self.register_buffer("pixel_deviation", torch.tensor(DEVIATION).view(-1, 1, 1))',
            *assignments,
            "",
            "    def forward(self, images: Tensor) -> Tensor:",
            *forward,
        ]
    )


def _imports(definitions: str) -> Iterator[str]:
    yield "import torch"
    yield "from torch import Tensor, nn"
    used = sorted({"avg_pool2d", "pad", "relu"} & _names(ast.parse(definitions)))
    if used:
        yield f"from torch.nn.functional import {', '.join(used)}"


def _layers(text: str) -> list[str]:
    """Return the definitions of `nas.export.layers` that a text needs, in their order."""
    source, definitions = _library()
    needed: set[str] = set()
    pending = _names(ast.parse(text)) & definitions.keys()
    while pending:
        needed |= pending
        called = set[str]().union(*(_names(definitions[name]) for name in pending))
        pending = (called & definitions.keys()) - needed
    found = (ast.get_source_segment(source, definitions[name]) for name in definitions)
    return [one for name, one in zip(definitions, found, strict=True) if one and name in needed]


@cache
def _library() -> tuple[str, dict[str, ast.stmt]]:
    source = files("nas.export").joinpath("layers.py").read_text(encoding="utf-8")
    return source, {
        node.name: node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
