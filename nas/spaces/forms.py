"""Normal forms: two architectures of the same form are the same network under different names.

Dead edges are left out, shortcuts are followed, and inner nodes lose their numbers. What shares
weights stays apart from what computes the same twice. The converse does not hold: networks that
are equal for other reasons, and rare ones that symmetry hides, may have different forms.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from nas.operations import OPERATIONS
from nas.operations.parameter_free import ParameterFree
from nas.spaces.base import Architecture, Space
from nas.spaces.cell import CellSpace

DEAD = "dead"
SHORTCUTS = frozenset({"skip_connect", "identity"})

Sum = tuple[int, ...]
"""Terms that are added up, ascending; each is an input or an operation applied once."""


def normal_form(space: Space, architecture: Architecture) -> str:
    """Return a text that architectures share only if they stand for the same network.

    It says nothing about seeds: two trainings of the same network still differ.
    """
    if not space.is_valid(architecture):
        return DEAD
    if not isinstance(space, CellSpace):
        return space.encode(architecture)
    return _cell_form(space, architecture)


@dataclass(slots=True)
class _Terms:
    """The inputs and the operations of a live cell, numbered as they are met."""

    names: list[str]
    sources: list[Sum] = field(default_factory=list)
    repeated: dict[tuple[str, Sum], int] = field(default_factory=dict)

    def apply(self, name: str, source: Sum) -> int:
        """Return the term that an operation makes; one without weights is the same each time."""
        free = isinstance(OPERATIONS[name], ParameterFree)
        if free and (name, source) in self.repeated:
            return self.repeated[name, source]
        self.names.append(name)
        self.sources.append(source)
        if free:
            self.repeated[name, source] = len(self.names) - 1
        return len(self.names) - 1


def _cell_form(space: CellSpace, architecture: Architecture) -> str:
    graph = space.graph
    inputs = [f"input {node}" for node in range(graph.num_inputs)]
    terms = _Terms(inputs, [() for _ in inputs])
    values: defaultdict[int, Sum] = defaultdict(tuple)
    values.update({node: (node,) for node in range(graph.num_inputs)})
    # A shortcut that halves the image has weights.
    shortcuts = frozenset() if _halves_in_cells(space) else SHORTCUTS
    live = graph.live_edges(architecture)
    for (source, target), name, alive in zip(graph.edges, architecture, live, strict=True):
        if not alive:
            continue
        added = values[source] if name in shortcuts else (terms.apply(name, values[source]),)
        values[target] = tuple(sorted((*values[target], *added)))
    return _written(terms, [values[node] for node in graph.outputs])


def _halves_in_cells(space: CellSpace) -> bool:
    return space.skeleton.reduction == "cell" and space.skeleton.num_stages > 1


def _written(terms: _Terms, outputs: Sequence[Sum]) -> str:
    """Write the terms in an order that does not depend on how they were numbered."""
    colours: list[str] = []
    for name, source in zip(terms.names, terms.sources, strict=True):
        colours.append(_colour(name, *sorted(colours[term] for term in source)))
    users: list[list[str]] = [[] for _ in colours]
    # Backwards, so that whatever uses a term has been told apart by its own users already.
    for place, output in enumerate(outputs):
        for term in output:
            users[term].append(f"output {place}")
    for term, source in reversed(list(enumerate(terms.sources))):
        colours[term] = _colour(colours[term], *sorted(users[term]))
        for used in source:
            users[used].append(colours[term])
    order = sorted(range(len(colours)), key=colours.__getitem__)
    number = {term: place for place, term in enumerate(order)}

    def spelt(value: Sum) -> str:
        return "+".join(str(place) for place in sorted(number[term] for term in value))

    lines = [f"{terms.names[term]}({spelt(terms.sources[term])})" for term in order]
    return ";".join([*lines, *map(spelt, outputs)])


@lru_cache(maxsize=65_536)
def _colour(*parts: str) -> str:
    return blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()
