"""The network of a cell as Python source; its blocks are those of `nas.spaces.skeleton`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nas.export.layout import assigned_sum, elements, expression
from nas.export.source import NetworkClasses, network_class
from nas.operations import OPERATIONS
from nas.operations.base import WrittenPlace
from nas.spaces.base import Architecture
from nas.spaces.cell import CellSpace
from nas.spaces.skeleton import CellBlock, Features, ReductionBlock

REDUCTIONS = {"residual": "ResidualReduction", "pooled": "PooledReduction"}
"""Layers of the blocks between two stages."""


def cell_classes(space: CellSpace, architecture: Architecture) -> NetworkClasses:
    """Return the classes of the network of a space's sizes.

    Raises:
        ExportFailed: if an operation is not written in plain torch.
    """
    blocks = space.skeleton.blocks(space.graph)
    cell = _Cell(space, architecture, [one for one in blocks if isinstance(one, CellBlock)])
    calls = [cell.call(one) if isinstance(one, CellBlock) else _reduction(one) for one in blocks]
    several = space.graph.num_inputs > 1
    reduces = any(isinstance(block, ReductionBlock) for block in blocks)
    network = network_class(
        _parts(space, calls, several=several), _forward(space, several=several, reduces=reduces)
    )
    return NetworkClasses(
        text=f"{cell.text()}\n\n\n{network}",
        renamed={
            f"blocks.{number}.operations.{edge.key}.": f"blocks.{number}.{edge.attribute}."
            for number, block in enumerate(blocks)
            if isinstance(block, CellBlock)
            for edge in cell.edges
        },
    )


@dataclass(frozen=True, slots=True)
class _Edge:
    """A live edge.

    Attributes:
        source: the node it reads.
        target: the node it adds to.
        key: of its module in our network.
        takes_relu: whether it reads the ReLU of its source.
        module: in Python source; None if it passes its source on.
    """

    source: int
    target: int
    key: str
    takes_relu: bool
    module: str | None

    @property
    def attribute(self) -> str:
        """The name of its module."""
        return f"edge_{self.source}_{self.target}"


class _Cell:
    """The class of a cell, with which all blocks of one network are made."""

    def __init__(
        self, space: CellSpace, architecture: Architecture, blocks: Sequence[CellBlock]
    ) -> None:
        self._graph = space.graph
        self._preprocesses = blocks[0].preprocesses
        self._strides = any(block.stride > 1 for block in blocks)
        self.edges = [
            self._edge(number, name)
            for number, (name, alive) in enumerate(
                zip(architecture, space.live(architecture), strict=True)
            )
            if alive
        ]
        self._rectified = Counter(edge.source for edge in self.edges if edge.takes_relu)

    def call(self, block: CellBlock) -> str:
        """Return the expression of one cell."""
        arguments = []
        if self._preprocesses:
            arguments += [_preprocessing(read, block) for read in block.reads]
        if self._needs_channels:
            arguments.append(f"channels={block.channels}" if arguments else f"{block.channels}")
        if self._needs_stride and block.stride > 1:
            arguments.append(f"stride={block.stride}")
        return f"Cell({', '.join(arguments)})"

    def text(self) -> str:
        """Return the definition of the class."""
        return "\n".join(
            [
                "class Cell(nn.Module):",
                '    """The cell that was found; the name of an edge says where it leads."""',
                "",
                *self._init(),
                *self._forward(),
            ]
        )

    def _edge(self, number: int, name: str) -> _Edge:
        source, target = self._graph.edges[number]
        operation = OPERATIONS[name]
        strided = self._strides and source < self._graph.num_inputs
        place = WrittenPlace("channels", "channels", "stride" if strided else "1")
        return _Edge(
            source,
            target,
            key=f"{number}-{name}",
            takes_relu=operation.takes_relu,
            module=operation.written(place),
        )

    @property
    def _modules(self) -> list[str]:
        return [edge.module for edge in self.edges if edge.module is not None]

    @property
    def _needs_channels(self) -> bool:
        return any("channels" in module for module in self._modules)

    @property
    def _needs_stride(self) -> bool:
        return self._strides and (
            bool(self._empty_outputs) or any("stride" in module for module in self._modules)
        )

    @cached_property
    def _empty_outputs(self) -> set[int]:
        """The outputs to which no live edge leads."""
        return set(self._graph.outputs) - {edge.target for edge in self.edges}

    def _init(self) -> Iterator[str]:
        """Yield the constructor, if it has anything to make."""
        parameters = ["self"]
        assignments = []
        if self._preprocesses:
            parameters.append("*preprocess: nn.Module")
            assignments.append("        self.preprocess = nn.ModuleList(preprocess)")
        if self._needs_channels:
            parameters.append("channels: int")
        if self._needs_stride:
            parameters.append("stride: int = 1")
        if self._needs_stride and self._empty_outputs:
            assignments.append("        self.stride = stride")
        for edge in self.edges:
            if edge.module is not None:
                assignments += expression(f"self.{edge.attribute} = {edge.module}", 8)
        if assignments:
            yield from expression(f"def __init__({', '.join(parameters)}) -> None:", 4)
            yield "        super().__init__()"
            yield from assignments
            yield ""

    def _forward(self) -> Iterator[str]:
        graph = self._graph
        given = "given" if self._preprocesses else "node"
        inputs = [f"{given}_{node}: Tensor" for node in range(graph.num_inputs)]
        yield from expression(f"def forward({', '.join(['self', *inputs])}) -> Tensor:", 4)
        read = {edge.source for edge in self.edges}
        for node in range(graph.num_nodes):
            yield from self._node(node, read)
            if self._rectified[node] > 1:
                yield f"        relu_{node} = relu(node_{node})"
        names = [f"node_{node}" for node in graph.outputs]
        if len(names) == 1:
            yield f"        return {names[0]}"
        else:
            yield from expression(f"return torch.cat(({', '.join(names)}), dim=1)", 8)

    def _node(self, node: int, read: set[int]) -> Iterator[str]:
        """Yield what makes a node, unless it is given or of no use."""
        if node < self._graph.num_inputs:
            zeros_like = node == 0 and bool(self._empty_outputs)
            if self._preprocesses and (node in read or zeros_like):
                yield f"        node_{node} = self.preprocess[{node}](given_{node})"
            return
        terms = [self._term(edge) for edge in self.edges if edge.target == node]
        if terms:
            yield from assigned_sum(f"node_{node}", terms, 8)
        elif node in self._empty_outputs:
            part = "[:, :, :: self.stride, :: self.stride]" if self._strides else ""
            yield f"        node_{node} = torch.zeros_like(node_0{part})"

    def _term(self, edge: _Edge) -> str:
        read = f"node_{edge.source}"
        if edge.takes_relu:
            shared = self._rectified[edge.source] > 1
            read = f"relu_{edge.source}" if shared else f"relu({read})"
        return read if edge.module is None else f"self.{edge.attribute}({read})"


def _preprocessing(read: Features, block: CellBlock) -> str:
    channels = f"{read.channels}, {block.channels}"
    halvings = (read.size // block.input_size).bit_length() - 1
    if halvings == 0:
        return f"to_channels({channels})"
    if halvings == 1:
        return f"FactorisedReduction({channels})"
    return f"pooled_reduction({channels}, halvings={halvings})"


def _reduction(block: ReductionBlock) -> str:
    return f"{REDUCTIONS[block.kind]}({block.reads.channels}, {block.channels})"


def _parts(space: CellSpace, calls: Sequence[str], *, several: bool) -> Iterator[str]:
    skeleton = space.skeleton
    channels = skeleton.output_channels(space.graph)
    yield f"        self.stem = conv_bn({skeleton.image_channels}, {skeleton.stem_channels}, 3)"
    if several:
        yield "        self.blocks = nn.ModuleList("
        yield "            ["
        yield from elements(calls, 16)
        yield "            ]"
        yield "        )"
    else:
        yield "        self.blocks = nn.Sequential("
        yield from elements(calls, 12)
        yield "        )"
    yield f"        self.tail = nn.BatchNorm2d({channels})"
    yield f"        self.classifier = nn.Linear({channels}, {skeleton.num_classes})"


def _forward(space: CellSpace, *, several: bool, reduces: bool) -> Iterator[str]:
    yield "        features = self.stem((images - self.pixel_mean) / self.pixel_deviation)"
    if several:
        number = space.graph.num_inputs
        yield f"        # Each cell reads the {number} blocks before it, the oldest first."
        yield f"        given = [features] * {number}"
        yield "        for block in self.blocks:"
        if reduces:
            yield "            read = given if isinstance(block, Cell) else given[-1:]"
            yield "            given = [*given[1:], block(*read)]"
        else:
            yield "            given = [*given[1:], block(*given)]"
        yield "        features = relu(self.tail(given[-1]))"
    else:
        yield "        features = relu(self.tail(self.blocks(features)))"
    yield "        return self.classifier(features.mean(dim=(2, 3)))"
