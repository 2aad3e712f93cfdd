"""Exact counting and sampling in cells by dynamic programming, without enumeration.

The edges of a cell are decided in a fixed order, all edges into a node before any edge out of it.
What the past means for the future is then only, per node so far, the most nonlinear functions on
any path from the input to it, or that no path reaches it. Going over these states backwards gives
the number of completions per final nonlinearity count as Python integers, and a walk forwards that
spends one random integer below the number of completions draws one architecture uniformly:
exactly, without rejection and without floating-point probabilities.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from nas.operations import OPERATIONS
from nas.spaces.base import Architecture

UNREACHED = -1
"""State of a node that no path from the input reaches."""

State = tuple[int, ...]
"""Per node so far, in order: the best count, or UNREACHED. The last one may be unfinished."""


@lru_cache(maxsize=32)
def cell_edges(num_nodes: int) -> tuple[tuple[int, int], ...]:
    """Return (source, target) of every edge of a complete cell: 1<-0, 2<-0, 2<-1, 3<-0, ..."""
    return tuple((source, target) for target in range(1, num_nodes) for source in range(target))


@dataclass(frozen=True, slots=True)
class Branch:
    """One decision of the sampling walk at one state.

    Attributes:
        operations: those that leave at least one completion.
        cumulative: for each, the completions of the operations before it.
        next: for each, the branch of the next decision; None after the last one.
    """

    operations: tuple[str, ...]
    cumulative: tuple[int, ...]
    next: tuple["Branch | None", ...]


class CellCounting:
    """The counting tables of one kind of cell; `cell_counting` shares them between callers."""

    def __init__(self, num_nodes: int, operations: tuple[str, ...]) -> None:
        self._edges = cell_edges(num_nodes)
        self._operations = operations
        self._levels = self._reachable_states()
        self._trees: dict[frozenset[int] | None, tuple[int, Branch | None]] = {}
        self.completions: Mapping[int, int] = self._count_all()

    def sample(self, rng: Random, counts: frozenset[int] | None) -> Architecture | None:
        """Draw uniformly from the valid architectures with a count in `counts` (None: any).

        Returns:
            None if there is no such architecture.
        """
        tree = self._trees.get(counts)
        if tree is None:
            tree = self._trees[counts] = self._tree(counts)
        total, branch = tree
        if total == 0:
            return None
        rank = rng.randrange(total)
        chosen = []
        while branch is not None:
            index = bisect_right(branch.cumulative, rank) - 1
            rank -= branch.cumulative[index]
            chosen.append(branch.operations[index])
            branch = branch.next[index]
        return tuple(chosen)

    def _advance(self, state: State, edge: tuple[int, int], operation: str) -> State:
        source, target = edge
        known = OPERATIONS[operation]
        partial = state[target] if len(state) > target else UNREACHED
        if known.connects and state[source] != UNREACHED:
            partial = max(partial, state[source] + known.nonlinearities)
        return (*state[:target], partial)

    def _reachable_states(self) -> list[dict[State, tuple[State, ...]]]:
        """Return, per edge, each state before it with its successor per operation."""
        levels: list[dict[State, tuple[State, ...]]] = []
        frontier: set[State] = {(0,)}
        for edge in self._edges:
            level = {
                state: tuple(self._advance(state, edge, name) for name in self._operations)
                for state in frontier
            }
            levels.append(level)
            frontier = {after for successors in level.values() for after in successors}
        return levels

    def _final_states(self) -> set[State]:
        return {after for successors in self._levels[-1].values() for after in successors}

    def _count_all(self) -> dict[int, int]:
        """Return the number of architectures per final count; UNREACHED holds the dead ones."""
        tallies = {state: Counter({state[-1]: 1}) for state in self._final_states()}
        for level in reversed(self._levels):
            tallies = {state: _total(tallies[s] for s in after) for state, after in level.items()}
        return dict(sorted(tallies[(0,)].items()))

    def _tree(self, counts: frozenset[int] | None) -> tuple[int, Branch | None]:
        """Return the wanted architectures' number and the sampling walk through them."""
        below: dict[State, tuple[int, Branch | None]] = {
            state: (int(_is_wanted(state[-1], counts)), None) for state in self._final_states()
        }
        for level in reversed(self._levels):
            below = {
                state: _branch(self._operations, [below[after] for after in successors])
                for state, successors in level.items()
            }
        return below[(0,)]


@lru_cache(maxsize=64)
def cell_counting(num_nodes: int, operations: tuple[str, ...]) -> CellCounting:
    """Return the counting tables of cells with these nodes and candidate operations."""
    return CellCounting(num_nodes, operations)


def _is_wanted(count: int, counts: frozenset[int] | None) -> bool:
    return count != UNREACHED and (counts is None or count in counts)


def _total(tallies: Iterator[Counter[int]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for tally in tallies:
        total.update(tally)
    return total


def _branch(
    operations: Sequence[str], successors: Sequence[tuple[int, Branch | None]]
) -> tuple[int, Branch | None]:
    kept, cumulative, following = [], [], []
    total = 0
    for operation, (completions, branch) in zip(operations, successors, strict=True):
        if completions:
            kept.append(operation)
            cumulative.append(total)
            following.append(branch)
            total += completions
    return total, Branch(tuple(kept), tuple(cumulative), tuple(following))
