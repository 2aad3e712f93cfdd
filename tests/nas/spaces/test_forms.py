import csv
from collections import defaultdict

import pytest

from nas.spaces import catalogue
from nas.spaces.forms import DEAD, normal_form

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]
CONV, SKIP, NONE, POOL = "nor_conv_3x3", "skip_connect", "none", "avg_pool_3x3"


def form(*operations: str) -> str:
    """Edges 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2."""
    return normal_form(NB201, operations)


def test_operations_on_dead_edges_make_no_difference():
    # Node 2 leads nowhere, whatever enters it.
    assert form(CONV, POOL, SKIP, NONE, SKIP, NONE) == form(CONV, CONV, NONE, NONE, SKIP, NONE)


def test_all_dead_cells_share_a_form():
    assert {
        form(NONE, NONE, CONV, NONE, CONV, CONV),
        form(CONV, CONV, CONV, NONE, NONE, NONE),
    } == {DEAD}


def test_inner_nodes_have_no_numbers():
    # Convolution and pooling side by side, through nodes 1 and 2 or through 2 and 1.
    assert form(CONV, POOL, NONE, NONE, SKIP, SKIP) == form(POOL, CONV, NONE, NONE, SKIP, SKIP)


def test_shortcuts_are_followed():
    direct = form(NONE, NONE, NONE, CONV, NONE, NONE)
    assert form(SKIP, NONE, NONE, NONE, CONV, NONE) == direct
    assert form(CONV, NONE, SKIP, NONE, NONE, SKIP) == direct


def test_the_order_of_operations_matters():
    assert form(CONV, NONE, POOL, NONE, NONE, SKIP) != form(POOL, NONE, CONV, NONE, NONE, SKIP)


def test_weights_that_are_shared_differ_from_weights_that_are_not():
    # conv_b(conv_a(x)) + conv_a(x), where the second term is the first's input ...
    shared = form(CONV, NONE, NONE, NONE, SKIP, NONE)
    shared_twice = form(CONV, NONE, CONV, NONE, SKIP, SKIP)
    # ... or a convolution of its own.
    apart = form(CONV, NONE, CONV, CONV, NONE, SKIP)
    assert len({shared, shared_twice, apart}) == 3


def test_pooling_twice_is_pooling_once_more():
    # Without weights the pooled input is the same, whichever edge computes it.
    assert form(POOL, NONE, NONE, POOL, SKIP, NONE) == form(POOL, POOL, NONE, NONE, SKIP, SKIP)


def test_a_chain_is_its_own_form():
    space = catalogue()["mobilenet-proxyless"]
    first = tuple(names[0] for names in space.choices)
    second = (space.choices[0][1], *first[1:])
    assert normal_form(space, first) == space.encode(first)
    assert normal_form(space, first) != normal_form(space, second)


def test_the_cells_of_a_form_cost_the_same():
    by_form = defaultdict(set)
    for member in DIGITS.enumerate():
        costs = (
            DIGITS.flops(member),
            DIGITS.parameters(member),
            DIGITS.nonlinearity_count(member),
        )
        by_form[normal_form(DIGITS, member)].add(costs)
    assert 1 < len(by_form) < 125
    assert {len(costs) for costs in by_form.values()} == {1}


def published_form(architecture) -> str:
    """How the authors of NAS-Bench-201 tell cells apart: an expression that keeps the zeros."""
    nodes, edges = ["0"], iter(architecture)
    for node in (1, 2, 3):
        terms = []
        for source in range(node):
            name = next(edges)
            if name == NONE or nodes[source] == "#":
                terms.append("#")
            else:
                terms.append(nodes[source] if name == SKIP else f"({nodes[source]}){name}")
        nodes.append("+".join(sorted(terms)))
    return nodes[3]


def test_nas_bench_201_has_fewer_forms_than_its_authors_count():
    members = list(NB201.enumerate())
    assert len({published_form(member) for member in members}) == 6466
    assert len({normal_form(NB201, member) for member in members}) == 5260


@pytest.mark.data
def test_trainings_of_the_same_network_lie_apart_in_nas_bench_201(shared_data):
    accuracies = defaultdict(list)
    with (shared_data / "nas-bench-201-cifar10-test.csv").open() as file:
        for row in csv.DictReader(file):
            form = normal_form(NB201, NB201.decode(row["architecture"]))
            accuracies[form].append(float(row["accuracy"]))
    assert set(accuracies.pop(DEAD)) == {10.0}
    gaps = [max(group) - min(group) for group in accuracies.values() if len(group) > 1]
    assert len(gaps) == 1187
    assert sum(gap > 1 for gap in gaps) == 92
    assert max(gaps) == pytest.approx(6.5266)
