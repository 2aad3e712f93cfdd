"""Spaces as users may define them, compared with enumeration by paths that are followed here."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from nas.spaces import AnySpace, catalogue
from nas.spaces.base import Architecture, Count, Space
from nas.spaces.cell import CellSpace
from nas.spaces.counting import Counting
from nas.spaces.labelling import EFFECTIVE, TOTAL, ChoiceSum, Labelling
from nas.spaces.layered import LayeredSpace
from nas.spaces.tables import ranges

ADAPTER: TypeAdapter[Any] = TypeAdapter(AnySpace)
# Nonlinear functions of each operation, by hand.
FUNCTIONS = {
    "none": 0,
    "identity": 0,
    "skip_connect": 0,
    "avg_pool_3x3": 0,
    "nor_conv_1x1": 1,
    "nor_conv_3x3": 1,
    "dil_conv_3x3": 1,
    "sep_conv_3x3": 2,
    "mbconv_3x3_e1": 1,
    "mbconv_3x3_e3": 2,
    "mbconv_5x5_e6": 2,
    "mbconv_3x3_e3_se": 4,
}
CELL_OPERATIONS = (
    "none",
    "skip_connect",
    "avg_pool_3x3",
    "nor_conv_3x3",
    "dil_conv_3x3",
    "sep_conv_3x3",
)
CHAIN_OPERATIONS = (
    "nor_conv_1x1",
    "mbconv_3x3_e1",
    "mbconv_3x3_e3",
    "mbconv_5x5_e6",
    "mbconv_3x3_e3_se",
)
LARGEST = 1_000
READINGS: Mapping[Labelling, Any] = {EFFECTIVE: "effective", TOTAL: "total"}


def examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )


@dataclass(frozen=True)
class Known:
    """What enumeration finds out about one architecture."""

    live: tuple[bool, ...]
    longest: int
    together: int

    @property
    def is_valid(self) -> bool:
        return any(self.live)


def bounded(subsets: list[list[str]]) -> list[list[str]]:
    """Leave out last candidates, of the longest list first, until there are few architectures."""
    subsets = [list(names) for names in subsets]
    while prod(map(len, subsets)) > LARGEST:
        max(subsets, key=len).pop()
    return subsets


def subsets_of(names: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """One to four candidates in any order, any number of them equally likely."""
    return st.builds(
        lambda mixed, number: mixed[:number],
        st.permutations(names),
        st.sampled_from([4, 3, 2, 1]),
    )


@st.composite
def cells_with_a_dead_branch(draw: st.DrawFn) -> CellSpace:
    """Cells of at least three edges with candidates of their own, and edges that are never live.

    What makes them dead: a node without an edge out, a node without an edge in, or an edge of
    `none` alone.
    """
    num_inputs = draw(st.integers(1, 3))
    num_nodes = draw(st.integers(max(4, num_inputs + 2), 6))
    inner = range(num_inputs, num_nodes)
    pairs = {(source, target) for target in inner for source in range(target)}
    kind = draw(st.sampled_from(["leads nowhere", "comes from nowhere", "none alone"]))
    closed = -1
    if kind == "leads nowhere":
        closed = draw(st.sampled_from(inner))
        dead = (draw(st.integers(0, closed - 1)), closed)
        pairs = {pair for pair in pairs if pair[0] != closed}
    elif kind == "comes from nowhere":
        closed = draw(st.sampled_from(inner[:-1]))
        dead = (closed, draw(st.integers(closed + 1, num_nodes - 1)))
        pairs = {pair for pair in pairs if pair[1] != closed}
    else:
        dead = draw(st.sampled_from(sorted(pairs)))
    # One path that can be live, so that the space is not refused.
    stations = [node for node in inner if node != closed]
    way = sorted(draw(st.lists(st.sampled_from(stations), min_size=1, max_size=3, unique=True)))
    path = list(zip([draw(st.integers(0, num_inputs - 1)), *way], way, strict=False))
    if dead in path:
        # Only an edge of `none` can be: a direct edge from another node takes its place.
        path = [(0, node) for node in way if (0, node) != dead]
        path = path or [(0, node) for node in stations if (0, node) != dead][:1]
    others = sorted(pairs - {dead, *path})
    least = max(0, 3 - len({dead, *path}))
    drawn = draw(st.lists(st.sampled_from(others), min_size=least, max_size=5, unique=True))
    edges = sorted({dead, *path, *drawn})
    subsets = []
    for edge in edges:
        names = draw(subsets_of(CELL_OPERATIONS))
        if edge == dead and kind == "none alone":
            names = ["none"]
        elif edge in path and names[0] == "none":
            names = [*names[1:], "none"] if names[1:] else ["skip_connect"]
        subsets.append(names)
    subsets = bounded(subsets)
    connecting = {
        edge for edge, names in zip(edges, subsets, strict=True) if set(names) != {"none"}
    }
    reached = set(range(num_inputs))
    for source, target in sorted(connecting, key=lambda edge: edge[1]):
        if source in reached:
            reached.add(target)
    ends = sorted(reached - {closed} - set(range(num_inputs)))
    outputs = draw(st.lists(st.sampled_from(ends), min_size=1, max_size=3, unique=True))
    document = {
        "kind": "cell",
        "name": "mine",
        "num_nodes": num_nodes,
        "num_inputs": num_inputs,
        "operations": list(CELL_OPERATIONS),
        "edges": [
            {"source": source, "target": target, "operations": names}
            for (source, target), names in zip(edges, subsets, strict=True)
        ],
        "outputs": outputs,
        "skeleton": {
            "width": 2,
            "cells_per_stage": 1,
            "num_stages": 1,
            "image_size": 4,
            "image_channels": 1,
            "num_classes": 2,
        },
    }
    space = ADAPTER.validate_json(json.dumps(document))
    assert isinstance(space, CellSpace)
    return space


@st.composite
def chains(draw: st.DrawFn) -> LayeredSpace:
    """Chains of one to six layers, with and without identity, each with candidates of its own."""
    stem_channels = before = draw(st.integers(1, 3))
    layers: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 6))):
        channels = draw(st.sampled_from([before, 4]))
        stride = draw(st.sampled_from([1, 1, 2]))
        names = list(CHAIN_OPERATIONS)
        if stride == 1 and channels == before:
            names.append("identity")
        own = draw(subsets_of(names))
        layers.append({"channels": channels, "stride": stride, "operations": own})
        before = channels
    subsets = bounded([layer["operations"] for layer in layers])
    return chain_of(
        [{**layer, "operations": own} for layer, own in zip(layers, subsets, strict=True)],
        stem_channels,
    )


def chain_of(layers: list[dict[str, Any]], stem_channels: int) -> LayeredSpace:
    document = {
        "kind": "layered",
        "name": "mine",
        "operations": list(CHAIN_OPERATIONS),
        "layers": layers,
        "skeleton": {
            "stem_channels": stem_channels,
            "image_size": 16,
            "image_channels": 1,
            "num_classes": 2,
        },
    }
    space = ADAPTER.validate_json(json.dumps(document))
    assert isinstance(space, LayeredSpace)
    return space


def paths_of(space: CellSpace) -> list[tuple[int, ...]]:
    """Every path from an input to an output, as positions of edges."""

    def onwards(node: int, path: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if path and node in space.graph.outputs:
            yield path
        for position, (source, target) in enumerate(space.graph.edges):
            if source == node:
                yield from onwards(target, (*path, position))

    return [path for node in range(space.num_inputs) for path in onwards(node, ())]


def enumerated(space: Space) -> dict[Architecture, Known]:
    """Look at every architecture along every path."""
    num_decisions = len(space.choices)
    paths = paths_of(space) if isinstance(space, CellSpace) else [tuple(range(num_decisions))]
    found = {}
    for member in product(*space.choices):
        functions = [FUNCTIONS[name] for name in member]
        open_paths = [path for path in paths if all(member[at] != "none" for at in path)]
        live = {at for path in open_paths for at in path}
        found[member] = Known(
            live=tuple(at in live for at in range(num_decisions)),
            longest=max((sum(functions[at] for at in path) for path in open_paths), default=0),
            together=sum(functions[at] for at in live),
        )
    return found


def labels_of(
    space: Space, members: Mapping[Architecture, Known], labelling: Labelling
) -> dict[Architecture, int]:
    if labelling == EFFECTIVE:
        return {member: known.longest for member, known in members.items()}
    if labelling == TOTAL:
        return {member: known.together for member, known in members.items()}
    assert isinstance(labelling, ChoiceSum)
    weights = [
        dict(zip(names, own, strict=True))
        for names, own in zip(space.choices, labelling.weights, strict=True)
    ]
    return {
        member: sum(own[name] for own, name in zip(weights, member, strict=True)) % 3
        for member in members
    }


def histogram_of(
    labels: Mapping[Architecture, int], members: Mapping[Architecture, Known]
) -> dict[int, Count]:
    every = Counter(labels.values())
    valid = Counter(labels[member] for member, known in members.items() if known.is_valid)
    return {label: Count(every[label], valid[label]) for label in sorted(every)}


def sum_of_choices(space: Space) -> ChoiceSum:
    rng = random.Random(len(space.choices))
    return ChoiceSum(tuple(tuple(rng.randrange(4) for _ in names) for names in space.choices), 3)


def assert_all_agrees(
    space: Space, members: Mapping[Architecture, Known], labelling: Labelling
) -> None:
    """Compare everything that a space says with what enumeration found."""
    labels = labels_of(space, members, labelling)
    valid = sorted(member for member, known in members.items() if known.is_valid)
    expected = histogram_of(labels, members)
    if labelling in READINGS:
        assert space.histogram(READINGS[labelling]) == expected
    assert space.size == Count(len(members), len(valid))
    for member, known in members.items():
        assert space.label(member, labelling) == labels[member]
        assert space.live(member) == known.live
        assert space.is_valid(member) == known.is_valid
    rng = random.Random(0)
    some = frozenset(sorted({labels[member] for member in valid})[:2])
    for automaton in (space.automaton(labelling), space.live_automaton(labelling)):
        counting = Counting(automaton, labelling.reduced)
        assert dict(counting.tallies) == expected
        for wanted in (None, some):
            held = [member for member in valid if wanted is None or labels[member] in wanted]
            listed = [counting.unrank(rank, wanted) for rank in range(len(held))]
            assert sorted(listed) == held
            for rank in range(0, len(held), 1 + len(held) // 1_000):
                assert counting.rank(listed[rank], wanted) == rank
            among = set(held)
            assert all(counting.sample(rng, wanted) in among for _ in range(20))
            with pytest.raises(IndexError):
                counting.unrank(len(held), wanted)
    for _ in range(100):
        drawn = space.sample(rng, some, labelling)
        assert members[drawn].is_valid
        assert labels[drawn] in some
    assert_costs_agree(space, members, labels, labelling)


def assert_costs_agree(
    space: Space,
    members: Mapping[Architecture, Known],
    labels: Mapping[Architecture, int],
    labelling: Labelling,
) -> None:
    costs = space.costs
    flops: dict[int, list[int]] = {}
    parameters: dict[int, list[int]] = {}
    for member, known in members.items():
        parts = [
            own[name]
            for own, name, live in zip(costs.choices, member, known.live, strict=True)
            if live
        ]
        multiply_adds = costs.fixed.flops + sum(part.flops for part in parts)
        trainable = costs.fixed.parameters + sum(part.parameters for part in parts)
        assert space.flops(member) == multiply_adds
        assert space.parameters(member) == trainable
        if known.is_valid:
            flops.setdefault(labels[member], []).append(multiply_adds)
            parameters.setdefault(labels[member], []).append(trainable)
    found = ranges(space, labelling)
    assert {label: spread.flops for label, spread in found.items()} == {
        label: (min(values), max(values)) for label, values in flops.items()
    }
    assert {label: spread.parameters for label, spread in found.items()} == {
        label: (min(values), max(values)) for label, values in parameters.items()
    }


# Some of the examples repeat one another: more than 200 different spaces remain.
@examples(250)
@given(cells_with_a_dead_branch())
def test_a_cell_with_subsets_per_edge_and_a_dead_branch_has_the_histogram_of_brute_force(
    space: CellSpace,
) -> None:
    members = enumerated(space)
    assert len(space.choices) >= 3
    ever_live = [
        any(known.live[at] for known in members.values()) for at in range(len(space.choices))
    ]
    assert not all(ever_live), "no dead branch"
    assert any(ever_live)
    for labelling, reading in READINGS.items():
        expected = histogram_of(labels_of(space, members, labelling), members)
        assert space.histogram(reading) == expected


@examples(100)
@given(chains())
def test_any_chain_is_counted_ranked_and_drawn_as_by_brute_force(space: LayeredSpace) -> None:
    members = enumerated(space)
    assert all(all(known.live) for known in members.values())
    for labelling in (EFFECTIVE, TOTAL, sum_of_choices(space)):
        assert_all_agrees(space, members, labelling)


def nas_bench_201() -> Space:
    return catalogue()["nas-bench-201"]


def chain_of_ten_thousand() -> Space:
    """Of 4 * 5^5 architectures, the first layer changing the shape."""
    first = {"channels": 3, "stride": 2, "operations": list(CHAIN_OPERATIONS[:4])}
    other = {"channels": 3, "operations": [*CHAIN_OPERATIONS[1:], "identity"]}
    return chain_of([first, *[other] * 5], stem_channels=2)


@pytest.mark.parametrize(
    ("make", "size"), [(nas_bench_201, 15_625), (chain_of_ten_thousand, 12_500)]
)
@pytest.mark.parametrize(
    "labelling", [EFFECTIVE, TOTAL, sum_of_choices], ids=["effective", "total", "sum"]
)
def test_thousands_of_architectures_are_all_as_by_brute_force(
    make: Callable[[], Space], size: int, labelling: Any
) -> None:
    space = make()
    members = enumerated(space)
    assert len(members) == size
    assert_all_agrees(space, members, labelling(space) if callable(labelling) else labelling)
