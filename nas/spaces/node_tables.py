"""Exact counting of cells node by node, where a walk edge by edge would meet too many states.

Given the best counts of the nodes before, how many choices on the edges into a node leave its best
count at most m is a product over those edges. One sweep over the nodes thus takes the place of a
walk over the edges and over every partial best count between two nodes. All states of one node fit
into an array, and only the walks that are really drawn are followed edge by edge.
"""

from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from math import prod
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from nas.operations import OPERATIONS
from nas.spaces.counting import Automaton, Step, Tables
from nas.spaces.graph import UNREACHED, CellGraph

FORGOTTEN = -2
"""Stands for what was known of a node that no later decision depends on."""

STATES_AT_ONCE = 20_000

Integers = NDArray[np.int64]

Numbers = NDArray[np.object_]
"""Python's integers: what is counted here exceeds 64 bits."""


class _Keys:
    """States as one integer each, so that arrays of them are sorted and found fast.

    A state has the best count of every node, and last that of the output so far.
    """

    def __init__(self, graph: CellGraph) -> None:
        highest = [0] * graph.num_nodes
        for (source, target), names in zip(graph.edges, graph.choices, strict=True):
            most = max(OPERATIONS[name].nonlinearities for name in names)
            highest[target] = max(highest[target], highest[source] + most)
        sizes = [most - FORGOTTEN + 1 for most in (*highest, max(highest))]
        if prod(sizes) >= 2**63:
            raise OverflowError(f"states of {sizes} values per node do not fit into 64 bits")
        self._sizes = np.array(sizes, dtype=np.int64)
        self._units = np.array(
            [prod(sizes[:place]) for place in range(len(sizes))], dtype=np.int64
        )

    def of(self, states: Integers) -> Integers:
        """Return the keys of states, given as rows."""
        keys: Integers = (states - FORGOTTEN) @ self._units
        return keys

    def states(self, keys: Integers) -> Integers:
        """Return the states of keys as rows."""
        rows: Integers = keys[:, None] // self._units % self._sizes + FORGOTTEN
        return rows


class _Moves(NamedTuple):
    """What the choices on all edges into a node make of some states.

    Attributes:
        origin: per move, the position of its state, ascending.
        choices: how many choices make that move.
        keys: per move, that of the state after it.
    """

    origin: Integers
    choices: Numbers
    keys: Integers


class _Node:
    """A node with edges into it.

    Args:
        graph: of the cell.
        keys: of its states.
        node: its number.
        positions: of the edges into it, in a row.
    """

    def __init__(self, graph: CellGraph, keys: _Keys, node: int, positions: Sequence[int]) -> None:
        self.first = positions[0]
        self._keys = keys
        self._node = node
        self._is_output = node in graph.outputs
        self._sources = [graph.edges[position][0] for position in positions]
        self._forgotten = [
            other
            for other in (*self._sources, node)
            if max(graph.last_edge_in[other], graph.last_edge_out[other]) <= positions[-1]
        ]
        self._operations = [
            [OPERATIONS[name] for name in graph.choices[position]] for position in positions
        ]

    def moves(self, keys: Integers) -> _Moves:
        """Return what becomes of some states."""
        states = self._keys.states(keys)
        most = max(
            operation.nonlinearities for choices in self._operations for operation in choices
        )
        best = np.arange(UNREACHED, max(0, int(states[:, self._sources].max())) + most + 1)
        at_most = np.ones((len(states), len(best)), dtype=np.int64)
        for source, choices in zip(self._sources, self._operations, strict=True):
            # Whatever is chosen, a source that no input reaches leaves the node as it is.
            by_value = [np.full(len(best), len(choices))]
            for value in range(int(states[:, source].max()) + 1):
                harmless = [
                    value + operation.nonlinearities <= best
                    if operation.connects
                    else np.ones(len(best), dtype=bool)
                    for operation in choices
                ]
                by_value.append(np.sum(harmless, axis=0))
            at_most *= np.array(by_value)[states[:, source] - UNREACHED]
        exactly = np.diff(at_most, axis=1, prepend=0)
        origin, place = np.nonzero(exactly)
        after = states[origin]
        after[:, self._node] = best[place]
        if self._is_output:
            after[:, -1] = np.maximum(after[:, -1], best[place])
        after[:, self._forgotten] = FORGOTTEN
        return _Moves(origin, exactly[origin, place].astype(object), self._keys.of(after))


class NodeTables(Tables):
    """Completions of the walk that knows the best count of every node.

    Args:
        automaton: that walk, edge by edge.
        graph: of the cell.
        bits: of a digit, see `nas.spaces.counting`.
    """

    def __init__(self, automaton: Automaton, graph: CellGraph, bits: int) -> None:
        self._automaton = automaton
        self._bits = bits
        self._keys = _Keys(graph)
        targets = groupby(range(len(graph.edges)), key=lambda position: graph.edges[position][1])
        self._nodes = [
            _Node(graph, self._keys, node, list(positions)) for node, positions in targets
        ]
        self._place = {node.first: place for place, node in enumerate(self._nodes)}
        self._place[len(graph.edges)] = len(self._nodes)
        self._steps: dict[tuple[int, Hashable], tuple[Step, ...]] = {}
        self._between: dict[tuple[int, Hashable], int] = {}
        self._levels = [self._keys.of(np.array([automaton.start], dtype=np.int64))]
        numbers: Numbers = np.array([1], dtype=object)
        for node in self._nodes:
            keys, numbers = _swept(node, self._levels[-1], numbers)
            self._levels.append(keys)
        digits = self._last_digits()
        self.valid_at_start, self.dead_at_start = (
            sum(number * digit for number, digit in zip(numbers, kind, strict=True))
            for kind in digits
        )

    def steps(self, position: int, state: Hashable) -> Sequence[Step]:
        key = position, state
        if key not in self._steps:
            self._steps[key] = tuple(self._automaton.steps(position, state))
        return self._steps[key]

    def valid(self, position: int, state: Hashable) -> int:
        key = position, state
        found = self._between.get(key)
        if found is not None:
            return found
        place = self._place.get(position)
        if place is None:
            found = sum(
                self.valid(position + 1, step.state) for step in self.steps(position, state)
            )
        else:
            row = np.array([state], dtype=np.int64)
            index = np.searchsorted(self._levels[place], self._keys.of(row)[0])
            found = cast("int", self._completions[place][index])
        self._between[key] = found
        return found

    def _last_digits(self) -> tuple[list[int], list[int]]:
        """Return one architecture in the digit of its label, per last state; valid, then dead."""
        valid, dead = [], []
        for state in self._keys.states(self._levels[-1]):
            outcome = self._automaton.outcome(tuple(state.tolist()))
            assert outcome is not None
            digit = 1 << (self._bits * outcome.label)
            valid.append(digit if outcome.valid else 0)
            dead.append(0 if outcome.valid else digit)
        return valid, dead

    @cached_property
    def _completions(self) -> list[Numbers]:
        """Per node, and at the end, the valid completions of every state; for drawing alone."""
        valid, _ = self._last_digits()
        found: list[Numbers] = [np.array(valid, dtype=object)]
        for place in reversed(range(len(self._nodes))):
            node, after = self._nodes[place], self._levels[place + 1]
            parts = [
                _led_back(node, part, after, found[-1]) for part in _parts(self._levels[place])
            ]
            found.append(np.concatenate(parts))
        return found[::-1]


def _swept(node: _Node, keys: Integers, numbers: Numbers) -> tuple[Integers, Numbers]:
    """Return the states after a node, and how many beginnings of architectures lead to each."""
    after: list[Integers] = []
    sums: list[Numbers] = []
    begin = 0
    for part in _parts(keys):
        moves = node.moves(part)
        ways = numbers[begin + moves.origin] * moves.choices
        begin += len(part)
        found, number = _summed(moves.keys, ways)
        after.append(found)
        sums.append(number)
    return _summed(np.concatenate(after), np.concatenate(sums))


def _summed(keys: Integers, numbers: Numbers) -> tuple[Integers, Numbers]:
    """Return every key once, ascending, with the sum of its numbers."""
    order = np.argsort(keys, kind="stable")
    found, borders = np.unique(keys[order], return_index=True)
    sums: Numbers = np.add.reduceat(numbers[order], borders)
    return found, sums


def _led_back(node: _Node, keys: Integers, after: Integers, completions: Numbers) -> Numbers:
    """Return the completions of some states before a node, given those of all behind it."""
    moves = node.moves(keys)
    ways = completions[np.searchsorted(after, moves.keys)] * moves.choices
    sums: Numbers = np.add.reduceat(ways, np.searchsorted(moves.origin, np.arange(len(keys))))
    return sums


def _parts(keys: Integers) -> Iterator[Integers]:
    """Yield the states in parts whose moves fit into little memory."""
    for begin in range(0, len(keys), STATES_AT_ONCE):
        yield keys[begin : begin + STATES_AT_ONCE]
