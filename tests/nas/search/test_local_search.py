import random
from collections.abc import Sequence

import pytest

from nas.search.constraints import Constraints
from nas.search.local_search import LocalSearcher
from nas.search.neighbours import neighbours
from nas.search.state import Evaluation, History, Memory, SearchState
from nas.spaces.base import Architecture
from tests.nas.search.searching import DIGITS, VALID, crc, run

BEST = DIGITS.decode("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|")


def hill(architectures: Sequence[Architecture]) -> list[list[float]]:
    """Decisions that agree with the best: every cell but it has a better neighbour."""
    return [
        [float(sum(a == b for a, b in zip(cell, BEST, strict=True)))] for cell in architectures
    ]


def history_of(scores: dict[Architecture, float]) -> History:
    return History(Evaluation(architecture=cell, score=score) for cell, score in scores.items())


def test_neighbours_differ_in_one_decision_and_are_all_there() -> None:
    found = list(neighbours(DIGITS, BEST))
    expected = {
        cell
        for cell in DIGITS.enumerate()
        if sum(a != b for a, b in zip(cell, BEST, strict=True)) == 1
    }
    assert len(found) == len(set(found)) == 3 * 4
    assert set(found) == expected


@pytest.mark.parametrize("improvement", ["steepest", "first"])
@pytest.mark.parametrize("seed", range(5))
def test_a_hill_is_climbed_without_a_restart(improvement: str, seed: int) -> None:
    searcher = LocalSearcher(budget=116, improvement=improvement)
    events = run(searcher, evaluate=hill, seed=seed)
    # At most a start and three rounds of the neighbours.
    assert max(event.score for event in events[: 1 + 3 * 12]) == 3


def test_the_steepest_search_looks_at_all_neighbours_of_one_before_it_moves() -> None:
    state = SearchState()
    events = run(LocalSearcher(budget=13), state=state)
    start = DIGITS.decode(events[0].architecture)
    around = [cell for cell in neighbours(DIGITS, start) if cell in VALID]
    assert {DIGITS.decode(event.architecture) for event in events[1 : 1 + len(around)]} == set(
        around
    )
    best = max([start, *around], key=crc)
    assert best != start
    following = [DIGITS.decode(event.architecture) for event in events[1 + len(around) :]]
    assert following
    assert set(following) <= set(neighbours(DIGITS, best))


AROUND = [cell for cell in neighbours(DIGITS, BEST) if cell in VALID]


def observed(improvement: str, history: History, population: tuple[int, ...]) -> tuple[int, ...]:
    searcher = LocalSearcher(improvement=improvement)
    newest = range(len(history) - 1, len(history))
    memory = Memory(population=population)
    return searcher.observe(DIGITS, history, memory, newest, random.Random(0)).population


def test_the_first_better_neighbour_is_taken_at_once_and_a_worse_or_equal_one_never() -> None:
    for score, expected in ((2.0, (1,)), (1.0, (0,)), (0.0, (0,))):
        history = history_of({BEST: 1.0, AROUND[0]: score})
        assert observed("first", history, (0,)) == expected
        assert observed("steepest", history, (0,)) == (0,)


def test_the_first_improvement_asks_for_one_neighbour_at_a_time() -> None:
    history = history_of({BEST: 1.0, AROUND[0]: 0.0})
    searcher = LocalSearcher(improvement="first")
    (found,) = searcher.propose(DIGITS, history, Memory(population=(0,)), random.Random(0))
    assert found in AROUND[1:]


@pytest.mark.parametrize("improvement", ["steepest", "first"])
def test_with_all_neighbours_known_the_climb_goes_on_over_what_is_known(improvement: str) -> None:
    scores = {BEST: 1.0} | dict.fromkeys(AROUND, 0.5)
    assert observed(improvement, history_of(scores), (0,)) == ()
    scores[AROUND[4]] = 3.0
    scores[AROUND[6]] = 2.0
    assert observed(improvement, history_of(scores), (0,)) == (5,)


def test_at_a_local_optimum_the_search_starts_anew() -> None:
    def flat(architectures: Sequence[Architecture]) -> list[list[float]]:
        return [[1.0] for _ in architectures]

    # With equal scores everybody is an optimum: neighbours of the first, then a new start.
    events = run(LocalSearcher(budget=30), evaluate=flat)
    start = DIGITS.decode(events[0].architecture)
    around = {cell for cell in neighbours(DIGITS, start) if cell in VALID}
    restarted = DIGITS.decode(events[1 + len(around)].architecture)
    assert restarted not in around


@pytest.mark.parametrize("improvement", ["steepest", "first"])
def test_neighbours_beyond_the_constraints_are_passed_over(improvement: str) -> None:
    limit = sorted(DIGITS.flops(cell) for cell in VALID)[30]
    searcher = LocalSearcher(
        budget=1000, improvement=improvement, constraints=Constraints(flops=limit)
    )
    events = run(searcher)
    assert {DIGITS.decode(event.architecture) for event in events} == {
        cell for cell in VALID if DIGITS.flops(cell) <= limit
    }
