"""The first searched cell as prefixes: its nodes and edges are computed once for all who share them.

Only the first cell has the same input for every architecture. Its edges depend on nothing but the
operations below them, so that the 15,284 valid cells of NAS-Bench-201 have no more than 380 edges
with features of their own between them. What follows is another function of other features for
every architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, relu

from nas.operations import OPERATIONS
from nas.supernets.walk import Kept, Prefix

if TYPE_CHECKING:
    from nas.spaces.base import Architecture
    from nas.spaces.graph import CellGraph
    from nas.supernets.cell_network import Cell


def module_key(edge: int, operation: str) -> str:
    """Return the name that the module of an operation has in a cell."""
    return f"{edge}-{operation}"


@dataclass(frozen=True, slots=True)
class _Node:
    """One node as an architecture makes it.

    Attributes:
        index: in the graph.
        prefix: names its sum.
        edges: that add to it, all of them live.
    """

    index: int
    prefix: Prefix
    edges: tuple[_Edge, ...]

    @property
    def rectified(self) -> Prefix:
        """The name of its ReLU."""
        return ("relu", self.prefix)


@dataclass(frozen=True, slots=True)
class _Edge:
    """One live edge.

    Attributes:
        source: the node it reads.
        prefix: names what it adds.
        key: of its module.
        takes_relu: whether the module reads the ReLU of its source.
    """

    source: _Node
    prefix: Prefix
    key: str
    takes_relu: bool


class FirstCell:
    """What one architecture computes in the first searched cell.

    Args:
        graph: of the cell.
        architecture: which operations.
        live: which edges count.
        bank: whose weights are read; empty without weight banks.
        halves: return the output with height and width halved by average pooling. The mean of a sum
            is the sum of means, and those of the edges are shared.

    Attributes:
        prefixes: of everything that others may share.
    """

    def __init__(
        self,
        graph: CellGraph,
        architecture: Architecture,
        live: Sequence[bool],
        *,
        bank: str,
        halves: bool,
    ) -> None:
        assert not halves or len(graph.outputs) == 1
        self._halves = halves
        # A set knows its hash, and is the same however one came to a node.
        below: list[frozenset[tuple[int, str]]] = [frozenset()] * graph.num_nodes
        into: list[list[_Edge]] = [[] for _ in range(graph.num_nodes)]
        self._nodes: list[_Node] = []
        edges = zip(graph.edges, architecture, live, strict=True)
        live_edges = [
            (index, source, target, name)
            for index, ((source, target), name, alive) in enumerate(edges)
            if alive
        ]
        for node in range(graph.num_nodes):
            for index, source, target, name in live_edges:
                if target == node:
                    read = self._nodes[source]
                    adds = ("edge", bank, index, name, below[source])
                    takes_relu = OPERATIONS[name].takes_relu
                    into[node].append(_Edge(read, adds, module_key(index, name), takes_relu))
                    below[node] |= below[source] | {(index, name)}
            prefix = ("node", bank, node, below[node])
            self._nodes.append(_Node(node, prefix, tuple(into[node])))
        self._outputs = [self._nodes[node] for node in graph.outputs]
        self.prefixes = tuple(dict.fromkeys(self._named()))

    def follow(self, cell: Cell, given: Sequence[Tensor], kept: Kept) -> Tensor:
        """Return the cell's output, halved if that was asked for.

        Args:
            cell: with the weights of the bank.
            given: its inputs.
            kept: of these inputs.
        """
        passage = _Passage(cell, given, kept)
        if self._halves:
            (output,) = self._outputs
            if not output.edges:
                return _halved(passage.nothing())
            return _sum([passage.halved(edge) for edge in output.edges])
        held = [passage.node(node) if node.edges else passage.nothing() for node in self._outputs]
        return held[0] if len(held) == 1 else torch.cat(held, dim=1)

    def _named(self) -> list[Prefix]:
        named: list[Prefix] = []
        for node in self._nodes:
            last = self._halves and node in self._outputs
            if not last:
                named.append(node.prefix)
            for edge in node.edges:
                named.append(_halved_prefix(edge) if last else edge.prefix)
                if edge.takes_relu:
                    named.append(edge.source.rectified)
        return named


class _Passage:
    """One architecture on one batch; remembers what it has met itself."""

    def __init__(self, cell: Cell, given: Sequence[Tensor], kept: Kept) -> None:
        self._cell = cell
        self._given = given
        self._kept = kept
        self._met: dict[Prefix, Tensor] = {}

    def node(self, node: _Node) -> Tensor:
        return self._features(node.prefix, partial(self._made_node, node))

    def halved(self, edge: _Edge) -> Tensor:
        return self._features(_halved_prefix(edge), lambda: _halved(self._made_edge(edge)))

    def nothing(self) -> Tensor:
        """Return what an output without live edges holds."""
        return self._cell.zeros(self._prepared(0))

    def _features(self, prefix: Prefix, compute: Callable[[], Tensor]) -> Tensor:
        if prefix not in self._met:
            self._met[prefix] = self._kept.features(prefix, compute)
        return self._met[prefix]

    def _made_node(self, node: _Node) -> Tensor:
        if node.index < len(self._given):
            return self._prepared(node.index)
        return _sum(
            [self._features(edge.prefix, partial(self._made_edge, edge)) for edge in node.edges]
        )

    def _made_edge(self, edge: _Edge) -> Tensor:
        read = self.node(edge.source)
        if edge.takes_relu:
            read = self._features(edge.source.rectified, partial(relu, read))
        output: Tensor = self._cell.operations[edge.key](read)
        return output

    def _prepared(self, node: int) -> Tensor:
        prepared: Tensor = self._cell.preprocess[node](self._given[node])
        return prepared


def _sum(terms: Sequence[Tensor]) -> Tensor:
    """Add up, in order, at least one term."""
    total = terms[0]
    for number, term in enumerate(terms[1:]):
        # The terms may be kept; the first sum is nobody else's.
        total = total.add_(term) if number else total + term
    return total


def _halved(features: Tensor) -> Tensor:
    return avg_pool2d(features, 2, ceil_mode=True)


def _halved_prefix(edge: _Edge) -> Prefix:
    return ("halved", edge.prefix)
