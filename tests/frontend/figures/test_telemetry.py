from datetime import timedelta

import pytest

from frontend.figures.style import SHARED_COLOUR, is_empty, subspace_colour
from frontend.figures.telemetry import PART_COLOURS, PARTS, throughput, time_shares, totals
from tests.frontend import made


def traces(drawn, name):
    return [trace for trace in drawn.data if trace.name == name]


def test_a_unit_has_one_line_of_steps_and_one_of_samples_over_minutes():
    rows = [
        made.telemetry("warm-up", 300, updates=100, images=6400),
        made.telemetry("warm-up", 301, updates=50, images=3200),
        made.telemetry("train-1", 600, seconds=2.0, updates=20, images=1280),
    ]
    drawn = throughput(made.run(), subspaces=made.subspaces(1, 1), telemetry=rows)
    steps, samples = traces(drawn, "warm-up (shared)")
    assert list(steps.x) == pytest.approx([5, 301 / 60], abs=1e-4)
    assert (list(steps.y), list(samples.y)) == ([100, 50], [6400, 3200])
    assert (steps.yaxis, samples.yaxis) == ("y", "y2")
    own, _ = traces(drawn, "count 1")
    assert (list(own.x), list(own.y)) == ([10], [10])
    assert [steps.line.color, own.line.color] == [SHARED_COLOUR, subspace_colour(1)]
    # 170 steps and 10,880 samples in 4 seconds.
    assert "mean 42.5 steps/s, 2,720 samples/s" in drawn.layout.title.subtitle.text
    assert drawn.layout.xaxis2.title.text == "time since the run began (min)"


@pytest.mark.parametrize(
    ("seconds", "shown", "unit"), [(90, 90, "s"), (7200, 2, "h"), (864_000, 10, "d")]
)
def test_the_time_has_the_unit_that_suits_its_length(seconds, shown, unit):
    rows = [made.telemetry("train-0", seconds, updates=1, images=64)]
    drawn = throughput(made.run(), subspaces=made.subspaces(1), telemetry=rows)
    assert list(drawn.data[0].x) == [shown]
    assert drawn.layout.xaxis2.title.text.endswith(f"({unit})")


def test_the_line_is_interrupted_where_the_unit_was_not_worked_on():
    rows = [
        made.telemetry("train-0", second, updates=10, images=640) for second in (1, 2, 4, 20, 21)
    ]
    drawn = throughput(made.run(), subspaces=made.subspaces(1), telemetry=rows)
    assert list(drawn.data[0].y) == [10, 10, 10, None, 10, 10]


def test_parts_are_shares_of_the_time_and_add_up_to_all_of_it():
    rows = [
        made.telemetry("train-0", 1, seconds=2.0, data=0.5, forward=0.25, ranking=0.25),
        made.telemetry("train-0", 2, seconds=2.0, backward=1.0, optimizer=0.5, checkpoint=0.1),
        made.telemetry("search", 3, kind="search", seconds=1.0, ranking=0.75),
    ]
    drawn = time_shares(made.run(), telemetry=rows)
    assert [trace.name for trace in drawn.data] == list(PARTS)
    assert [list(trace.y) for trace in drawn.data] == [["train-0", "search"]] * 7
    found = {trace.name: list(trace.x) for trace in drawn.data}
    assert found["data"] == pytest.approx([12.5, 0])
    assert found["backward"] == pytest.approx([25, 0])
    assert found["ranking"] == pytest.approx([6.25, 75])
    assert found["checkpoint"] == pytest.approx([2.5, 0])
    assert found["other"] == pytest.approx([35, 25])
    assert [sum(found[part][place] for part in PARTS) for place in (0, 1)] == pytest.approx(
        [100, 100]
    )
    # (0.5 + 0.25 + 0.25 + 1 + 0.5 + 0.75) of 5 seconds.
    assert "n = 5 s of work on 2 units · 65.0% training and ranking" in (
        drawn.layout.title.subtitle.text
    )


def test_no_part_has_the_colour_of_a_subspace_or_of_another_part():
    assert len(set(PART_COLOURS.values())) == len(PARTS)
    assert not set(PART_COLOURS.values()) & {subspace_colour(index) for index in range(7)}


def test_the_chunks_of_the_final_ranking_are_one():
    rows = [
        made.telemetry(f"rank-0-{chunk}", chunk, kind="rank", seconds=2.0, ranking=1.0 + chunk)
        for chunk in range(2)
    ]
    (total,) = totals(rows)
    assert (total.name, total.seconds, total.parts["ranking"]) == ("rank (2 units)", 4.0, 3.0)
    assert (total.useful_share, total.steps_per_second) == (0.75, None)
    drawn = throughput(made.run(), subspaces=[], telemetry=rows)
    assert is_empty(drawn)
    assert "No unit has trained yet." in drawn.layout.annotations[0].text


def test_the_chunks_of_the_landmarks_are_one():
    rows = [
        made.telemetry(f"landmarks-{chunk}", chunk, kind="landmarks", seconds=2.0)
        for chunk in range(3)
    ]
    (total,) = totals(rows)
    assert (total.name, total.seconds) == ("landmarks (3 units)", 6.0)


def test_totals_average_rates_over_time_where_they_are_known():
    rows = [
        made.telemetry("train-0", 1, seconds=1.0, updates=10, images=640, cpu=90.0, memory=7),
        made.telemetry("train-0", 2, seconds=3.0, updates=2, images=128, cpu=50.0, memory=5),
        made.telemetry("train-0", 3, seconds=1.0),
    ]
    (total,) = totals(rows)
    assert (total.steps_per_second, total.samples_per_second) == (12 / 5, 768 / 5)
    assert total.cpu_percent == pytest.approx((90 + 150) / 4)
    assert (total.memory_bytes, total.gpu_percent, total.gpu_memory_bytes) == (7, None, None)


@pytest.mark.parametrize(
    "drawn",
    [throughput(made.run(), subspaces=[], telemetry=[]), time_shares(made.run(), telemetry=[])],
)
def test_without_a_row_the_figures_say_when_there_will_be_some(drawn):
    assert is_empty(drawn)
    text = drawn.layout.annotations[0].text.replace("<br>", " ")
    assert text.startswith("No unit has trained or scored yet. Telemetry appears")


def test_times_are_those_since_the_run_began_or_since_the_first_row():
    rows = [made.telemetry("train-0", 60, updates=1, images=1)]
    late = made.run(started_at=made.NOW + timedelta(seconds=30))
    drawn = throughput(late, subspaces=made.subspaces(1), telemetry=rows)
    assert list(drawn.data[0].x) == [30]
    unknown = throughput(made.run(started_at=None), subspaces=made.subspaces(1), telemetry=rows)
    assert list(unknown.data[0].x) == [0]
