"""The exact least and greatest cost of the cells of every label, by a sweep over the edges.

Counting has to meet every architecture exactly once. An extreme need not: a walk may state a cost
beyond the true one of its architecture as long as it errs to the harmless side and another walk
states the true one. That leaves far fewer states than `nas.spaces.cell_automata` needs, so few
that all of one position fit into a handful of arrays.

Every node is guessed to be live (on a path of connecting operations from an input to an output),
unreached (no input leads to it) or stray (it leads to no output). Between two live nodes an
operation costs what it costs, elsewhere nothing. A connecting operation must not lead from a live
or a stray node to an unreached one, nor from a stray to a live one; a live node that is no input
is reached by a live one. Then the count of a live node, the most nonlinear functions on a path to
it, is exact. That a live node also leads on to a live one matters only where a wrong guess would
do harm: to the greatest cost, which it would overstate, and to a label that is a sum over live
edges.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from nas.operations import OPERATIONS
from nas.spaces.costs import Cost, CostRange, Costs, Range
from nas.spaces.graph import CellGraph
from nas.spaces.labelling import EFFECTIVE, ChoiceSum, Labelling

FORGOTTEN = UNREACHED = 0
"""What stands for a node that no later edge touches, and for one that no input leads to."""

STRAY = 1
AWAITED = 2
"""Guessed to be live, but no live edge into it is decided yet."""

LIVE = 3
"""Live with count 0; a live node of count c is LIVE + c."""

MOST_IN_64_BITS = 2**63 - 1

Integers = NDArray[np.int64]
Values = NDArray[np.int64] | NDArray[np.object_]
"""Costs: of Python's integers where 64 bits might not hold them."""

Mask = NDArray[np.bool_]


def cell_ranges(graph: CellGraph, costs: Costs, labelling: Labelling) -> dict[int, CostRange]:
    """Return the exact ranges of FLOPs and parameters per label, over valid architectures.

    Args:
        graph: of the cell.
        costs: of its space; none is negative.
        labelling: what tells the sub-spaces apart.
    """
    extremes = [
        [_Sweep(graph, costs, labelling, kind, greatest).extremes() for greatest in (False, True)]
        for kind in Cost._fields
    ]
    return {
        label: CostRange(
            *(
                Range(least[label] + fixed, greatest[label] + fixed)
                for (least, greatest), fixed in zip(extremes, costs.fixed, strict=True)
            )
        )
        for label in sorted(extremes[0][0])
    }


class _Live(NamedTuple):
    """What an operation does between two live nodes, for the best cost of all that do so."""

    connects: bool
    nonlinearities: int
    weight: int
    cost: int


class _Weights(NamedTuple):
    """What an operation adds to the sum where it costs nothing.

    Attributes:
        any: of any operation.
        barred: of one that does not connect.
    """

    any: set[int]
    barred: set[int]


@dataclass(frozen=True, slots=True)
class _States:
    """States of one position, a row each.

    Attributes:
        nodes: a code per node, (S, N).
        led_on: a bit per node, whether it is fed into a live node or is an output, (S,).
        best: code of the live output with most nonlinear functions, 0 without one, (S,).
        total: sum of weights so far, (S,).
        value: cost so far, (S,).
    """

    nodes: NDArray[np.int8]
    led_on: Integers
    best: Integers
    total: Integers
    value: Values

    def where(self, rows: Mask | Integers) -> Self:
        """Return some of the states."""
        return type(self)(
            self.nodes[rows],
            self.led_on[rows],
            self.best[rows],
            self.total[rows],
            self.value[rows],
        )

    def plus(self, weight: int, modulus: int | None) -> Self:
        """Return the states with a weight added."""
        total = self.total + weight
        if modulus is not None:
            total %= modulus
        return type(self)(self.nodes, self.led_on, self.best, total, self.value)


class _Sweep:
    """One extreme of one cost, over all labels."""

    def __init__(
        self, graph: CellGraph, costs: Costs, labelling: Labelling, kind: str, greatest: bool
    ) -> None:
        self._graph = graph
        self._greatest = greatest
        self._labelling = labelling
        self._modulus = labelling.modulus if isinstance(labelling, ChoiceSum) else None
        self._counts_paths = labelling == EFFECTIVE
        sums_choices = isinstance(labelling, ChoiceSum)
        self._checks_leading = greatest or not (self._counts_paths or sums_choices)
        costs_by_edge = [
            {name: getattr(cost, kind) for name, cost in choices.items()}
            for choices in costs.choices
        ]
        bound = sum(max(choices.values()) for choices in costs_by_edge)
        self._exceeds_64_bits = bound > MOST_IN_64_BITS
        self._between_live: list[tuple[_Live, ...]] = []
        self._weights: list[_Weights] = []
        for position, names in enumerate(graph.choices):
            self._add_edge(position, names, costs_by_edge[position])
        most = max(
            (choice.nonlinearities for choices in self._between_live for choice in choices),
            default=0,
        )
        self._num_codes = LIVE + most * (graph.num_nodes - 1) + 1
        self._bits_led_on = graph.num_nodes
        self._roles = tuple(
            self._possible_roles(node, sums_choices) for node in range(graph.num_nodes)
        )

    def _add_edge(self, position: int, names: tuple[str, ...], costs: dict[str, int]) -> None:
        extreme = max if self._greatest else min
        labelling = self._labelling
        live: dict[tuple[bool, int, int], int] = {}
        weights = _Weights(set(), set())
        for place, name in enumerate(names):
            operation = OPERATIONS[name]
            count = operation.nonlinearities if operation.connects else 0
            if isinstance(labelling, ChoiceSum):
                weight = weight_if_live = labelling.weights[position][place]
            else:
                weight, weight_if_live = 0, 0 if self._counts_paths else count
            kind = operation.connects, count if self._counts_paths else 0, weight_if_live
            cost = costs[name] if operation.connects else 0
            live[kind] = extreme(live.get(kind, cost), cost)
            weights.any.add(weight)
            if not operation.connects:
                weights.barred.add(weight)
        self._between_live.append(tuple(_Live(*kind, cost) for kind, cost in live.items()))
        self._weights.append(weights)

    def _possible_roles(self, node: int, sums_choices: bool) -> tuple[int, ...]:
        """Return what a node that is no input can be guessed to be."""
        graph = self._graph
        if node in graph.outputs:
            return AWAITED, UNREACHED
        if graph.last_edge_out[node] < 0:
            return (STRAY,)
        must_connect = any(
            node in edge and not weights.barred
            for edge, weights in zip(graph.edges, self._weights, strict=True)
        )
        # Where every edge can be left unconnected and nothing but live edges matters, a node that
        # is not live may as well be unreached: no state needs to tell it from a stray one.
        if must_connect or sums_choices:
            return AWAITED, UNREACHED, STRAY
        return AWAITED, UNREACHED

    def extremes(self) -> dict[int, int]:
        """Return the extreme per label, fixed cost left out, over valid architectures."""
        states = self._start()
        for position in range(len(self._graph.edges)):
            states = self._distinct(self._decided(position, self._guessed(position, states)))
        found: dict[int, int] = {}
        states = states.where(states.best > 0)
        labels = states.best - LIVE if self._counts_paths else states.total
        for label, value in zip(labels.tolist(), states.value.tolist(), strict=True):
            label = label if self._counts_paths else self._labelling.reduced(label)
            known = found.setdefault(label, value)
            found[label] = max(known, value) if self._greatest else min(known, value)
        return found

    def _start(self) -> _States:
        graph = self._graph
        rows = [[UNREACHED] * graph.num_nodes]
        for node in range(graph.num_inputs):
            if graph.last_edge_out[node] >= 0:
                rows = [
                    [*row[:node], code, *row[node + 1 :]] for row in rows for code in (LIVE, STRAY)
                ]
        zeros = np.zeros(len(rows), dtype=np.int64)
        free: Values = zeros.astype(object) if self._exceeds_64_bits else zeros
        return _States(np.array(rows, dtype=np.int8), zeros, zeros, zeros, free)

    def _guessed(self, position: int, states: _States) -> _States:
        """Guess the role of the target of an edge, if it is the first edge into it."""
        edges = self._graph.edges
        _, target = edges[position]
        if position and edges[position - 1][1] == target:
            return states
        parts = []
        for code in self._roles[target]:
            nodes = states.nodes.copy()
            nodes[:, target] = code
            parts.append(_States(nodes, states.led_on, states.best, states.total, states.value))
        return _joined(parts)

    def _decided(self, position: int, states: _States) -> _States:
        """Return the states after one edge, the same state perhaps several times."""
        source, target = self._graph.edges[position]
        before, after = states.nodes[:, source], states.nodes[:, target]
        live = (before >= LIVE) & (after >= AWAITED)
        barred = ((before != UNREACHED) & (after == UNREACHED)) | (
            (before == STRAY) & (after >= AWAITED)
        )
        weights = self._weights[position]
        parts = [
            states.where(rows).plus(weight, self._modulus)
            for rows, added in ((barred, weights.barred), (~(live | barred), weights.any))
            for weight in added
        ]
        between = states.where(live)
        parts += [
            self._joined_live(position, between, choice) for choice in self._between_live[position]
        ]
        return self._settled(position, _joined(parts))

    def _joined_live(self, position: int, states: _States, choice: _Live) -> _States:
        """Return the states after an operation between two live nodes."""
        states = states.plus(choice.weight, self._modulus)
        if not choice.connects:
            return states
        source, target = self._graph.edges[position]
        nodes = states.nodes.copy()
        np.maximum(
            nodes[:, target], nodes[:, source] + choice.nonlinearities, out=nodes[:, target]
        )
        led_on = states.led_on | (1 << source) if self._checks_leading else states.led_on
        return _States(nodes, led_on, states.best, states.total, states.value + choice.cost)

    def _settled(self, position: int, states: _States) -> _States:
        """Drop the states whose guesses this edge has refuted, and forget what is settled."""
        graph = self._graph
        source, target = graph.edges[position]
        nodes, led_on, best = states.nodes, states.led_on, states.best
        kept = np.ones(len(nodes), dtype=np.bool_)
        if graph.last_edge_in[target] == position:
            kept &= nodes[:, target] != AWAITED
            if target in graph.outputs:
                reached = nodes[:, target] >= LIVE
                best = np.where(reached, np.maximum(best, nodes[:, target]), best)
                if self._checks_leading:
                    led_on = np.where(reached, led_on | (1 << target), led_on)
        if graph.last_edge_out[source] == position and self._checks_leading:
            kept &= (nodes[:, source] < LIVE) | (led_on & (1 << source) != 0)
        nodes = nodes.copy()
        for node in (source, target):
            if max(graph.last_edge_in[node], graph.last_edge_out[node]) == position:
                nodes[:, node] = FORGOTTEN
                led_on = led_on & ~(1 << node)
        return _States(nodes, led_on, best, states.total, states.value).where(kept)

    def _distinct(self, states: _States) -> _States:
        """Return every state once, with its best value, less those that another one outdoes."""
        alike = self._key(states)
        if not self._checks_leading:
            return states.where(self._best_rows(alike, states.value))
        states = states.where(
            self._best_rows(alike << self._bits_led_on | states.led_on, states.value)
        )
        # That a live node has led on to more nodes only allows more: at no worse a value such a
        # state outdoes another.
        alike = self._key(states)
        champions = self._best_rows(alike, states.value)
        champion = champions[np.searchsorted(alike[champions], alike)]
        outdone = states.led_on & ~states.led_on[champion] == 0
        outdone[champions] = False
        return states.where(~outdone)

    def _key(self, states: _States) -> Integers:
        """Return one integer per state, the same for those that differ in value and `led_on`."""
        totals, key = np.unique(states.total, return_inverse=True)
        num_keys = len(totals) * self._num_codes ** (1 + self._graph.num_nodes)
        assert num_keys << self._bits_led_on <= MOST_IN_64_BITS, "a key needs more than 64 bits"
        key = key.astype(np.int64)
        for digit in (states.best, *states.nodes.T):
            key = key * self._num_codes + digit
        return key

    def _best_rows(self, key: Integers, value: Values) -> Integers:
        """Return the row of the best value for every key, by ascending key."""
        order = np.argsort(-value if self._greatest else value, kind="stable")
        order = order[np.argsort(key[order], kind="stable")]
        return order[np.flatnonzero(np.diff(key[order], prepend=-1))]


def _joined(parts: list[_States]) -> _States:
    return _States(
        np.concatenate([part.nodes for part in parts]),
        np.concatenate([part.led_on for part in parts]),
        np.concatenate([part.best for part in parts]),
        np.concatenate([part.total for part in parts]),
        np.concatenate([part.value for part in parts]),
    )
