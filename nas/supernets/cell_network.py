"""The network of a cell space: stem, searched cells in stages, classifier.

What stands where is told by `nas.spaces.skeleton`, which also counts its cost.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from nas.modules import FactorisedReduction, batch_norm, convolution
from nas.operations import OPERATIONS
from nas.operations.base import Operation
from nas.partition.accumulated import Banks
from nas.spaces.base import Architecture, Candidates
from nas.spaces.cell import CellSpace
from nas.spaces.graph import CellGraph
from nas.spaces.skeleton import CellBlock
from nas.supernets.cell_walk import FirstCell, module_key
from nas.supernets.channels import Layout, Weight, concatenated, node_layout, weights, whole
from nas.supernets.network import Network
from nas.supernets.reductions import REDUCTIONS, PooledReduction, ResidualReduction
from nas.supernets.walk import Kept, Walk


class CellNetwork(Network):
    """Every cell is the same architecture, with weights of its own.

    With weight banks, a searched cell has a copy of its weights for each bank that some
    architecture reads there; stem, reductions, tail and classifier are shared by all.
    """

    space: CellSpace

    def __init__(
        self,
        space: CellSpace,
        *,
        candidates: Candidates,
        affine: bool,
        banks: Banks | None = None,
    ) -> None:
        """Build the network.

        Args:
            space: whose sizes are those of the network.
            candidates: the operations to build, per edge of a cell.
            affine: see `nas.supernets.network`.
            banks: for a supernet with weight banks, which of them a cell reads.
        """
        super().__init__()
        self.space = space
        self.banks = banks
        skeleton = space.skeleton
        self.stem = nn.Sequential(
            convolution(skeleton.image_channels, skeleton.stem_channels, 3),
            batch_norm(skeleton.stem_channels, affine=affine),
        )
        self.blocks = nn.ModuleList()
        bank_choices = iter(self.banks_by_cell)
        for block in skeleton.blocks(space.graph):
            if not isinstance(block, CellBlock):
                reduction = REDUCTIONS[block.kind]
                self.blocks.append(reduction(block.reads.channels, block.channels, affine=affine))
            elif banks is None:
                self.blocks.append(Cell(space.graph, block, candidates=candidates, affine=affine))
            else:
                copies = {
                    str(bank): Cell(space.graph, block, candidates=candidates, affine=affine)
                    for bank in next(bank_choices)
                }
                self.blocks.append(nn.ModuleDict(copies))
        channels = skeleton.output_channels(space.graph)
        self.tail = batch_norm(channels, affine=affine)
        self.classifier = nn.Linear(channels, skeleton.num_classes)

    def forward(self, images_NCHW: Tensor, architecture: Architecture) -> Tensor:
        """Return class scores.

        A dead architecture's cells output zeros, so its scores are the same for every image.
        """
        steps = _steps(self.space.graph, architecture, self.space.live(architecture))
        before = [self.stem(images_NCHW)] * self.space.graph.num_inputs
        cells = self._cells_read(architecture)
        return self._classified(self._through(zip(self.blocks, cells, strict=True), before, steps))

    def walk(self, architecture: Architecture) -> Walk:
        graph, live = self.space.graph, self.space.live(architecture)
        steps = _steps(graph, architecture, live)
        (_, first_cell), *others = zip(self.blocks, self._cells_read(architecture), strict=True)
        assert first_cell is not None
        following = others[0][0] if others else None
        widen = None
        if graph.num_inputs == len(graph.outputs) == 1 and isinstance(following, PooledReduction):
            widen, others = following.widen, others[1:]
        banks = self.banks_read(architecture)
        first = FirstCell(
            graph,
            architecture,
            live,
            bank=str(banks[0]) if banks else "",
            halves=widen is not None,
        )

        def class_scores(images_NCHW: Tensor, kept: Kept) -> Tensor:
            given = [kept.features("stem", partial(self.stem, images_NCHW))] * graph.num_inputs
            output = first.follow(first_cell, given, kept)
            if widen is not None:
                output = widen(output)
            return self._classified(self._through(others, [*given[1:], output], steps))

        return Walk(("stem", *first.prefixes), class_scores)

    def _cells_read(self, architecture: Architecture) -> list["Cell | None"]:
        """Return the cell that an architecture reads in every block; None for a reduction."""
        banks = iter(self.banks_read(architecture))
        cells: list[Cell | None] = []
        for block in self.blocks:
            cell = block[str(next(banks))] if isinstance(block, nn.ModuleDict) else block
            cells.append(cell if isinstance(cell, Cell) else None)
        return cells

    def _through(
        self,
        blocks: Iterable[tuple[nn.Module, "Cell | None"]],
        before: Sequence[Tensor],
        steps: Sequence["Step"],
    ) -> Tensor:
        """Return what comes out of the last of some blocks.

        Args:
            blocks: each with the cell that is read, if it is none that reduces.
            before: what the first of them is given, the oldest first.
            steps: of the architecture.
        """
        before = list(before)
        for block, cell in blocks:
            output = block(before[-1]) if cell is None else cell(before, steps)
            before = [*before[1:], output]
        return before[-1]

    def _classified(self, features: Tensor) -> Tensor:
        scores: Tensor = self.classifier(relu(self.tail(features)).mean(dim=(2, 3)))
        return scores

    def weights(self) -> Iterator[Weight]:
        yield from weights(self.stem, "stem", reads=whole, gives=whole)
        before: list[Layout] = [whole] * self.space.graph.num_inputs
        for index, block in enumerate(self.blocks):
            name = f"blocks.{index}"
            output: Layout = whole
            if isinstance(block, Cell):
                yield from block.weights(name, before, bank=None)
                output = block.layout
            elif isinstance(block, nn.ModuleDict):
                for bank, cell in block.items():
                    assert isinstance(cell, Cell)
                    yield from cell.weights(name, before, bank=bank)
                    output = cell.layout
            else:
                assert isinstance(block, (ResidualReduction, PooledReduction))
                yield from block.weights(name, before[-1])
            before = [*before[1:], output]
        yield from weights(self.classifier, "classifier", reads=before[-1], gives=whole)

    def feature_modules(self, architecture: Architecture) -> Iterator[nn.Module]:
        yield self.stem
        banks = iter(self.banks_read(architecture))
        for block in self.blocks:
            yield block[str(next(banks))] if isinstance(block, nn.ModuleDict) else block

    @property
    def banks_by_cell(self) -> tuple[tuple[int, ...], ...]:
        """Those that some valid architecture reads there."""
        return () if self.banks is None else self.banks.by_cell(self.space)

    def banks_read(self, architecture: Architecture) -> tuple[int, ...]:
        if self.banks is None:
            return ()
        return self.banks.profile(self.space.nonlinearity_count(architecture))


@dataclass(frozen=True, slots=True)
class Step:
    """The live edges of a cell that leave one node with one operation.

    Attributes:
        source: the node they read.
        operation: which they have.
        keys: names of their modules in a cell.
        targets: the nodes they lead to.
    """

    source: int
    operation: Operation
    keys: tuple[str, ...]
    targets: tuple[int, ...]


def _steps(graph: CellGraph, architecture: Architecture, live: Sequence[bool]) -> tuple[Step, ...]:
    """Return what a cell computes, in an order in which every node is whole before it is read.

    Edges lie in the order of their targets, so all that lead to a node come before the first that
    leaves it. Dead edges are left out.
    """
    alike: dict[tuple[int, str], list[int]] = {}
    for index, (source, _) in enumerate(graph.edges):
        if live[index]:
            alike.setdefault((source, architecture[index]), []).append(index)
    return tuple(
        Step(
            source=source,
            operation=OPERATIONS[name],
            keys=tuple(module_key(index, name) for index in indices),
            targets=tuple(graph.edges[index][1] for index in indices),
        )
        for (source, name), indices in alike.items()
    )


class Cell(nn.Module):
    """One searched cell: inputs, then nodes that sum their edges, some of which are the output."""

    def __init__(
        self, graph: CellGraph, block: CellBlock, *, candidates: Candidates, affine: bool
    ) -> None:
        super().__init__()
        self.graph = graph
        self.channels = block.channels
        self.stride = block.stride
        if block.preprocesses:
            self.preprocess = nn.ModuleList(_preprocessing(block, affine=affine))
        else:
            self.preprocess = nn.ModuleList(nn.Identity() for _ in block.reads)
        self.operations = nn.ModuleDict(
            {
                module_key(index, name): OPERATIONS[name].build(block.place(source), affine=affine)
                for index, ((source, _), names) in enumerate(
                    zip(graph.edges, candidates, strict=True)
                )
                for name in names
                if OPERATIONS[name].connects
            }
        )

    def forward(self, given: Sequence[Tensor], steps: Sequence[Step]) -> Tensor:
        """Return the output nodes' features, one after the other.

        Operations that start with a ReLU read one shared ReLU of their source node.

        Args:
            given: outputs of as many blocks before as the cell has inputs, the oldest first.
            steps: of the architecture.
        """
        nodes = {
            node: prepare(features)
            for node, (prepare, features) in enumerate(zip(self.preprocess, given, strict=True))
        }
        rectified: dict[int, Tensor] = {}
        sums: set[int] = set()
        for step in steps:
            read = nodes[step.source]
            if step.operation.takes_relu:
                if step.source not in rectified:
                    rectified[step.source] = relu(read)
                read = rectified[step.source]
            modules = [self.operations[key] for key in step.keys]
            outputs = step.operation.apply_all(modules, read)
            for target, output in zip(step.targets, outputs, strict=True):
                if target in sums:
                    nodes[target] += output  # Nobody else holds a sum that is not whole yet.
                elif target in nodes:
                    nodes[target] = nodes[target] + output
                    sums.add(target)
                else:
                    nodes[target] = output
        held = [
            nodes[node] if node in nodes else self.zeros(nodes[0]) for node in self.graph.outputs
        ]
        return held[0] if len(held) == 1 else torch.cat(held, dim=1)

    @property
    def layout(self) -> Layout:
        """How the channels of its output lie."""
        return concatenated(len(self.graph.outputs), node_layout(self))

    def weights(
        self, name: str, before: Sequence[Layout], *, bank: str | None
    ) -> Iterator[Weight]:
        """Describe its weights.

        Args:
            name: its place.
            before: how the channels lie of what it is given.
            bank: whose weights these are.
        """
        # The edges of a node are added up, and a skipped one passes channels on.
        node = node_layout(self)
        for index, (prepare, given) in enumerate(zip(self.preprocess, before, strict=True)):
            place = f"{name}.preprocess.{index}"
            yield from weights(prepare, place, reads=given, gives=node, bank=bank)
        yield from weights(
            self.operations, f"{name}.operations", reads=node, gives=node, bank=bank
        )

    def zeros(self, features: Tensor) -> Tensor:
        """Return what a node without live edges holds."""
        return torch.zeros_like(features[:, :, :: self.stride, :: self.stride])


def _preprocessing(block: CellBlock, *, affine: bool) -> Iterable[nn.Module]:
    for read in block.reads:
        if read.size > block.input_size:
            halved = FactorisedReduction(read.channels, block.channels, affine=affine)
            # Several reductions lie between a cell that reads far back and what it reads.
            more = (read.size // block.input_size).bit_length() - 2
            pools = [nn.AvgPool2d(2, ceil_mode=True) for _ in range(more)]
            yield nn.Sequential(*pools, halved) if pools else halved
        else:
            yield nn.Sequential(
                nn.ReLU(),
                convolution(read.channels, block.channels, 1),
                batch_norm(block.channels, affine=affine),
            )
