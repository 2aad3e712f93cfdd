import itertools
import random

import numpy as np
import pytest
from pymoo.indicators.hv import HV

from nas.search.pareto import admitted, dominates, hypervolume, pareto_front

# Coordinates in few steps make ties and equal points common.
SETS = [
    [tuple(random.Random(seed * 100 + place).choices(range(6), k=size)) for place in range(12)]
    for seed in range(10)
    for size in (1, 2, 3, 4)
]


def test_a_point_dominates_what_is_nowhere_better_and_somewhere_worse() -> None:
    assert dominates((1, 2), (1, 3))
    assert not dominates((1, 2), (1, 2))
    assert not dominates((1, 3), (2, 2))


def test_a_front_worked_by_hand() -> None:
    points = [(3, 1), (2, 2), (2, 2), (1, 3), (3, 3), (1, 4)]
    assert pareto_front(points) == [0, 1, 2, 3]
    assert pareto_front([]) == []


@pytest.mark.parametrize("points", SETS)
def test_the_front_is_what_no_point_dominates(points: list[tuple[int, ...]]) -> None:
    expected = [
        place
        for place, point in enumerate(points)
        if not any(dominates(other, point) for other in points)
    ]
    assert pareto_front(points) == expected


def test_a_dominated_or_equal_point_is_not_admitted_to_an_archive() -> None:
    points = [(1, 3), (3, 1), (2, 3), (3, 1), (2, 2)]
    assert admitted([0, 1], points, 2) == [0, 1]
    assert admitted([0, 1], points, 3) == [0, 1]
    assert admitted([0, 1], points, 4) == [0, 1, 4]


def test_what_a_new_member_dominates_leaves_the_archive() -> None:
    assert admitted([0, 1], [(2, 2), (0, 5), (1, 1)], 2) == [1, 2]


@pytest.mark.parametrize("points", SETS)
def test_an_archive_is_the_front_without_repetitions(points: list[tuple[int, ...]]) -> None:
    archive: list[int] = []
    for place in range(len(points)):
        archive = admitted(archive, points, place)
        members = [points[member] for member in archive]
        assert not any(dominates(*pair) for pair in itertools.permutations(members, 2))
    front = {points[place] for place in pareto_front(points)}
    assert sorted(points[member] for member in archive) == sorted(front)


def test_a_hypervolume_worked_by_hand() -> None:
    # Squares of 2x1 and 1x2 below (3, 3) that share a unit square.
    assert hypervolume([(1, 2), (2, 1)], (3, 3)) == 3
    assert hypervolume([(0, 0, 0)], (2, 3, 4)) == 24
    assert hypervolume([(3, 0), (0, 3)], (3, 3)) == 0
    assert hypervolume([], (1, 1)) == 0


@pytest.mark.parametrize("points", SETS)
def test_the_hypervolume_is_the_number_of_dominated_unit_cubes(
    points: list[tuple[int, ...]],
) -> None:
    size = len(points[0])
    corners = itertools.product(range(6), repeat=size)
    covered = sum(
        any(all(a <= b for a, b in zip(point, corner, strict=True)) for point in points)
        for corner in corners
    )
    # Cubes begin at 0 to 5 and end at the reference 6.
    assert hypervolume(points, (6,) * size) == covered


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_hypervolume_is_that_of_pymoo(size: int) -> None:
    points = np.random.default_rng(size).random((20, size)) * 1.2
    expected = HV(ref_point=np.ones(size))(points)
    assert hypervolume(points.tolist(), [1.0] * size) == pytest.approx(expected, rel=1e-12)
