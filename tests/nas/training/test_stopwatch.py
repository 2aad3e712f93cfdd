import time
from itertools import accumulate

import pytest
import torch

from nas.events import PartSeconds
from nas.training import loop
from nas.training.loop import train
from nas.training.state import fresh_state
from nas.training.stopwatch import CudaStopwatch, Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """Lets the clock show the sums of the given spans, one more at every look."""

    def show(*spans):
        times = accumulate(spans)
        monkeypatch.setattr(time, "perf_counter", lambda: next(times))

    return show


def test_every_span_is_given_to_one_part_and_nothing_is_lost(clock):
    clock(100, 1, 2, 4, 8, 16, 32)
    watch = Stopwatch()
    for part in ("data", "forward", "backward", "forward", "backward", "optimizer"):
        watch.lap(part)
    assert watch.take() == PartSeconds(data=1, forward=2 + 8, backward=4 + 16, optimizer=32)


def test_what_lies_between_two_beginnings_is_not_counted(clock):
    clock(0, 1, 1000, 2)
    watch = Stopwatch()
    watch.lap("data")
    watch.begin()
    watch.lap("data")
    assert watch.take() == PartSeconds(data=2, forward=0, backward=0, optimizer=0)


def test_the_readings_of_a_step_cost_less_than_a_hundredth_of_ten_milliseconds():
    watch, steps = Stopwatch(), 1000

    def measured() -> float:
        began = time.perf_counter()
        for _ in range(steps):
            for part in ("data", "forward", "backward", "optimizer"):
                watch.lap(part)
        return (time.perf_counter() - began) / steps

    assert min(measured() for _ in range(5)) < 0.01 * 0.010


def test_the_parts_of_training_add_up_to_its_time_without_that_of_its_reader(
    make_experiment, monkeypatch
):
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    experiment = make_experiment()
    events = train(experiment, fresh_state(experiment, None), 12)
    next(events)  # which prepares much that is no part of a step
    inside, measured = 0.0, 0.0
    while True:
        began = time.perf_counter()
        event = next(events, None)
        inside += time.perf_counter() - began
        if event is None:
            break
        parts = event.part_seconds
        assert min(parts.data, parts.forward, parts.backward, parts.optimizer) > 0
        measured += parts.data + parts.forward + parts.backward + parts.optimizer
        time.sleep(0.01)
    assert 0.5 * inside < measured < inside


class _Stream:
    """A device that reaches each event some milliseconds after the one before."""

    def __init__(self, *milliseconds):
        self.times = accumulate(milliseconds)
        self.waited_for = []


class _Event:
    """Of torch.cuda.Event what its documentation says."""

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self, stream):
        self.stream, self.reached = stream, next(stream.times)

    def synchronize(self):
        self.stream.waited_for.append(self)

    def elapsed_time(self, end):
        assert end.stream.waited_for, "the end has perhaps not been reached"
        return end.reached - self.reached


def test_on_a_gpu_the_time_is_the_devices_and_is_awaited_once(monkeypatch):
    stream = _Stream(5, 1, 2, 4, 8, 500, 3)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "Event", _Event)
    watch = Stopwatch.of("cuda:1")
    for part in ("data", "forward", "backward", "optimizer"):
        watch.lap(part)
    assert not stream.waited_for
    assert watch.take() == PartSeconds(0.001, 0.002, 0.004, 0.008)
    assert len(stream.waited_for) == 1
    watch.begin()
    watch.lap("backward")
    assert watch.take() == PartSeconds(0, 0, 0.003, 0)


@pytest.mark.gpu
def test_a_gpu_part_lasts_as_long_as_its_kernels_and_not_as_their_launch():
    device = torch.device("cuda", torch.cuda.current_device())
    matrix = torch.randn(4096, 4096, device=device)
    torch.cuda.synchronize(device)
    watch = CudaStopwatch(str(device))
    watch.lap("data")
    began = time.perf_counter()
    for _ in range(50):
        matrix = (matrix @ matrix).clamp(-1, 1)
    launched = time.perf_counter() - began
    watch.lap("forward")
    parts = watch.take()
    whole = time.perf_counter() - began
    assert parts.forward > parts.data
    assert launched < parts.forward < 1.1 * whole
