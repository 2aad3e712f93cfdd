"""The splitters beside `nonlinearity`, on spaces small enough to look at every architecture."""

from collections import Counter

import pytest
from pydantic import ValidationError

from nas.errors import InfeasiblePartition
from nas.partition.base import Splitter
from nas.partition.none import NoneSplitter
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.partition.random import RandomSplitter
from nas.partition.random_edge import RandomEdgeSplitter
from nas.seeds import stream
from nas.spaces import catalogue
from nas.spaces.base import Count, Space
from nas.spaces.cell import CellSpace

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]
DEAD_END = CellSpace.model_validate({**DIGITS.model_dump(), "name": "two", "num_nodes": 2})


@pytest.mark.parametrize("space", [NB201, DIGITS], ids=lambda space: space.name)
@pytest.mark.parametrize(
    "splitter",
    [
        NoneSplitter(),
        RandomSplitter(num_subspaces=3),
        RandomEdgeSplitter(),
        RandomEdgeSplitter(num_decisions=2, seed=1),
        NonlinearitySplitter(count="total"),
        NonlinearitySplitter(sets=((2,),), num_subspaces=2),
    ],
    ids=lambda splitter: splitter.model_dump_json(exclude_defaults=True),
)
def test_a_partition_is_disjoint_and_covers_the_space(splitter: Splitter, space: Space) -> None:
    partition = splitter.split(space)
    assert len(partition.subspaces) == splitter.subspace_count(space)
    every = Counter(partition.route(member) for member in space.enumerate())
    valid = Counter(
        partition.route(member) for member in space.enumerate() if space.is_valid(member)
    )
    for index, subspace in enumerate(partition.subspaces):
        assert subspace.index == index
        assert subspace.size == Count(all=every[index], valid=valid[index])
        for draw in range(20):
            member = partition.sample(index, stream(draw, "test"))
            assert space.is_valid(member)
            assert partition.route(member) == index
    assert sum(subspace.size.all for subspace in partition.subspaces) == space.size.all


def test_none_is_one_subspace() -> None:
    (whole,) = NoneSplitter().split(NB201).subspaces
    assert (whole.title, whole.size) == ("all", Count(all=15_625, valid=15_284))


def test_random_parts_are_nearly_equal_and_follow_the_seed() -> None:
    sizes = [
        subspace.size.all for subspace in RandomSplitter(num_subspaces=3).split(NB201).subspaces
    ]
    assert sum(sizes) == 15_625
    assert max(sizes) < 1.2 * 15_625 / 3
    labellings = {RandomSplitter(seed=seed).split(NB201).labelling for seed in (0, 0, 1, 2)}
    assert len(labellings) == 3


def test_random_parts_have_nothing_to_do_with_the_count() -> None:
    partition = RandomSplitter(num_subspaces=2, seed=0).split(NB201)
    for count in range(4):
        inside = [
            cell
            for cell in NB201.enumerate()
            if NB201.is_valid(cell) and NB201.nonlinearity_count(cell) == count
        ]
        share = sum(partition.route(cell) for cell in inside) / len(inside)
        assert 0.3 < share < 0.7


def test_more_random_parts_than_architectures_are_refused() -> None:
    with pytest.raises(InfeasiblePartition, match="take fewer than 64") as refused:
        RandomSplitter(num_subspaces=64).split(DEAD_END)
    assert refused.value.parameter == "num_subspaces"


def test_a_given_edge_makes_one_subspace_per_operation() -> None:
    partition = RandomEdgeSplitter(decisions=(0,)).split(NB201)
    assert [subspace.title for subspace in partition.subspaces] == [
        f"{name} at 0" for name in NB201.choices[0]
    ]
    for cell in NB201.enumerate():
        assert partition.route(cell) == NB201.choices[0].index(cell[0])
    assert {subspace.size.all for subspace in partition.subspaces} == {5**5}


def test_two_edges_make_one_subspace_per_pair_of_operations() -> None:
    partition = RandomEdgeSplitter(num_decisions=2, decisions=(3, 1)).split(NB201)
    assert len(partition.subspaces) == 25
    assert partition.subspaces[7].title == "skip_connect at 1, nor_conv_1x1 at 3"
    cell = ("none", "skip_connect", "none", "nor_conv_1x1", "none", "none")
    assert partition.route(cell) == 7


def test_the_drawn_edge_follows_the_seed() -> None:
    titles = {RandomEdgeSplitter(seed=seed).split(NB201).subspaces[0].title for seed in range(20)}
    assert titles == {f"none at {decision}" for decision in range(6)}


@pytest.mark.parametrize(
    ("splitter", "space", "parameter", "message"),
    [
        (RandomEdgeSplitter(decisions=(6,)), NB201, "decisions", "its decisions are 0 to 5"),
        (RandomEdgeSplitter(num_decisions=4), DIGITS, "num_decisions", "digits-mini has 3"),
        (RandomEdgeSplitter(num_decisions=3), NB201, "num_decisions", "more than 64"),
        (RandomEdgeSplitter(decisions=(0,)), DEAD_END, "decisions", "fix other decisions"),
        (RandomEdgeSplitter(), DEAD_END, "num_decisions", "one without a valid architecture"),
        (
            NonlinearitySplitter(sets=((4,),), num_subspaces=2),
            NB201,
            "sets",
            r"set 0, \[4\], holds no valid .* its counts are 0, 1, 2, 3",
        ),
        (
            NonlinearitySplitter(sets=((0, 1), (2, 3)), num_subspaces=3),
            NB201,
            "sets",
            "leave none for the last sub-space",
        ),
    ],
)
def test_what_cannot_be_split_is_refused_by_the_parameter_at_fault(
    splitter: Splitter, space: Space, parameter: str, message: str
) -> None:
    with pytest.raises(InfeasiblePartition, match=message) as refused:
        splitter.split(space)
    assert refused.value.parameter == parameter


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sets": [[1], [1, 2]]}, "must not share a count"),
        ({"sets": [[1]]}, "make 2 sub-spaces with the rest, but num_subspaces is 3"),
        ({"sets": [[1], [2]], "thresholds": [0, 1]}, "exclude each other"),
    ],
)
def test_malformed_sets_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NonlinearitySplitter.model_validate({"num_subspaces": 3, **change})


def test_named_sets_are_subspaces_and_the_rest_is_the_last() -> None:
    splitter = NonlinearitySplitter(num_subspaces=3, sets=((3,), (0, 2)))
    partition = splitter.split(NB201)
    assert [subspace.title for subspace in partition.subspaces] == [
        "count 3",
        "count 0, 2",
        "count 1",
    ]
    assert [subspace.size.all for subspace in partition.subspaces] == [1000, 1983 + 5520, 7122]
    assert partition.thresholds is None


def test_the_total_count_can_be_cut_too() -> None:
    partition = NonlinearitySplitter(num_subspaces=2, count="total", thresholds=(2,)).split(NB201)
    for cell in NB201.enumerate():
        assert partition.route(cell) == (NB201.nonlinearity_count(cell, "total") > 2)
