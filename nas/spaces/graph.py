"""The graph of a cell: which edges there are, which of them an architecture keeps alive."""

from dataclasses import dataclass
from functools import cached_property

from nas.operations import OPERATIONS
from nas.spaces.base import Architecture

UNREACHED = -1
"""Best count of a node that no path from an input reaches."""


@dataclass(frozen=True)
class CellGraph:
    """A directed acyclic graph whose nodes are numbered so that every edge leads upwards.

    Attributes:
        num_nodes: inputs included; they come first.
        num_inputs: nodes that hold what the cell is given.
        outputs: nodes whose features the cell's output is made of.
        edges: (source, target) of each decision, by target and then source.
        choices: candidate operations of each decision.
    """

    num_nodes: int
    num_inputs: int
    outputs: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    choices: tuple[tuple[str, ...], ...]

    @cached_property
    def last_edge_out(self) -> tuple[int, ...]:
        """Per node, the position in `edges` of the last edge out of it, -1 without one."""
        last = [-1] * self.num_nodes
        for position, (source, _) in enumerate(self.edges):
            last[source] = position
        return tuple(last)

    @cached_property
    def last_edge_in(self) -> tuple[int, ...]:
        """Per node, the position in `edges` of the last edge into it, -1 without one."""
        last = [-1] * self.num_nodes
        for position, (_, target) in enumerate(self.edges):
            last[target] = position
        return tuple(last)

    @cached_property
    def last_source_first(self) -> tuple[int, ...]:
        """Positions in `edges`, those of edges out of later nodes first."""
        positions = range(len(self.edges))
        return tuple(sorted(positions, key=self.edges.__getitem__, reverse=True))

    def best_count(self, architecture: Architecture) -> int:
        """Return the most nonlinear functions on any live path, UNREACHED for a dead cell."""
        best = [0] * self.num_inputs + [UNREACHED] * (self.num_nodes - self.num_inputs)
        for (source, target), name in zip(self.edges, architecture, strict=True):
            operation = OPERATIONS[name]
            if operation.connects and best[source] != UNREACHED:
                count = best[source] + operation.nonlinearities
                if count > best[target]:
                    best[target] = count
        return max(best[node] for node in self.outputs)

    def live_edges(self, architecture: Architecture) -> tuple[bool, ...]:
        """Tell, per decision, whether its edge lies on a live path from an input to the output."""
        connected = [OPERATIONS[name].connects for name in architecture]
        from_input = set(range(self.num_inputs))
        for (source, target), connects in zip(self.edges, connected, strict=True):
            if connects and source in from_input:
                from_input.add(target)
        to_output = set(self.outputs)
        for position in self.last_source_first:
            source, target = self.edges[position]
            if connected[position] and target in to_output:
                to_output.add(source)
        return tuple(
            connects and source in from_input and target in to_output
            for (source, target), connects in zip(self.edges, connected, strict=True)
        )

    def total_count(self, architecture: Architecture) -> int:
        """Return the nonlinear functions on all live paths together, 0 for a dead cell."""
        live = self.live_edges(architecture)
        return sum(
            OPERATIONS[name].nonlinearities
            for name, alive in zip(architecture, live, strict=True)
            if alive
        )

    def is_valid(self, architecture: Architecture) -> bool:
        """Tell whether the output depends on an input."""
        return self.best_count(architecture) != UNREACHED
