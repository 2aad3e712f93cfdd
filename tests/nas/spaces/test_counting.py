"""Exact counting against brute force, over spaces that nobody would write by hand."""

import random
import time
from collections import Counter
from itertools import product
from math import prod
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from nas.operations import OPERATIONS
from nas.spaces import catalogue
from nas.spaces.base import Architecture, Count
from nas.spaces.cell import CellSpace, Edge
from nas.spaces.costs import cost_ranges
from nas.spaces.counting import Counting, WalkedTables
from nas.spaces.labelling import EFFECTIVE, TOTAL, ChoiceSum, Labelling
from nas.spaces.skeleton import Skeleton
from nas.spaces.tables import ranges

SKELETON = Skeleton(
    width=2, cells_per_stage=1, num_stages=1, image_size=4, image_channels=1, num_classes=2
)
OPERATION_NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
LARGEST = 1500
NB201 = catalogue()["nas-bench-201"]


@st.composite
def cells(draw: st.DrawFn) -> CellSpace:
    """Any graph of up to five nodes, nodes that lead nowhere and edges of `none` alone included."""
    num_nodes = draw(st.integers(2, 5))
    num_inputs = draw(st.integers(1, min(3, num_nodes - 1)))
    pairs = [
        (source, target) for target in range(num_inputs, num_nodes) for source in range(target)
    ]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=8, unique=True))
    names = st.lists(
        st.sampled_from((*OPERATION_NAMES, "sep_conv_3x3")), min_size=1, max_size=3, unique=True
    )
    edges = tuple(
        Edge(source=source, target=target, operations=tuple(draw(names)))
        for source, target in chosen
    )
    assume(prod(len(edge.operations or ()) for edge in edges) <= LARGEST)
    outputs = draw(
        st.lists(st.integers(num_inputs, num_nodes - 1), min_size=1, max_size=3, unique=True)
    )
    try:
        return CellSpace(
            name="any",
            num_nodes=num_nodes,
            num_inputs=num_inputs,
            operations=OPERATION_NAMES,
            edges=edges,
            outputs=tuple(outputs),
            skeleton=SKELETON,
        )
    except ValidationError:
        assume(False)
        raise


def live_paths(space: CellSpace, architecture: Architecture) -> list[list[int]]:
    """Every path of connecting operations from an input to an output, as positions of edges."""
    graph = space.graph
    found: list[list[int]] = []

    def extend(node: int, path: list[int]) -> None:
        if node in graph.outputs and path:
            found.append(path)
        for position, (source, target) in enumerate(graph.edges):
            if source == node and OPERATIONS[architecture[position]].connects:
                extend(target, [*path, position])

    for node in range(graph.num_inputs):
        extend(node, [])
    return found


def brute_force(
    space: CellSpace, architecture: Architecture, labelling: Labelling
) -> tuple[int, bool]:
    """The label and validity of one architecture, by looking at every path."""
    paths = live_paths(space, architecture)
    functions = [OPERATIONS[name].nonlinearities for name in architecture]
    if isinstance(labelling, ChoiceSum):
        total = sum(
            weights[names.index(name)]
            for weights, names, name in zip(
                labelling.weights, space.choices, architecture, strict=True
            )
        )
        return (total % labelling.modulus if labelling.modulus else total), bool(paths)
    if labelling == EFFECTIVE:
        return max((sum(functions[edge] for edge in path) for path in paths), default=0), bool(
            paths
        )
    return sum(functions[edge] for edge in {edge for path in paths for edge in path}), bool(paths)


def choice_sum(space: CellSpace) -> ChoiceSum:
    rng = random.Random(len(space.choices))
    return ChoiceSum(
        weights=tuple(tuple(rng.randrange(3) for _ in names) for names in space.choices), modulus=3
    )


def assert_counted(space: CellSpace, labelling: Labelling) -> None:
    """Compare everything that is counted with enumeration."""
    members = {member: brute_force(space, member, labelling) for member in product(*space.choices)}
    every = Counter(label for label, _ in members.values())
    valid = Counter(label for label, is_valid in members.values() if is_valid)
    expected = {label: Count(all=every[label], valid=valid[label]) for label in sorted(every)}
    for automaton in (space.automaton(labelling), space.live_automaton(labelling)):
        counting = Counting(automaton, labelling.reduced)
        assert dict(counting.tallies) == expected
        for wanted in (None, frozenset({1, 2})):
            listed = [counting.unrank(rank, wanted) for rank in range(counting.num_valid(wanted))]
            assert sorted(listed) == sorted(
                member
                for member, (label, is_valid) in members.items()
                if is_valid and (wanted is None or label in wanted)
            )
            assert [counting.rank(member, wanted) for member in listed] == list(range(len(listed)))
    for member, (label, is_valid) in members.items():
        assert space.label(member, labelling) == label
        assert space.is_valid(member) == is_valid
        assert space.live(member) == tuple(
            any(position in path for path in live_paths(space, member))
            for position in range(len(member))
        )
    by_label = ranges(space, labelling)
    assert set(by_label) == set(valid)
    for label, found in by_label.items():
        mine = [member for member, known in members.items() if known == (label, True)]
        flops = [space.flops(member) for member in mine]
        parameters = [space.parameters(member) for member in mine]
        assert found.flops == (min(flops), max(flops))
        assert found.parameters == (min(parameters), max(parameters))


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(cells())
def test_any_small_cell_is_counted_as_by_brute_force(space: CellSpace) -> None:
    for labelling in (EFFECTIVE, TOTAL, choice_sum(space)):
        assert_counted(space, labelling)
    costs = {
        (space.flops(member), space.parameters(member))
        for member in space.enumerate()
        if space.is_valid(member)
    }
    cheapest = [(space.flops(member), space.parameters(member)) for member in space.cheapest()]
    assert set(cheapest) <= costs
    for flops, parameters in costs:
        assert any(low <= flops and few <= parameters for low, few in cheapest)
    assert_cheapest_within_every_count(space)


def assert_cheapest_within_every_count(space: CellSpace) -> None:
    """Fail unless the cheapest of at most some count bound all such architectures from below."""
    valid = [member for member in space.enumerate() if space.is_valid(member)]
    counts = {member: space.nonlinearity_count(member) for member in valid}
    for limit in range(-1, max(counts.values(), default=0) + 2):
        cheapest = space.cheapest(limit)
        assert set(cheapest) <= {member for member in valid if counts[member] <= limit}
        for member in valid:
            if counts[member] <= limit:
                assert any(
                    space.flops(low) <= space.flops(member)
                    and space.parameters(low) <= space.parameters(member)
                    for low in cheapest
                )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_inputs": 2, "outputs": [3, 4, 5]},
        {"operations": ["skip_connect", "nor_conv_1x1", "sep_conv_3x3"]},
        {"operations": ["none", "nor_conv_3x3"], "outputs": [2, 5]},
        {"operations": ["nor_conv_1x1", "sep_conv_3x3"], "num_inputs": 2},
    ],
)
def test_ranges_of_six_nodes_are_those_of_a_walk_that_meets_every_architecture_once(
    changes: dict[str, Any],
) -> None:
    space = CellSpace.model_validate(
        NB201.model_dump() | {"name": "six", "num_nodes": 6} | changes
    )
    for labelling in (EFFECTIVE, TOTAL, choice_sum(space)):
        walked = cost_ranges(space.live_automaton(labelling), space.costs, labelling.reduced)
        assert space.cost_ranges(labelling) == walked


def test_ranges_of_eight_nodes_follow_from_graph_theory_and_take_seconds() -> None:
    space = CellSpace.model_validate(NB201.model_dump() | {"name": "eight", "num_nodes": 8})
    started = time.perf_counter()
    found = space.cost_ranges(EFFECTIVE)
    # Half a second on one core; a walk that meets every architecture once takes most of a minute.
    assert time.perf_counter() - started < 10
    assert list(found) == list(range(8))
    fixed, (*_, last) = space.costs.fixed, space.costs.choices
    for count, spread in found.items():
        # Fewest: one path of `count` convolutions. Most: the convolutions join count + 1 groups of
        # nodes, as many edges as a graph without a clique of count + 2 can have (Turan).
        most = sum(
            one % (count + 1) != other % (count + 1) for one in range(8) for other in range(one)
        )
        for kind in ("flops", "parameters"):
            free = getattr(fixed, kind)
            assert getattr(spread, kind) == (
                free + count * getattr(last["nor_conv_1x1"], kind),
                free + most * getattr(last["nor_conv_3x3"], kind),
            )


def test_costs_beyond_64_bits_have_exact_ranges() -> None:
    skeleton = Skeleton(
        width=4096,
        widths=(4096, 65536, 65536),
        cells_per_stage=100,
        num_stages=3,
        image_size=4096,
        image_channels=3,
        num_classes=10,
    )
    names = ("none", "nor_conv_1x1", "nor_conv_3x3")
    space = CellSpace(name="vast", num_nodes=3, operations=names, skeleton=skeleton)
    assert space.flops(("nor_conv_3x3",) * 3) > 2**64
    for labelling in (EFFECTIVE, TOTAL, choice_sum(space)):
        assert_counted(space, labelling)


@pytest.mark.parametrize("labels", [{0}, {2, 5}, {6}])
def test_draws_by_the_total_count_are_uniform_by_chi_square(labels: set[int]) -> None:
    members = [
        cell
        for cell in NB201.enumerate()
        if NB201.is_valid(cell) and NB201.nonlinearity_count(cell, "total") in labels
    ]
    rng = random.Random(7)
    drawn = Counter(NB201.sample(rng, labels, TOTAL) for _ in range(20 * len(members)))
    assert drawn.keys() <= set(members)
    assert stats.chisquare([drawn[cell] for cell in members]).pvalue > 1e-3


def test_the_total_counts_of_nas_bench_201_by_enumeration() -> None:
    every: Counter[int] = Counter()
    valid: Counter[int] = Counter()
    for cell in NB201.enumerate():
        count = NB201.nonlinearity_count(cell, "total")
        every[count] += 1
        valid[count] += NB201.is_valid(cell)
    histogram = NB201.histogram("total")
    assert histogram == {label: Count(every[label], valid[label]) for label in sorted(every)}
    # All six edges convolutions, two kinds each.
    assert histogram[6] == Count(2**6, 2**6)


def test_cells_of_eight_nodes_are_counted_and_drawn_exactly() -> None:
    space = CellSpace(name="large", num_nodes=8, operations=OPERATION_NAMES, skeleton=SKELETON)
    histogram = space.histogram()
    assert sum(count.all for count in histogram.values()) == 5**28 == space.size.all
    # Only a path over all eight nodes holds seven convolutions; the other 21 edges are free.
    assert histogram[7] == Count(2**7 * 5**21, 2**7 * 5**21)
    rng = random.Random(0)
    for count in (0, 4, 7):
        assert space.nonlinearity_count(space.sample(rng, {count})) == count


FAR_APART = ("none", "skip_connect", "nor_conv_3x3", "sep_conv_3x3", "mbconv_3x3_e3_se")
"""Operations of 0, 0, 1, 2 and 4 nonlinear functions."""


@pytest.mark.parametrize(
    "operations", [catalogue()["darts-cell"].operations, FAR_APART, tuple(OPERATIONS)], ids=len
)
def test_cells_of_eight_nodes_and_many_counts_are_counted_within_seconds(
    operations: tuple[str, ...],
) -> None:
    space = CellSpace(name="large", num_nodes=8, operations=operations, skeleton=SKELETON)
    started = time.process_time()
    histogram = Counting(space.automaton(EFFECTIVE)).tallies
    # A fifth of a second to two; a walk edge by edge takes minutes.
    assert time.process_time() - started < 12
    assert sum(count.all for count in histogram.values()) == len(operations) ** 28
    assert sum(count.valid for count in histogram.values()) == space.size.valid
    # The best path has all seven edges, each with as many nonlinear functions as there are.
    most = max(OPERATIONS[name].nonlinearities for name in operations)
    number = sum(OPERATIONS[name].nonlinearities == most for name in operations)
    ways = number**7 * len(operations) ** 21
    assert max(histogram) == 7 * most
    assert histogram[7 * most] == Count(ways, ways)


def test_large_cells_are_drawn_and_ranked_with_their_label() -> None:
    space = CellSpace(name="large", num_nodes=8, operations=FAR_APART, skeleton=SKELETON)
    counting = Counting(space.automaton(EFFECTIVE))
    rng = random.Random(0)
    for labels in (frozenset({0}), frozenset({13, 14}), frozenset({28})):
        for _ in range(5):
            drawn = counting.sample(rng, labels)
            assert drawn is not None
            assert space.nonlinearity_count(drawn) in labels
            assert space.is_valid(drawn)
            assert counting.unrank(counting.rank(drawn, labels), labels) == drawn


@pytest.mark.parametrize("num_nodes", [5, 6])
def test_counting_by_nodes_agrees_with_a_walk_over_the_edges(num_nodes: int) -> None:
    space = CellSpace(
        name="mixed",
        num_nodes=num_nodes,
        num_inputs=2,
        operations=FAR_APART,
        outputs=(num_nodes - 2, num_nodes - 1),
        skeleton=SKELETON,
    )
    automaton = space.automaton(EFFECTIVE)
    by_edges = WalkedTables(automaton, 100)
    by_nodes = automaton.tables(100)
    assert by_nodes.valid_at_start == by_edges.valid_at_start
    assert by_nodes.dead_at_start == by_edges.dead_at_start
    rng = random.Random(0)
    for _ in range(20):
        state = automaton.start
        for position in automaton.order:
            assert by_nodes.valid(position, state) == by_edges.valid(position, state)
            state = rng.choice(by_edges.steps(position, state)).state


def test_ranks_beyond_the_last_and_strangers_are_refused() -> None:
    counting = NB201.counting()
    with pytest.raises(IndexError, match="rank 1000 of 1000 architectures"):
        counting.unrank(1000, frozenset({3}))
    with pytest.raises(ValueError, match="not among these architectures"):
        counting.rank(("none",) * 6)


def test_equal_spaces_share_their_tables() -> None:
    again = CellSpace.model_validate(NB201.model_dump())
    assert again is not NB201
    assert again.counting(TOTAL) is NB201.counting(TOTAL)
