import pytest

from frontend.figures.comparison.runs import ComparedRun
from frontend.figures.comparison.training import prepare_mean_loss, training_losses
from frontend.figures.style import is_empty
from tests.frontend import made


def compared(place, metrics=(), **changes):
    return ComparedRun(
        place, made.run(id=place + 1, name=f"run {place}", **changes), metrics=metrics
    )


def test_the_mean_is_of_the_newest_losses_of_all_supernets():
    metrics = [
        made.metric(None, 10, 2.5),
        made.metric(None, 20, 2.0),
        made.metric(0, 30, 1.0),  # the other supernet has not reported yet
        made.metric(1, 40, 1.5),
        made.metric(0, 50, 0.5),
        made.metric(1, 60, 1.1),
        made.metric(0, 70, 0.1),  # the other supernet has not come so far
    ]
    found = prepare_mean_loss(metrics, 2)
    assert [step for step, _ in found] == [10, 20, 40, 50, 60]
    assert [loss for _, loss in found] == pytest.approx([2.5, 2.0, 1.25, 1.0, 0.8])


def test_reports_of_one_step_are_one_point():
    metrics = [made.metric(0, 10, 1.0), made.metric(1, 10, 2.0), made.metric(0, 20, 9.0)]
    assert prepare_mean_loss(metrics, 2) == [(10, 1.5)]


def test_until_every_supernet_has_reported_there_is_the_warm_up_alone():
    metrics = [made.metric(None, 10, 2.5), made.metric(0, 20, 1.0), made.metric(1, 20, 1.0)]
    assert prepare_mean_loss(metrics, 3) == [(10, 2.5)]
    assert prepare_mean_loss([], 3) == []


def test_a_run_is_one_line_with_its_conditions():
    other = made.spec(training={"steps": 500, "batch_size": 32})
    drawn = training_losses(
        [
            compared(0, [made.metric(None, 10, 2.5), made.metric(None, 20, 2.0)]),
            compared(1, [made.metric(None, 10, 2.4)], spec=other),
            compared(2),
        ]
    )
    assert [list(trace.y) for trace in drawn.data] == [[2.5, 2.0], [2.4], []]
    assert [trace.mode for trace in drawn.data] == ["lines", "markers", "lines"]
    assert drawn.layout.title.subtitle.text == (
        "mean cross-entropy over a run's supernets (nats) · batch of 32–64 · n = 10–20 steps so far"
        "<br>nothing to show of #3 · <b>the runs differ in batch size</b>"
    )


def test_before_any_step_the_figure_says_so():
    assert is_empty(training_losses([compared(0), compared(1)]))
