"""The tables of spaces, built once per process however often a space is read from the database."""

from functools import lru_cache
from typing import TYPE_CHECKING

from nas.spaces.costs import CostRange, cost_fronts
from nas.spaces.counting import Counting
from nas.spaces.labelling import EFFECTIVE, TOTAL, Labelling
from nas.spaces.marginals import OperationCounts
from nas.spaces.marginals import operation_counts as counted

if TYPE_CHECKING:
    from nas.spaces.base import Architecture, Space


@lru_cache(maxsize=64)
def counting(space: "Space", labelling: Labelling) -> Counting:
    """Return the exact counts of a space by a labelling."""
    return Counting(space.automaton(labelling), labelling.reduced)


@lru_cache(maxsize=64)
def operation_counts(space: "Space", labelling: Labelling) -> OperationCounts | None:
    """Return how many valid architectures choose each operation, per label."""
    return counted(space.automaton(labelling), labelling.reduced)


@lru_cache(maxsize=64)
def ranges(space: "Space", labelling: Labelling) -> dict[int, CostRange]:
    """Return the exact ranges of cost per label, over valid architectures."""
    return space.cost_ranges(labelling)


@lru_cache(maxsize=64)
def cheapest(space: "Space") -> tuple["Architecture", ...]:
    """Return valid architectures such that one costs at most what any given one does."""
    return cost_fronts(space.live_automaton(TOTAL), space.costs)[0]


@lru_cache(maxsize=64)
def cheapest_by_count(space: "Space") -> dict[int, tuple["Architecture", ...]]:
    """Return such architectures for every nonlinearity count, ascending, of that count each."""
    return cost_fronts(space.live_automaton(EFFECTIVE), space.costs, EFFECTIVE.reduced)
