"""The tables of spaces, built once per process however often a space is read from the database."""

from functools import lru_cache
from typing import TYPE_CHECKING

from nas.spaces.costs import CostRange, cost_front, cost_ranges
from nas.spaces.counting import Counting, num_states
from nas.spaces.labelling import TOTAL, Labelling

if TYPE_CHECKING:
    from nas.spaces.base import Architecture, Space


@lru_cache(maxsize=64)
def counting(space: "Space", labelling: Labelling) -> Counting:
    """Return the exact counts of a space by a labelling."""
    return Counting(space.automaton(labelling), labelling.reduced)


@lru_cache(maxsize=64)
def ranges(space: "Space", labelling: Labelling) -> dict[int, CostRange]:
    """Return the exact ranges of cost per label, over valid architectures."""
    return cost_ranges(space.live_automaton(labelling), space.costs, labelling.reduced)


QUICK_STATES = 20_000
"""A walk of no more states takes about a second, on one core."""


@lru_cache(maxsize=256)
def ranges_are_quick(space: "Space", labelling: Labelling) -> bool:
    """Tell whether `ranges` answers about at once. Itself it takes a fraction of a second."""
    return num_states(space.live_automaton(labelling), QUICK_STATES) is not None


@lru_cache(maxsize=64)
def cheapest(space: "Space") -> tuple["Architecture", ...]:
    """Return valid architectures such that one costs at most what any given one does."""
    return cost_front(space.live_automaton(TOTAL), space.costs)
