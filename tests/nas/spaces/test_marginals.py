from collections import Counter

import pytest

from nas.partition.base import Splitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.random import RandomSplitter
from nas.partition.random_edge import RandomEdgeSplitter
from nas.spaces import catalogue, marginals
from nas.spaces.base import Space
from nas.spaces.cell import CellSpace
from nas.spaces.labelling import EFFECTIVE, TOTAL, ChoiceSum, Labelling, unlabelled

DIGITS = catalogue()["digits-mini"]
UNEVEN = CellSpace.model_validate(
    {
        **DIGITS.model_dump(),
        "name": "uneven",
        "num_inputs": 2,
        "num_nodes": 4,
        "edges": [
            {"source": 0, "target": 2, "operations": ["none", "sep_conv_3x3"]},
            {"source": 1, "target": 2},
            {"source": 0, "target": 3, "operations": ["none"]},
            {"source": 2, "target": 3, "operations": ["skip_connect", "nor_conv_1x1", "none"]},
        ],
    }
)


def brute_force(space: Space, labelling: Labelling) -> list[dict[str, dict[int, int]]]:
    counts: list[dict[str, Counter[int]]] = [{} for _ in space.choices]
    for member in space.enumerate():
        if space.is_valid(member):
            for chosen, name in zip(counts, member, strict=True):
                chosen.setdefault(name, Counter())[space.label(member, labelling)] += 1
    return [{name: dict(found) for name, found in chosen.items()} for chosen in counts]


@pytest.mark.parametrize("space", [DIGITS, UNEVEN], ids=lambda space: space.name)
@pytest.mark.parametrize("kind", ["effective", "total", "unlabelled", "weighted"])
def test_operations_are_counted_as_by_looking_at_every_architecture(
    space: Space, kind: str
) -> None:
    weights = tuple(tuple(range(len(names))) for names in space.choices)
    labelling = {
        "effective": EFFECTIVE,
        "total": TOTAL,
        "unlabelled": unlabelled(space.choices),
        "weighted": ChoiceSum(weights, modulus=3),
    }[kind]
    found = space.operation_counts(labelling)
    assert found is not None
    assert list(found) == brute_force(space, labelling)


@pytest.mark.parametrize("name", ["darts-cell", "mobilenet-proxyless", "nas-bench-201"])
def test_each_decision_of_a_large_space_counts_every_architecture_once(name: str) -> None:
    space = catalogue()[name]
    counts = space.operation_counts()
    assert counts is not None
    histogram = space.histogram()
    for chosen in counts:
        total: Counter[int] = Counter()
        for by_label in chosen.values():
            total.update(by_label)
        assert dict(total) == {label: n.valid for label, n in histogram.items() if n.valid}


def test_a_walk_that_is_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    space = catalogue()["nas-bench-201"]
    monkeypatch.setattr(marginals, "MOST_STEPS", 100)
    automaton = space.automaton(EFFECTIVE)
    assert marginals.operation_counts(automaton, EFFECTIVE.reduced) is None


@pytest.mark.parametrize(
    "splitter",
    [NonlinearitySplitter(num_subspaces=3), RandomSplitter(), RandomEdgeSplitter()],
    ids=lambda splitter: splitter.kind,
)
def test_the_shares_of_a_sub_space_are_those_of_its_members(splitter: Splitter) -> None:
    partition = splitter.split(DIGITS)
    assert partition.operation_shares is not None
    for subspace, shares in zip(partition.subspaces, partition.operation_shares, strict=True):
        members = [
            member
            for member in DIGITS.enumerate()
            if DIGITS.is_valid(member) and partition.route(member) == subspace.index
        ]
        assert len(members) == subspace.size.valid
        for decision, by_name in enumerate(shares):
            chosen = Counter(member[decision] for member in members)
            expected = {name: chosen[name] / len(members) for name in DIGITS.choices[decision]}
            assert by_name == pytest.approx(expected)
