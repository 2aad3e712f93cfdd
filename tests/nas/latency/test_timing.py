"""Repeated runs of a call on a clock that a test winds."""

from collections.abc import Iterable

import pytest

from nas.latency.timing import timed


class Calls:
    """A call that takes the given seconds, run after run, on a clock of its own."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self.now = 1000.0
        self.told: list[str] = []
        self._left = iter(seconds)

    def run(self) -> None:
        self.told.append("run")
        self.now += next(self._left)

    def clock(self) -> float:
        return self.now


def test_the_median_and_the_interquartile_range_are_those_of_the_runs() -> None:
    calls = Calls([0.004, 0.001, 0.002, 0.003, 0.1])
    found = timed(calls.run, warm_up=0, repeats=5, clock=calls.clock)
    # Sorted: 1, 2, 3, 4, 100 ms; the quartiles are the second and the fourth.
    assert found.ms == pytest.approx(3)
    assert found.spread_ms == pytest.approx(2)


def test_of_an_even_number_the_two_in_the_middle_count() -> None:
    calls = Calls([0.001, 0.002, 0.004, 0.008])
    found = timed(calls.run, warm_up=0, repeats=4, clock=calls.clock)
    assert found.ms == pytest.approx(3)
    assert found.spread_ms == pytest.approx(5 - 1.75)


def test_the_warm_up_is_run_and_does_not_count() -> None:
    calls = Calls([9.0, 7.0, 0.001, 0.001, 0.001])
    found = timed(calls.run, warm_up=2, repeats=3, clock=calls.clock)
    assert found.ms == pytest.approx(1)
    assert found.spread_ms == pytest.approx(0, abs=1e-9)
    assert calls.told == ["run"] * 5


def test_equal_runs_have_no_spread() -> None:
    calls = Calls([0.25] * 2)
    assert timed(calls.run, warm_up=0, repeats=2, clock=calls.clock) == (250, 0)


def test_a_device_that_works_beside_is_waited_for_before_and_after_every_run() -> None:
    calls = Calls([0.001] * 4)

    def synchronise() -> None:
        calls.told.append("wait")
        # What the device had still to do; of a run that counts, it does.
        calls.now += 0.5

    found = timed(calls.run, warm_up=1, repeats=3, synchronise=synchronise, clock=calls.clock)
    assert calls.told == ["run", *["wait", "run", "wait"] * 3]
    assert found.ms == pytest.approx(501)
