import time
from collections.abc import Iterator, Sequence
from itertools import islice

import pytest
from pydantic import ValidationError

from nas.partition.nonlinearity import NonlinearitySplitter
from nas.search.loop import CHUNK, search
from nas.search.random import RandomSearcher
from nas.search.state import SearchState
from nas.spaces.base import Architecture
from tests.nas.search.searching import KINDS, NB201, PARTITION, arbitrary, crc, run, searcher_of

DEFAULTS = {"nsga2": {"population_size": 50}, "pareto-novelty": {"population_size": 20}}
"""Sizes that `searcher_of` makes small; each generation has a cost of its own."""


class Clock:
    """Stands still but for what a test adds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def timed(clock: Clock, state: SearchState, *, handling: float = 0.0) -> Iterator[int]:
    """Search with two seconds per call of `evaluate`, at most nine; yield evaluations."""

    def slow(architectures: Sequence[Architecture]) -> list[list[float]]:
        clock.now += 2.0
        return arbitrary(architectures)

    searcher = RandomSearcher(budget=100, budget_seconds=9.0)
    for event in search(searcher, PARTITION, slow, state, 0, clock):
        clock.now += handling
        yield event.evaluation


def test_no_candidate_is_begun_when_the_seconds_are_spent() -> None:
    state = SearchState()
    # Four calls end after eight seconds, the fifth is begun before nine.
    assert list(timed(Clock(), state)) == list(range(1, 5 * CHUNK + 1))
    assert state.seconds == 10.0
    assert list(timed(Clock(), state)) == []


def test_time_in_which_events_are_handled_does_not_count() -> None:
    state = SearchState()
    assert len(list(timed(Clock(), state, handling=100.0))) == 5 * CHUNK
    assert state.seconds == 10.0


def test_the_seconds_of_earlier_attempts_count() -> None:
    state = SearchState()
    before = timed(Clock(), state)
    assert [next(before) for _ in range(2 * CHUNK)][-1] == 2 * CHUNK
    stored = SearchState.model_validate_json(state.model_dump_json())
    assert stored.seconds == 4.0
    assert list(timed(Clock(), stored))[-1] == 5 * CHUNK
    assert stored.seconds == 10.0


def test_what_a_search_in_seconds_finds_is_the_beginning_of_the_unlimited_one() -> None:
    state = SearchState()
    list(timed(Clock(), state))
    whole = SearchState()
    run(RandomSearcher(budget=100), state=whole)
    assert state.evaluations == whole.evaluations[: 5 * CHUNK]


def test_the_evaluations_end_a_search_before_its_seconds_do() -> None:
    assert len(run(RandomSearcher(budget=10, budget_seconds=1e9))) == 10


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_budget_of_no_seconds_is_refused(seconds: float) -> None:
    with pytest.raises(ValidationError, match=r"budget_seconds"):
        RandomSearcher(budget_seconds=seconds)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_thousand_look_ups_take_less_than_thirty_seconds_of_processor(kind: str) -> None:
    searcher = searcher_of(kind, 2000, NB201, **DEFAULTS.get(kind, {}))
    partition = NonlinearitySplitter().split(NB201)
    looking = 0.0

    def look_up(architectures: Sequence[Architecture]) -> list[list[float]]:
        nonlocal looking
        before = time.process_time()
        scores = [[crc(cell)] for cell in architectures]
        looking += time.process_time() - before
        return scores

    def seconds_of(number: int) -> float:
        """Return the processor time that so many evaluations take beside the look-ups."""
        before, looked = time.process_time(), looking
        events = search(searcher, partition, look_up, SearchState(), 0)
        assert len(list(islice(events, number))) == number
        return time.process_time() - before - (looking - looked)

    # What is loaded and counted once per process is no matter of look-ups.
    seconds_of(100)
    spent = seconds_of(2000)
    assert spent / 2000 * 100_000 < 30
