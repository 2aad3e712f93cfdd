"""Latencies in words."""

from backend.runs.latency_text import latency_conditions, latency_text
from tests.frontend import made


def test_a_value_stands_with_its_spread_if_it_has_one():
    row = made.timed_candidate(1, 1.0, 12.34567, spread=0.03216)
    assert latency_text(row) == "12.35 ms (interquartile range 0.0322 ms)"
    assert latency_text(row.model_copy(update={"latency_spread_ms": None})) == "12.35 ms"


def test_the_conditions_are_device_threads_batch_and_runs():
    rows = [made.timed_candidate(1, 1.0, 2.0), made.timed_candidate(2, 1.0, 3.0)]
    run = made.timed_run(kind="measured", batch_size=8, repeats=5)
    told = latency_conditions(run, rows)
    assert told == "measured on cpu Some Chip, 1 thread, batch size 8, median of 5 runs"
    threads = run.spec.training.model_copy(update={"threads": 4})
    several = run.model_copy(update={"spec": run.spec.model_copy(update={"training": threads})})
    assert "Some Chip, 4 threads, " in (latency_conditions(several, rows) or "")


def test_two_devices_are_said_not_to_compare():
    rows = [made.timed_candidate(1, 1.0, 2.0), made.timed_candidate(2, 1.0, 3.0, device="cuda X")]
    told = latency_conditions(made.timed_run(), rows) or ""
    assert told.startswith(
        "measured on several devices, which do not compare: cpu Some Chip, cuda X; 1 thread"
    )


def test_without_latencies_there_are_no_conditions():
    assert latency_conditions(made.timed_run(), []) is None
    assert latency_conditions(made.run(), [made.candidate(1, 1.0)]) is None
