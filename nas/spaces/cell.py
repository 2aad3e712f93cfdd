"""Cell search spaces: a complete directed acyclic graph with an operation on every edge."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement, product
from random import Random
from typing import Literal, final

from pydantic import Field, field_validator

from nas.errors import UnknownArchitecture
from nas.operations import OPERATIONS
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.counting import UNREACHED, cell_counting, cell_edges
from nas.spaces.skeleton import Skeleton


@final
class CellSpace(Space):
    """Cells of `num_nodes` nodes; node 0 is the input, the last one the output.

    Every node is the sum of its incoming edges and there is an edge from every earlier node, so
    an architecture chooses one operation for each of n(n-1)/2 edges. An edge is live if some
    input-to-output path of connecting operations runs over it.

    Source: NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326), which is the case of 4
    nodes and 5 operations.
    """

    kind: Literal["cell"] = "cell"
    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$", description="How runs refer to the space."
    )
    num_nodes: int = Field(ge=2, le=7, description="Nodes of a cell, input and output included.")
    operations: tuple[str, ...] = Field(
        min_length=1, max_length=32, description="Candidate operations of every edge."
    )
    skeleton: Skeleton = Field(
        description="The stand-alone network whose FLOPs and parameters are counted."
    )

    @field_validator("operations")
    @classmethod
    def _operations_are_known_and_differ(cls, operations: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in operations if name not in OPERATIONS]
        if unknown:
            raise ValueError(f"unknown operations {unknown}; known are {sorted(OPERATIONS)}")
        if len(set(operations)) != len(operations):
            raise ValueError(f"each operation may be named once, got {list(operations)}")
        if not any(OPERATIONS[name].connects for name in operations):
            raise ValueError(f"no operation of {list(operations)} connects two nodes")
        return operations

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source, target) of each decision: 1<-0, 2<-0, 2<-1, 3<-0, ..."""
        return cell_edges(self.num_nodes)

    @property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        return (self.operations,) * len(self.edges)

    def histogram(self) -> dict[int, Count]:
        completions = cell_counting(self.num_nodes, self.operations).completions
        dead = completions.get(UNREACHED, 0)
        counts = {
            count: Count(all=number, valid=number)
            for count, number in completions.items()
            if count != UNREACHED
        }
        if dead:
            valid = completions.get(0, 0)
            counts[0] = Count(all=valid + dead, valid=valid)
        return dict(sorted(counts.items()))

    def nonlinearity_count(self, architecture: Architecture) -> int:
        return max(0, _best_count(self.num_nodes, architecture))

    def is_valid(self, architecture: Architecture) -> bool:
        return _best_count(self.num_nodes, architecture) != UNREACHED

    def live_edges(self, architecture: Architecture) -> tuple[bool, ...]:
        """Tell, per decision, whether its edge lies on a live input-to-output path."""
        connected = [OPERATIONS[name].connects for name in architecture]
        edges = tuple(zip(self.edges, connected, strict=True))
        from_input = {0}
        for (source, target), connects in edges:
            if connects and source in from_input:
                from_input.add(target)
        to_output = {self.num_nodes - 1}
        for (source, target), connects in reversed(edges):
            if connects and target in to_output:
                to_output.add(source)
        return tuple(
            connects and source in from_input and target in to_output
            for (source, target), connects in edges
        )

    def sample(self, rng: Random, counts: Collection[int] | None = None) -> Architecture:
        if counts is not None and not isinstance(counts, frozenset):
            counts = frozenset(counts)
        tables = cell_counting(self.num_nodes, self.operations)
        architecture = tables.sample(rng, counts)
        if architecture is None:
            raise ValueError(
                f"{self.name} has no valid architecture with a nonlinearity count in "
                f"{sorted(counts or ())}"
            )
        return architecture

    def enumerate(self) -> Iterator[Architecture]:
        return product(self.operations, repeat=len(self.edges))

    def encode(self, architecture: Architecture) -> str:
        nodes: list[list[str]] = [[] for _ in range(self.num_nodes - 1)]
        for (source, target), name in zip(self.edges, architecture, strict=True):
            nodes[target - 1].append(f"{name}~{source}")
        return "+".join(f"|{'|'.join(node)}|" for node in nodes)

    def decode(self, code: str) -> Architecture:
        names = [part.partition("~")[0] for part in code.replace("+", "").split("|") if part]
        unknown = sorted({name for name in names if name not in self.operations})
        if unknown:
            raise UnknownArchitecture(
                f"{code!r} is no architecture of {self.name}: operations {unknown} are not among "
                f"{list(self.operations)}"
            )
        if len(names) != len(self.edges) or self.encode(tuple(names)) != code:
            example = self.encode((self.operations[0],) * len(self.edges))
            raise UnknownArchitecture(
                f"{code!r} is no architecture of {self.name}: expected one operation for each of "
                f"{len(self.edges)} edges, written like {example!r}"
            )
        return tuple(names)

    def flops(self, architecture: Architecture) -> int:
        costs = _costs(self.skeleton, self.operations)
        return costs.fixed_flops + sum(
            costs.flops[name]
            for name, live in zip(architecture, self.live_edges(architecture), strict=True)
            if live
        )

    def parameters(self, architecture: Architecture) -> int:
        costs = _costs(self.skeleton, self.operations)
        return costs.fixed_parameters + sum(
            costs.parameters[name]
            for name, live in zip(architecture, self.live_edges(architecture), strict=True)
            if live
        )

    def cheapest(self) -> tuple[Architecture, ...]:
        costs = _costs(self.skeleton, self.operations)
        front = costs.cheapest_operations()
        num_edges = len(self.edges)
        absent = next((name for name in self.operations if not OPERATIONS[name].connects), None)
        if absent is None:
            # Every edge is live and costs the same wherever it is.
            return tuple(combinations_with_replacement(front, num_edges))
        # Any valid cell has a live edge, so one of these holds no more than it does.
        direct = self.edges.index((0, self.num_nodes - 1))
        return tuple(
            tuple(name if edge == direct else absent for edge in range(num_edges))
            for name in front
        )


@dataclass(frozen=True, slots=True)
class _Costs:
    """Multiply-adds and parameters of the network without cells, and per live edge of each kind."""

    fixed_flops: int
    fixed_parameters: int
    flops: dict[str, int]
    parameters: dict[str, int]

    def cheapest_operations(self) -> tuple[str, ...]:
        """Return connecting operations, of which every other one is dearer than or equal to one."""
        front: list[str] = []
        connecting = [name for name in self.flops if OPERATIONS[name].connects]
        for name in sorted(connecting, key=lambda name: (self.flops[name], self.parameters[name])):
            if not front or self.parameters[name] < self.parameters[front[-1]]:
                front.append(name)
        return tuple(front)


@lru_cache(maxsize=64)
def _costs(skeleton: Skeleton, operations: tuple[str, ...]) -> _Costs:
    known = [OPERATIONS[name] for name in operations]
    return _Costs(
        fixed_flops=skeleton.fixed_flops(),
        fixed_parameters=skeleton.fixed_parameters(),
        flops={operation.kind: skeleton.operation_flops(operation) for operation in known},
        parameters={
            operation.kind: skeleton.operation_parameters(operation) for operation in known
        },
    )


@lru_cache(maxsize=2**16)
def _best_count(num_nodes: int, architecture: Architecture) -> int:
    """Return the most nonlinear functions on any live path, or UNREACHED for a dead cell."""
    best = [0] + [UNREACHED] * (num_nodes - 1)
    for (source, target), name in zip(cell_edges(num_nodes), architecture, strict=True):
        operation = OPERATIONS[name]
        if operation.connects and best[source] != UNREACHED:
            best[target] = max(best[target], best[source] + operation.nonlinearities)
    return best[-1]
