"""The walks through cells that exact counting uses: see `nas.spaces.counting`."""

from collections.abc import Hashable, Iterable
from itertools import product
from typing import Literal, NamedTuple, cast

from nas.operations import OPERATIONS
from nas.spaces.counting import Automaton, Outcome, Step, Tables, WalkedTables
from nas.spaces.graph import UNREACHED, CellGraph
from nas.spaces.labelling import ChoiceSum, Labelling
from nas.spaces.node_tables import FORGOTTEN, NodeTables


class PathAutomaton(Automaton):
    """Walks the edges by target and knows the most nonlinear functions on any path to each node.

    The label is that of the best output node. A state holds one number per node and, last, that of
    the output so far.
    """

    def __init__(self, graph: CellGraph) -> None:
        self.choices = graph.choices
        self.order = tuple(range(len(graph.edges)))
        self._graph = graph
        inputs = [
            0 if graph.last_edge_out[node] >= 0 else FORGOTTEN for node in range(graph.num_inputs)
        ]
        inner = graph.num_nodes - graph.num_inputs
        self.start = (*inputs, *([UNREACHED] * inner), UNREACHED)

    def steps(self, position: int, state: Hashable) -> Iterable[Step]:
        before = cast("tuple[int, ...]", state)
        after: dict[tuple[bool, int], Hashable] = {}
        for name in self.choices[position]:
            operation = OPERATIONS[name]
            kind = operation.connects, operation.nonlinearities
            if kind not in after:
                after[kind] = self._advanced(position, before, *kind)
            yield Step(name, self._weight(position, name), after[kind])

    def outcome(self, state: Hashable) -> Outcome:
        best = cast("tuple[int, ...]", state)[-1]
        return Outcome(label=max(best, 0), valid=best != UNREACHED)

    def tables(self, bits: int) -> Tables:
        return NodeTables(self, self._graph, bits)

    def _weight(self, position: int, name: str) -> int:
        return 0

    def _advanced(
        self, position: int, state: tuple[int, ...], connects: bool, nonlinearities: int
    ) -> tuple[int, ...]:
        graph = self._graph
        source, target = graph.edges[position]
        best = list(state)
        if connects and best[source] != UNREACHED:
            best[target] = max(best[target], best[source] + nonlinearities)
        if graph.last_edge_in[target] == position and target in graph.outputs:
            best[-1] = max(best[-1], best[target])
        for node in (source, target):
            if max(graph.last_edge_in[node], graph.last_edge_out[node]) == position:
                best[node] = FORGOTTEN
        return tuple(best)


class ChoiceAutomaton(PathAutomaton):
    """Walks the edges by target, adds a weight per choice, and knows which nodes are reached."""

    def __init__(self, graph: CellGraph, weights: tuple[tuple[int, ...], ...]) -> None:
        super().__init__(graph)
        self._weights = _by_name(graph, weights)

    def outcome(self, state: Hashable) -> Outcome:
        return Outcome(label=0, valid=super().outcome(state).valid)

    def tables(self, bits: int) -> Tables:
        # What is known of a node is one of two things: there are few states, edge by edge too.
        return WalkedTables(self, bits)

    def _weight(self, position: int, name: str) -> int:
        return self._weights[position][name]

    def _advanced(
        self, position: int, state: tuple[int, ...], connects: bool, nonlinearities: int
    ) -> tuple[int, ...]:
        return super()._advanced(position, state, connects, 0)


Role = Literal["ahead", "live", "fed", "unreached", "stray", "done"]
"""What a node is in one architecture.

ahead: not guessed yet; live: on a live path, if a live edge into it still comes; fed: on a live
path; unreached: it leads to the output, but no input leads to it; stray: it does not lead to the
output; done: no later decision depends on it.
"""


class _Walked(NamedTuple):
    """A state of `LiveAutomaton`.

    Attributes:
        roles: of every node.
        leads: whether the node whose edges are being decided leads to the output.
        valid: whether an input is live.
        best: per node, the most nonlinear functions on a live path from it to the output, where
            the label is that of the best path; else all 0.
        overall: the best of the live inputs.
    """

    roles: tuple[Role, ...]
    leads: bool
    valid: bool
    best: tuple[int, ...]
    overall: int


class LiveAutomaton(Automaton):
    """Walks the edges backwards by source and knows which are live.

    The role of a node is guessed before the edges out of it are decided. Those must then agree
    with whether it leads to the output; the edges into it, which are decided later, with whether
    an input leads to it.
    """

    def __init__(self, graph: CellGraph, labelling: Labelling) -> None:
        self.choices = graph.choices
        self._weights: tuple[dict[str, int], ...] | None = None
        self._counts_paths = False
        if isinstance(labelling, ChoiceSum):
            self._weights = _by_name(graph, labelling.weights)
        else:
            self._counts_paths = labelling.reading == "effective"
        self.order = tuple(
            sorted(range(len(graph.edges)), key=lambda edge: graph.edges[edge], reverse=True)
        )
        self._graph = graph
        self._walk = [graph.edges[edge] for edge in self.order]
        sources = [source for source, _ in self._walk]
        self._first_out = {source: sources.index(source) for source in sources}
        self._last_out = {source: position for position, source in enumerate(sources)}
        self._last_in = {target: position for position, (_, target) in enumerate(self._walk)}
        self.start = _Walked(
            roles=tuple(self._role_at_start(node) for node in range(graph.num_nodes)),
            leads=False,
            valid=False,
            best=(0,) * graph.num_nodes,
            overall=0,
        )

    def steps(self, position: int, state: Hashable) -> Iterable[Step]:
        decision = self.order[position]
        for guessed in self._guesses(position, cast("_Walked", state)):
            after: dict[tuple[bool, int], tuple[bool, _Walked] | None] = {}
            for name in self.choices[decision]:
                operation = OPERATIONS[name]
                added = operation.nonlinearities if self._counts_paths else 0
                kind = operation.connects, added
                if kind not in after:
                    after[kind] = self._decided(position, guessed, *kind)
                decided = after[kind]
                if decided is not None:
                    live, walked = decided
                    yield Step(name, self._weight(decision, name, live), walked, live)

    def _weight(self, decision: int, name: str, live: bool) -> int:
        if self._weights is not None:
            return self._weights[decision][name]
        return OPERATIONS[name].nonlinearities if live and not self._counts_paths else 0

    def outcome(self, state: Hashable) -> Outcome:
        walked = cast("_Walked", state)
        return Outcome(label=walked.overall, valid=walked.valid)

    def _role_at_start(self, node: int) -> Role:
        if node in self._first_out:
            return "ahead"
        if node not in self._graph.outputs:
            return "stray"
        return "ahead" if node in self._last_in else "done"

    def _guesses(self, position: int, state: _Walked) -> Iterable[_Walked]:
        """Yield the state with a role for the source, and at the start for the ends of the graph."""
        if position != self._first_out[self._walk[position][0]]:
            yield state
            return
        options: list[tuple[Role, ...]] = []
        source = self._walk[position][0]
        for node, role in enumerate(state.roles):
            is_end = position == 0 and node not in self._first_out
            if role == "ahead" and (node == source or is_end):
                options.append(self._possible_roles(node))
            else:
                options.append((role,))
        for roles in product(*options):
            yield state._replace(roles=roles, leads=source in self._graph.outputs)

    def _possible_roles(self, node: int) -> tuple[Role, ...]:
        if node < self._graph.num_inputs:
            return ("fed", "stray")
        if node in self._graph.outputs:
            return ("live", "unreached")
        return ("live", "unreached", "stray")

    def _decided(
        self, position: int, state: _Walked, connects: bool, nonlinearities: int
    ) -> tuple[bool, _Walked] | None:
        """Return whether an edge is live and the state after it, None if it contradicts roles."""
        source, target = self._walk[position]
        roles, best = list(state.roles), list(state.best)
        leads, valid, overall, live = state.leads, state.valid, state.overall, False
        if connects and roles[target] in ("live", "fed", "unreached"):
            if not _may_lead(roles[source], roles[target]):
                return None
            leads = True
            if roles[source] != "unreached":
                roles[target] = "fed"
                live = True
                best[source] = max(best[source], best[target] + nonlinearities)
        if position == self._last_out[source]:
            if roles[source] != "stray" and not leads:
                return None
            leads = False
            if source < self._graph.num_inputs and roles[source] == "fed":
                valid = True
                overall = max(overall, best[source])
        for node in (source, target):
            if max(self._last_in.get(node, -1), self._last_out.get(node, -1)) <= position:
                if roles[node] == "live":
                    return None
                roles[node], best[node] = "done", 0
        return live, _Walked(tuple(roles), leads, valid, tuple(best), overall)


def _may_lead(source: Role, target: Role) -> bool:
    """Tell whether a connecting edge to a node that leads to the output agrees with both roles."""
    return source == "unreached" or (source != "stray" and target != "unreached")


def _by_name(graph: CellGraph, weights: tuple[tuple[int, ...], ...]) -> tuple[dict[str, int], ...]:
    return tuple(
        dict(zip(names, row, strict=True))
        for names, row in zip(graph.choices, weights, strict=True)
    )
