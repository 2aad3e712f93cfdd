"""Cell search spaces: a directed acyclic graph with an operation on every edge."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, Self, final

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from nas.errors import UnknownArchitecture
from nas.operations import OPERATIONS
from nas.operations.base import Place
from nas.plugin import refused_at
from nas.spaces.base import Architecture, Candidates, Space
from nas.spaces.candidates import OperationNames
from nas.spaces.cell_automata import ChoiceAutomaton, LiveAutomaton, PathAutomaton
from nas.spaces.cell_ranges import cell_ranges
from nas.spaces.costs import CostRange, Costs
from nas.spaces.counting import Automaton
from nas.spaces.graph import CellGraph
from nas.spaces.labelling import EFFECTIVE, ChoiceSum, Labelling
from nas.spaces.shape import NetworkShape
from nas.spaces.skeleton import Skeleton

if TYPE_CHECKING:
    from nas.export.source import NetworkClasses
    from nas.supernets.cell_network import CellNetwork

MAX_NODES = 8

Node = Annotated[int, Field(ge=0)]


class Edge(BaseModel):
    """One decision of a cell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Node = Field(description="Node it reads.")
    target: Node = Field(description="Node it adds to.")
    operations: OperationNames | None = Field(
        None, description="Its candidates; null for the cell's."
    )


@final
class CellSpace(Space):
    """Cells of up to eight nodes; an architecture chooses one operation for each edge.

    The first `num_inputs` nodes are given, every other node is the sum of the edges into it, and
    the output is one node or the concatenation of several. An edge is live if some input-to-output
    path of connecting operations runs over it.

    Sources: NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326) is the case of 4 nodes and
    5 operations, the DARTS cell (Liu et al., ICLR 2019, arXiv 1806.09055) that of two inputs and
    four concatenated nodes.
    """

    kind: Literal["cell"] = "cell"
    num_nodes: int = Field(
        ge=2,
        # More are refused below, with the reason.
        json_schema_extra={"maximum": MAX_NODES},
        description="Nodes of a cell, inputs included.",
    )
    num_inputs: int = Field(
        1,
        ge=1,
        lt=MAX_NODES,
        description="1: the cell before; 2: the two before, as in DARTS; and so on. Where there are "
        "not so many, the stem stands for the others.",
    )
    operations: OperationNames = Field(description="Candidate operations of every edge.")
    edges: tuple[Edge, ...] | None = Field(
        None, min_length=1, description="null: one from every node to every later one."
    )
    outputs: tuple[Node, ...] | None = Field(
        None,
        min_length=1,
        description="Nodes that are concatenated to the output; null: the last one.",
    )
    skeleton: Skeleton = Field(
        description="The stand-alone network whose FLOPs and parameters are counted."
    )

    @field_validator("num_nodes")
    @classmethod
    def _few_nodes(cls, num_nodes: int) -> int:
        if num_nodes > MAX_NODES:
            raise ValueError(
                f"{num_nodes} nodes are more than {MAX_NODES}: exact counting keeps a state for "
                "every combination of what is known of each node, and they multiply"
            )
        return num_nodes

    @field_validator("num_inputs")
    @classmethod
    def _inputs_leave_a_node(cls, num_inputs: int, info: ValidationInfo) -> int:
        num_nodes = info.data.get("num_nodes")
        if num_nodes is not None and num_inputs >= num_nodes:
            raise ValueError(f"{num_inputs} inputs leave none of {num_nodes} nodes to compute")
        return num_inputs

    @field_validator("edges")
    @classmethod
    def _edges_join_the_nodes(
        cls, edges: tuple[Edge, ...] | None, info: ValidationInfo
    ) -> tuple[Edge, ...] | None:
        num_nodes, num_inputs = info.data.get("num_nodes"), info.data.get("num_inputs")
        if edges is None or num_nodes is None or num_inputs is None:
            return edges
        seen: set[tuple[int, int]] = set()
        for place, edge in enumerate(edges):
            if edge.source >= edge.target:
                raise refused_at((place,), _backwards(edge, edges))
            if edge.target >= num_nodes:
                raise refused_at(
                    (place, "target"),
                    f"there is no node {edge.target}; the nodes are 0 to {num_nodes - 1}",
                )
            if edge.target < num_inputs:
                raise refused_at((place, "target"), f"node {edge.target} is an input")
            if (edge.source, edge.target) in seen:
                raise refused_at(
                    (place,),
                    f"{edge.source} -> {edge.target} is there already: one edge holds all "
                    "candidate operations of a pair of nodes",
                )
            seen.add((edge.source, edge.target))
        return tuple(sorted(edges, key=lambda edge: (edge.target, edge.source)))

    @field_validator("outputs")
    @classmethod
    def _outputs_are_nodes(
        cls, outputs: tuple[int, ...] | None, info: ValidationInfo
    ) -> tuple[int, ...] | None:
        num_nodes, num_inputs = info.data.get("num_nodes"), info.data.get("num_inputs")
        if outputs is None or num_nodes is None or num_inputs is None:
            return outputs
        for place, node in enumerate(outputs):
            if not num_inputs <= node < num_nodes:
                raise refused_at(
                    (place,),
                    f"node {node} cannot be an output; those that can are {num_inputs} to "
                    f"{num_nodes - 1}",
                )
        if len(set(outputs)) != len(outputs):
            raise ValueError(f"each output may be named once, got {list(outputs)}")
        in_order = tuple(sorted(outputs))
        if {"operations", "edges"} <= info.data.keys():
            operations, edges = info.data["operations"], info.data["edges"]
            graph = _graph(num_nodes, num_inputs, operations, edges, in_order)
            _refuse_unreached_outputs(graph, outputs)
        return in_order

    @model_validator(mode="after")
    def _something_is_live(self) -> Self:
        graph = self.graph
        drawn = _reached(graph, set(graph.edges))
        # Outputs that are named have been looked at one by one.
        if not drawn & set(graph.outputs):
            raise refused_at(
                ("edges",),
                f"no path leads from an input to the output {list(graph.outputs)}",
            )
        if not _reached(graph, _connecting(graph)) & set(graph.outputs):
            raise refused_at(
                ("operations",),
                "no architecture is live: on every path from an input to the output some edge has "
                "no operation that connects two nodes",
            )
        return self

    @model_validator(mode="after")
    def _operations_fit_a_cell_that_halves_the_image(self) -> Self:
        if self.skeleton.reduction != "cell" or self.skeleton.num_stages == 1:
            return self
        place = Place(self.skeleton.width, self.skeleton.width, stride=2)
        for (source, target), names in zip(self.graph.edges, self.choices, strict=True):
            if source >= self.num_inputs:
                continue
            unfit = [name for name in names if not OPERATIONS[name].fits(place)]
            if unfit:
                raise refused_at(
                    ("operations",),
                    f"{unfit} of edge {source} -> {target} cannot halve the image, as the edges "
                    "that leave an input do in reduction cells: take skip_connect for identity, "
                    "or another skeleton.reduction",
                )
        return self

    @cached_property
    def graph(self) -> CellGraph:
        """The cell's graph with the candidates of every edge."""
        return _graph(self.num_nodes, self.num_inputs, self.operations, self.edges, self.outputs)

    @property
    def choices(self) -> Candidates:
        return self.graph.choices

    @property
    def num_halvings(self) -> int:
        return self.skeleton.num_stages - 1

    def network_costs(self, *, affine: bool) -> Costs:
        return _costs(self.skeleton, self.graph, affine)

    def automaton(self, labelling: Labelling) -> Automaton:
        if isinstance(labelling, ChoiceSum):
            return ChoiceAutomaton(self.graph, labelling.weights)
        if labelling == EFFECTIVE:
            return PathAutomaton(self.graph)
        return LiveAutomaton(self.graph, labelling)

    def live_automaton(self, labelling: Labelling) -> Automaton:
        return LiveAutomaton(self.graph, labelling)

    def cost_ranges(self, labelling: Labelling) -> dict[int, CostRange]:
        return cell_ranges(self.graph, self.costs, labelling)

    def label(self, architecture: Architecture, labelling: Labelling) -> int:
        if isinstance(labelling, ChoiceSum):
            return labelling.of(self.choices, architecture)
        if labelling == EFFECTIVE:
            return max(0, self.graph.best_count(architecture))
        return self.graph.total_count(architecture)

    def live(self, architecture: Architecture) -> tuple[bool, ...]:
        return self.graph.live_edges(architecture)

    def is_valid(self, architecture: Architecture) -> bool:
        return self.graph.is_valid(architecture)

    def encode(self, architecture: Architecture) -> str:
        nodes: list[list[str]] = [[] for _ in range(self.num_inputs, self.num_nodes)]
        for (source, target), name in zip(self.graph.edges, architecture, strict=True):
            nodes[target - self.num_inputs].append(f"{name}~{source}")
        return "+".join(f"|{'|'.join(node)}|" for node in nodes)

    def decode(self, code: str) -> Architecture:
        names = tuple(part.partition("~")[0] for part in code.replace("+", "").split("|") if part)
        edges = self.graph.edges
        if len(names) != len(edges) or self.encode(names) != code:
            example = self.encode(tuple(candidates[0] for candidates in self.choices))
            raise UnknownArchitecture(
                f"{code!r} is no architecture of {self.name}: expected one operation for each of "
                f"{len(edges)} edges, written like {example!r}"
            )
        for (source, target), name, candidates in zip(edges, names, self.choices, strict=True):
            if name not in candidates:
                raise UnknownArchitecture(
                    f"{code!r} is no architecture of {self.name}: operation {name!r} of edge "
                    f"{source} -> {target} is not among {list(candidates)}"
                )
        return names

    def resized(self, shape: NetworkShape) -> Self:
        skeleton = self.skeleton.resized(shape)
        return type(self).model_validate(self.model_dump() | {"skeleton": skeleton})

    def num_searched_cells(self, cells_per_stage: int) -> int:
        """Return the searched cells of a network, those that halve the image included."""
        num_stages = self.skeleton.num_stages
        halving = num_stages - 1 if self.skeleton.reduction == "cell" else 0
        return cells_per_stage * num_stages + halving

    def build_network(self, candidates: Candidates, *, affine: bool) -> "CellNetwork":
        from nas.supernets.cell_network import CellNetwork

        return CellNetwork(self, candidates=candidates, affine=affine)

    def network_classes(self, architecture: Architecture) -> "NetworkClasses":
        from nas.export.cell_source import cell_classes

        return cell_classes(self, architecture)


def _backwards(edge: Edge, edges: Sequence[Edge]) -> str:
    """Return why an edge to no higher node is refused."""
    back = _path(edge.target, edge.source, edges)
    if back is not None:
        return f"{' -> '.join(map(str, (edge.source, *back)))} is a cycle"
    return (
        f"{edge.source} -> {edge.target} leads to a lower node: number the nodes so that every "
        "edge leads to a higher one, which any graph without a cycle allows"
    )


def _path(start: int, end: int, edges: Sequence[Edge]) -> tuple[int, ...] | None:
    """Return a shortest path between two nodes, both included, None if there is none."""
    paths: list[tuple[int, ...]] = [(start,)]
    met = {start}
    for path in paths:  # grows while it is read: breadth first
        if path[-1] == end:
            return path
        onwards = [edge.target for edge in edges if edge.source == path[-1]]
        for node in dict.fromkeys(onwards):
            if node not in met:
                met.add(node)
                paths.append((*path, node))
    return None


def _refuse_unreached_outputs(graph: CellGraph, outputs: tuple[int, ...]) -> None:
    """Refuse an output that depends on no input whatever is chosen, at its place in `outputs`.

    Where that is so of all of them for want of connecting operations, the space is dead, which is
    no fault of one output.
    """
    drawn, live = _reached(graph, set(graph.edges)), _reached(graph, _connecting(graph))
    for place, node in enumerate(outputs):
        if node not in drawn:
            raise refused_at((place,), f"no path leads from an input to output node {node}")
        if node not in live and live & set(outputs):
            raise refused_at(
                (place,),
                f"output node {node} depends on no input: on every path to it some edge has no "
                "operation that connects two nodes",
            )


def _connecting(graph: CellGraph) -> set[tuple[int, int]]:
    """Return the edges with an operation that connects two nodes."""
    return {
        edge
        for edge, names in zip(graph.edges, graph.choices, strict=True)
        if any(OPERATIONS[name].connects for name in names)
    }


def _reached(graph: CellGraph, edges: set[tuple[int, int]]) -> set[int]:
    """Return the nodes that edges lead to from an input."""
    reached = set(range(graph.num_inputs))
    for source, target in sorted(edges):
        if source in reached:
            reached.add(target)
    return reached


@lru_cache(maxsize=256)
def _graph(
    num_nodes: int,
    num_inputs: int,
    operations: tuple[str, ...],
    edges: tuple[Edge, ...] | None,
    outputs: tuple[int, ...] | None,
) -> CellGraph:
    if edges is None:
        edges = tuple(
            Edge(source=source, target=target)
            for target in range(num_inputs, num_nodes)
            for source in range(target)
        )
    return CellGraph(
        num_nodes=num_nodes,
        num_inputs=num_inputs,
        outputs=outputs or (num_nodes - 1,),
        edges=tuple((edge.source, edge.target) for edge in edges),
        choices=tuple(edge.operations or operations for edge in edges),
    )


@lru_cache(maxsize=64)
def _costs(skeleton: Skeleton, graph: CellGraph, affine: bool) -> Costs:
    return skeleton.costs(graph, affine=affine)
