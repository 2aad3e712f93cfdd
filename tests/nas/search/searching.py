"""What tests of searchers share: every searcher there is, and searches without supernets."""

import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import TypeAdapter

from nas.errors import InfeasibleSearch
from nas.events import CandidateEvaluated
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.plugin import concrete_subclasses
from nas.search import AnySearcher
from nas.search.base import Searcher
from nas.search.constraints import Constraints
from nas.search.loop import search
from nas.search.state import SearchState
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Space

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]
PARTITION = NonlinearitySplitter().split(DIGITS)
VALID = {cell for cell in DIGITS.enumerate() if DIGITS.is_valid(cell)}
SMALL: dict[str, dict[str, Any]] = {
    "evolution": {
        "population_size": 10,
        "num_parents": 4,
        "num_mutations": 4,
        "num_crossovers": 4,
    },
    "nsga2": {"population_size": 10},
    "pareto-novelty": {"population_size": 10},
    "regularised-evolution": {"population_size": 10, "sample_size": 4},
}
"""Generations of which several fit into a test's budget, where the default ones do not."""

_ADAPTER: TypeAdapter[Searcher] = TypeAdapter(AnySearcher)
KINDS: tuple[str, ...] = tuple(
    sorted(
        found.model_fields["kind"].default for found in concrete_subclasses(Searcher, "nas.search")
    )
)


def searcher_of(kind: str, budget: int, space: Space = DIGITS, **changes: Any) -> Searcher:
    """Return a searcher; one that needs a larger budget for this space gets it."""
    made = {"kind": kind, "budget": budget, **SMALL.get(kind, {}), **changes}
    searcher = _ADAPTER.validate_python(made)
    try:
        searcher.check(space)
    except InfeasibleSearch as error:
        if error.parameter != "budget":
            raise
        return _ADAPTER.validate_python({**made, "budget": space.size.valid})
    return searcher


def every(budget: int, **constraints: int) -> pytest.MarkDecorator:
    """Repeat a test with every searcher there is, on digits-mini."""
    return pytest.mark.parametrize(
        "searcher",
        [searcher_of(kind, budget, constraints=Constraints(**constraints)) for kind in KINDS],
        ids=lambda searcher: searcher.kind,
    )


def crc(architecture: Architecture) -> float:
    """A fixed score per architecture without any structure."""
    return zlib.crc32("".join(architecture).encode()) / 2**32


def arbitrary(architectures: Sequence[Architecture]) -> list[list[float]]:
    """`crc` by the one scorer of a search."""
    return [[crc(architecture)] for architecture in architectures]


def run(searcher: Searcher, *, seed: int = 0, **changes: object) -> list[CandidateEvaluated]:
    """Return the events of a search, by default of digits-mini by arbitrary scores."""
    arguments = {"partition": PARTITION, "evaluate": arbitrary, "state": SearchState(), **changes}
    return list(search(searcher, seed=seed, **arguments))  # type: ignore[arg-type]
