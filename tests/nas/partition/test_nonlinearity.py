import random
from collections import Counter
from itertools import combinations

import pytest
from pydantic import ValidationError

from nas.errors import InfeasiblePartition
from nas.partition.nonlinearity import NonlinearitySplitter, balanced_thresholds
from nas.spaces import catalogue
from nas.spaces.base import Count

NB201 = catalogue()["nas-bench-201"]
DIGITS = catalogue()["digits-mini"]


def sizes(thresholds: tuple[int, ...], valid: dict[int, int]) -> list[int]:
    """Valid architectures per sub-space, largest first."""
    parts = [0] * (len(thresholds) + 1)
    for count, number in valid.items():
        parts[sum(count > threshold for threshold in thresholds)] += number
    return sorted(parts, reverse=True)


@pytest.mark.parametrize(
    ("num_subspaces", "thresholds"),
    [
        (1, ()),
        # {0,1} 8764 and {2,3} 6520; the others have a part of 13642 or 14284.
        (2, (1,)),
        # {0} 1642, {1} 7122, {2,3} 6520; the others have a part of 8764 or 12642.
        (3, (0, 1)),
        (4, (0, 1, 2)),
    ],
)
def test_automatic_thresholds_of_nas_bench_201(
    num_subspaces: int, thresholds: tuple[int, ...]
) -> None:
    partition = NonlinearitySplitter(num_subspaces=num_subspaces).split(NB201)
    assert partition.thresholds == thresholds


def test_automatic_thresholds_are_the_most_even_of_all_threshold_sets() -> None:
    rng = random.Random(0)
    for _ in range(300):
        counts = sorted(rng.sample(range(20), rng.randint(1, 8)))
        valid = {count: rng.choice([1, 2, 3, 5, 50, 7**30]) for count in counts}
        num_subspaces = rng.randint(1, len(counts))
        best = min(
            combinations(counts[:-1], num_subspaces - 1),
            key=lambda thresholds: (sizes(thresholds, valid), thresholds),
        )
        assert balanced_thresholds(valid, num_subspaces) == best


def test_given_thresholds_cut_nas_bench_201_into_the_three_groups_of_the_source() -> None:
    partition = NonlinearitySplitter(num_subspaces=3, thresholds=(1, 2)).split(NB201)
    assert [subspace.title for subspace in partition.subspaces] == [
        "count 0-1",
        "count 2",
        "count 3",
    ]
    assert [subspace.labels for subspace in partition.subspaces] == [{0, 1}, {2}, {3}]
    assert [subspace.size for subspace in partition.subspaces] == [
        Count(all=1983 + 7122, valid=1642 + 7122),
        Count(all=5520, valid=5520),
        Count(all=1000, valid=1000),
    ]


@pytest.mark.parametrize("space", [NB201, DIGITS], ids=lambda space: space.name)
@pytest.mark.parametrize("num_subspaces", [1, 2, 3])
def test_routing_covers_the_space_with_the_stated_sizes(space, num_subspaces) -> None:
    partition = NonlinearitySplitter(num_subspaces=num_subspaces).split(space)
    every: Counter[int] = Counter()
    valid: Counter[int] = Counter()
    for cell in space.enumerate():
        index = partition.route(cell)
        assert space.nonlinearity_count(cell) in partition.subspaces[index].labels
        every[index] += 1
        valid[index] += space.is_valid(cell)
    assert [subspace.index for subspace in partition.subspaces] == list(range(num_subspaces))
    for subspace in partition.subspaces:
        assert subspace.size == Count(all=every[subspace.index], valid=valid[subspace.index])
        assert subspace.size.valid > 0


def test_too_many_subspaces_are_refused_with_the_feasible_numbers() -> None:
    with pytest.raises(
        InfeasiblePartition,
        match=r"num_subspaces 5 is infeasible for nas-bench-201: .* 4 nonlinearity counts "
        r"\(0, 1, 2, 3\), so feasible are 1, 2, 3, 4",
    ):
        NonlinearitySplitter(num_subspaces=5).split(NB201)


def test_thresholds_that_leave_a_subspace_empty_are_refused_with_the_feasible_ones() -> None:
    with pytest.raises(
        InfeasiblePartition,
        match=r"thresholds \[1, 3\] leave sub-space 2 .* choose among 0, 1, 2$",
    ):
        NonlinearitySplitter(num_subspaces=3, thresholds=(1, 3)).split(NB201)


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ((2, 1), "must ascend"),
        ((1, 1), "must ascend"),
        ((1,), "make 2 sub-spaces, but num_subspaces is 3"),
        ((-1, 1), "greater than or equal to 0"),
    ],
)
def test_malformed_thresholds_are_refused(thresholds: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NonlinearitySplitter(num_subspaces=3, thresholds=thresholds)
