import itertools
import random
from collections.abc import Sequence

import numpy as np
import pytest

from nas.partition.nonlinearity import NonlinearitySplitter
from nas.search.loop import search
from nas.search.pareto import dominates, hypervolume
from nas.search.pareto_novelty import (
    ParetoNoveltySearcher,
    _crossed,
    normalised,
    novelties,
    tournament,
)
from nas.search.state import Evaluation, History, Memory, SearchState
from nas.spaces.base import Architecture
from tests.nas.search.searching import DIGITS, NB201, PARTITION, VALID, crc

CELLS = sorted(VALID)
TOY = ParetoNoveltySearcher(objectives=("minimise loss", "flops"), population_size=4)


def history_of(points: Sequence[Sequence[float]]) -> History:
    return History(
        Evaluation(architecture=cell, score=point[0], objectives=tuple(point))
        for cell, point in zip(CELLS, points, strict=False)
    )


def archive_after(points: Sequence[Sequence[float]], *generations: range) -> tuple[int, ...]:
    history, memory = history_of(points), Memory()
    for newest in generations:
        memory = TOY.observe(DIGITS, history, memory, newest, random.Random(0))
    return memory.archive


def test_a_dominated_candidate_does_not_enter_the_archive_and_a_dominating_one_clears_it() -> None:
    points = [(1, 4), (4, 1), (4, 4), (1, 3), (0, 0)]
    assert archive_after(points, range(3)) == (0, 1)
    assert archive_after(points, range(3), range(3, 4)) == (1, 3)
    assert archive_after(points, range(3), range(3, 5)) == (4,)


def test_equal_values_have_one_place_in_the_archive() -> None:
    points = [(1, 4), (1, 4), (4, 1), (1, 4)]
    assert archive_after(points, range(2), range(2, 4)) == (0, 2)


def test_novelty_is_the_mean_distance_and_negative_outside_of_the_archive() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    # Distances of 5 between neighbours and 10 between the ends; the first two are the archive.
    assert novelties(points, [0, 1]) == [2.5, 2.5, -7.5]
    assert novelties(points, [0, 1, 2]) == [5.0, 10 / 3, 5.0]
    assert novelties(points, [1]) == [-5.0, 0.0, -5.0]


def test_columns_of_one_value_are_zero_and_the_others_range_from_zero_to_one() -> None:
    scaled = normalised(np.array([[1.0, 7.0, -2.0], [3.0, 7.0, 2.0], [2.0, 7.0, 2.0]]))
    assert scaled.tolist() == [[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.5, 0.0, 1.0]]
    assert normalised(np.array([[5.0, 5.0]])).tolist() == [[0.0, 0.0]]


def test_the_archive_competes_on_being_far_apart_and_the_rest_on_being_near() -> None:
    novelty = {0: 2.0, 1: 3.0, 2: -1.0, 3: -5.0}
    for seed in range(20):
        left = tournament(range(4), novelty, 2, random.Random(seed))
        # The most novel of all wins every duel, the least loses every one.
        assert len(left) == 2
        assert 1 in left
        assert 3 not in left


@pytest.mark.parametrize("size", [1, 3, 5, 7, 8])
def test_tournaments_leave_as_many_as_wanted(size: int) -> None:
    novelty = {place: float(place) for place in range(9)}
    left = tournament(range(9), novelty, size, random.Random(size))
    assert len(left) == len(set(left)) == size
    assert 8 in left


def test_children_exchange_what_lies_between_two_points() -> None:
    mother, father = ("a",) * 6, ("b",) * 6
    patterns = set()
    for seed in range(200):
        one, other = _crossed(mother, father, random.Random(seed))
        assert {frozenset(pair) for pair in zip(one, other, strict=True)} == {frozenset("ab")}
        patterns.add("".join(one))
        assert len(list(itertools.groupby(one))) <= 3
    assert {"aabbaa", "bbbaaa", "aaabbb", "aaaaaa", "bbbbbb"} <= patterns


def measures(architectures: Sequence[Architecture]) -> list[list[float]]:
    return [[crc(cell), float(len(set(cell)))] for cell in architectures]


def test_the_archive_is_mutually_non_dominated_and_its_hypervolume_never_falls() -> None:
    searcher = ParetoNoveltySearcher(budget=100, objectives=("loss", "synflow", "flops"))
    limit = (0.0, 0.0, 1e7)
    state, volumes, generations = SearchState(), [], 0
    for _ in search(searcher, PARTITION, measures, state, 0):
        archive = [
            searcher.losses(state.evaluations[place].objectives) for place in state.memory.archive
        ]
        assert not any(dominates(*pair) for pair in itertools.permutations(archive, 2))
        assert len(set(archive)) == len(archive)
        if state.generation > generations:
            generations = state.generation
            volumes.append(hypervolume(archive, limit))
    assert generations == 5
    assert volumes == sorted(volumes)
    assert volumes[-1] > volumes[1] > volumes[0] == 0


def test_the_first_population_is_random_and_the_next_ones_are_bred() -> None:
    partition = NonlinearitySplitter().split(NB201)
    state = SearchState()
    searcher = ParetoNoveltySearcher(budget=60, mutation_probability=1e-9)
    events = search(searcher, partition, lambda cells: [[crc(cell)] for cell in cells], state, 0)
    for _ in events:
        if len(state.evaluations) == 21:
            break
    assert len(state.memory.population) == 20
    parents = [state.evaluations[place].architecture for place in state.memory.population]
    for child in (state.evaluations[20].architecture, *state.pending[:5]):
        # Without mutation every decision is that of one of two parents.
        assert any(
            all(name in pair for name, *pair in zip(child, mother, father, strict=True))
            for mother, father in itertools.combinations(parents, 2)
        )
