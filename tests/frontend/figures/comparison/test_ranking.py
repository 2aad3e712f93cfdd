import pytest

from frontend.figures.comparison.ranking import (
    ceilings_text,
    rank_correlations,
    taus_over_steps,
)
from frontend.figures.comparison.runs import ComparedRun
from frontend.figures.style import is_empty
from nas.ranking.measures import MEASURES
from tests.frontend import made


def compared(place, correlations=(), **changes):
    run = made.run(id=place + 1, name=f"run {place}", **changes)
    return ComparedRun(place, run, correlations=correlations)


def conditions(row, **changes):
    return row.model_copy(update={"conditions": {**row.conditions, **changes}})


def caption(drawn):
    return drawn.layout.title.subtitle.text


def test_every_run_has_a_row_with_its_newest_overall_tau_and_interval():
    drawn = rank_correlations(
        [
            compared(
                0,
                [
                    made.correlation(0.9, step=1000),
                    made.correlation(0.6, step=1000, stage="final", n=50, ties=3),
                    made.correlation(0.1, step=1000, stage="final", scope="1"),
                ],
            ),
            compared(1, [made.correlation(0.2, step=100), made.correlation(0.4, step=200)]),
        ]
    )
    first, second = drawn.data
    assert (list(first.x), list(first.y), list(first.text)) == ([0.6], ["#1 run 0"], ["0.60"])
    assert list(first.error_x.array) == pytest.approx([0.1])
    assert list(first.error_x.arrayminus) == pytest.approx([0.1])
    assert list(second.x) == [0.4]
    assert list(drawn.layout.yaxis.categoryarray) == ["#1 run 0", "#2 run 1"]
    assert caption(drawn) == (
        "overall Kendall τ-b by loss · n = 10–50 · bar: 95 % interval · tick: noise ceiling 0.80"
        "<br><b>the runs differ in stage (live, final)</b>"
    )
    assert first.customdata[0] == (
        "after training<br>τ = 0.60 [0.50, 0.70]<br>n = 50<br>"
        "tied pairs: 3 by score, 0 by truth<br>noise ceiling 0.80"
        "<br>split validation"
    )


def test_every_row_has_a_tick_at_the_runs_own_ceiling_and_none_where_it_is_unknown():
    rows = [made.correlation(0.5)]
    drawn = rank_correlations(
        [
            compared(0, rows, noise_ceiling=0.7),
            compared(1, rows, noise_ceiling=None),
            compared(2, rows, noise_ceiling=0.9),
        ]
    )
    assert [(tick.x0, tick.x1, tick.y0, tick.y1) for tick in drawn.layout.shapes] == [
        (0.7, 0.7, -0.4, 0.4),
        (0.9, 0.9, 1.6, 2.4),
    ]
    assert "tick: noise ceiling 0.70–0.90, unknown for #2" in caption(drawn)


def test_a_row_without_tau_says_why():
    drawn = rank_correlations(
        [
            compared(0, [made.correlation(0.5)]),
            compared(1, benchmark=None, noise_ceiling=None),
            compared(2),
            compared(3, [made.correlation(None)]),
        ]
    )
    assert [(words.y, words.text) for words in drawn.layout.annotations] == [
        ("#2 run 1", "no benchmark"),
        ("#3 run 2", "not ranked yet"),
        ("#4 run 3", "τ undefined. All scores are equal."),
    ]
    assert [list(trace.x) for trace in drawn.data] == [[0.5], [], [], []]
    assert "differ" not in caption(drawn)


@pytest.mark.parametrize("draw", [rank_correlations, taus_over_steps])
def test_a_warning_names_what_is_not_measured_alike(draw):
    row = made.correlation(0.5)
    drawn = draw(
        [
            compared(0, [conditions(row, images=250, seed=0)]),
            compared(1, [conditions(row, images=1000, seed=1)], benchmark="other@1"),
        ]
    )
    # Seeds are meant to differ.
    assert caption(drawn).endswith("<br><b>the runs differ in benchmark, images</b>")
    alike = draw([compared(0, [conditions(row, seed=0)]), compared(1, [conditions(row, seed=1)])])
    assert "differ" not in caption(alike)
    assert alike.layout.margin.t is None or alike.layout.margin.t < drawn.layout.margin.t


@pytest.mark.parametrize("draw", [rank_correlations, taus_over_steps])
def test_runs_without_any_tau_say_so(draw):
    waiting = draw([compared(0), compared(1, benchmark=None)])
    assert is_empty(waiting)
    assert "been ranked yet" in waiting.layout.annotations[0].text
    without = draw([compared(0, benchmark=None), compared(1, benchmark=None)])
    assert "no ground truth" in without.layout.annotations[0].text


def test_a_run_is_one_line_over_steps_with_its_final_value_off_the_line():
    drawn = taus_over_steps(
        [
            compared(
                0,
                [
                    made.correlation(0.4, step=200, n=20),
                    made.correlation(0.2, step=100, n=20),
                    made.correlation(None, step=300),
                    made.correlation(0.3, step=100, scope="1"),
                    made.correlation(0.3, step=100, scorer="accuracy"),
                    made.correlation(0.6, step=1000, stage="final", n=50),
                ],
            ),
            compared(1, [made.correlation(0.1, step=100, n=40)]),
            compared(2),
        ]
    )
    first, second, third = drawn.data
    assert (list(first.x), list(first.y)) == ([100, 200, None, 1000], [0.2, 0.4, None, 0.6])
    assert first.marker.symbol[0] == "circle"
    assert first.marker.symbol[-1] == "star"
    assert (list(second.x), list(third.x)) == ([100], [])
    assert caption(drawn) == (
        "overall Kendall τ-b by loss · n = 20–40 per live round · star: final, n = 50"
        " · noise ceiling 0.80<br>nothing to show of #3"
    )


def test_every_known_ceiling_is_a_line_over_steps():
    rows = [made.correlation(0.5)]
    drawn = taus_over_steps(
        [
            compared(0, rows, noise_ceiling=0.7),
            compared(1, rows, noise_ceiling=0.7),
            compared(2, rows, noise_ceiling=0.0),
            compared(3, rows, noise_ceiling=None),
        ]
    )
    assert [line.y0 for line in drawn.layout.shapes] == [0.0, 0.7]
    assert [words.text for words in drawn.layout.annotations] == [
        "noise ceiling 0.00",
        "noise ceiling 0.70",
    ]
    assert "noise ceiling 0.00–0.70, unknown for #4" in caption(drawn)


def test_a_ceiling_that_no_benchmark_tells_is_unknown():
    assert ceilings_text([compared(0, noise_ceiling=None)]) == "noise ceiling unknown"


def test_another_measure_has_its_own_values_title_scale_and_n():
    rows = [
        made.correlation(0.4, step=100, sparse_tau=0.7),
        made.correlation(0.5, step=1000, stage="final", n=50, sparse_tau=0.8),
    ]
    binned = (
        rows[1].measures["sparse-tau"].model_copy(update={"num_architectures": 5, "truth_ties": 4})
    )
    measures = {**rows[1].measures, "sparse-tau": binned}
    rows[1] = rows[1].model_copy(update={"measures": measures})
    runs = [compared(0, rows), compared(1, rows[:1])]
    newest = rank_correlations(runs, measure="sparse-tau")
    assert [list(trace.x) for trace in newest.data] == [[0.8], [0.7]]
    assert list(newest.data[0].error_x.array) == pytest.approx([0.1])
    assert newest.layout.title.text == "sparse τ-b"
    assert newest.layout.xaxis.title.text == "sparse τ-b"
    assert caption(newest).startswith("overall sparse τ-b by loss · n = 5–10 · bar: 95 % interval")
    assert (
        newest.data[0]
        .customdata[0]
        .startswith(
            "after training<br>sparse τ-b = 0.80 [0.70, 0.90]<br>n = 5<br>"
            "tied pairs: 0 by score, 4 by truth<br>noise ceiling 0.80 (of τ-b)"
        )
    )
    assert newest.layout.uirevision == "rank-correlation-sparse-tau-1-2"
    over_steps = taus_over_steps(runs, measure="sparse-tau")
    assert [list(trace.y) for trace in over_steps.data] == [[0.7, None, 0.8], [0.7]]
    assert over_steps.layout.title.text == "sparse τ-b over steps"
    assert over_steps.layout.yaxis.title.text == "sparse τ-b"
    assert "star: final, n = 5 ·" in caption(over_steps)
    assert over_steps.layout.uirevision == "tau-over-steps-sparse-tau-1-2"


@pytest.mark.parametrize("draw", [rank_correlations, taus_over_steps])
def test_the_noise_ceiling_bounds_tau_alone_and_is_named_beside_the_others(draw):
    runs = [compared(0, [made.correlation(0.4)]), compared(1, noise_ceiling=None)]
    for name in MEASURES:
        drawn = draw(runs, measure=name)
        marks = {end for shape in drawn.layout.shapes for end in (shape.x0, shape.y0)}
        assert (0.8 in marks) == (name == "tau")
        known = "noise ceiling 0.80, unknown for #2"
        assert known in caption(drawn)
        assert (f"{known} (of τ-b)" in caption(drawn)) == (name != "tau")


def test_a_measure_without_an_interval_has_no_bar():
    drawn = rank_correlations(
        [compared(0, [made.correlation(0.4, pool_regret=1.5)])], measure="pool-regret"
    )
    (trace,) = drawn.data
    assert (list(trace.x), list(trace.error_x.array)) == ([1.5], [])
    assert "bar:" not in caption(drawn)
    assert drawn.layout.xaxis.title.text == "regret in the pool (percentage points)"


def test_a_run_in_which_the_measure_is_undefined_says_why():
    rows = [made.correlation(0.4, tau_top_1_percent=None)]
    runs = [compared(0, rows), compared(1, [made.correlation(0.5)])]
    drawn = rank_correlations(runs, measure="tau-top-1-percent")
    assert [(words.y, words.text) for words in drawn.layout.annotations] == [
        ("#1 run 0", "τ-b, top 1 % undefined. All scores are equal.")
    ]
    assert [list(trace.x) for trace in drawn.data] == [[], [0.5]]
    assert "nothing to show of #1" in caption(taus_over_steps(runs, measure="tau-top-1-percent"))


@pytest.mark.parametrize("draw", [rank_correlations, taus_over_steps])
@pytest.mark.parametrize("measure", ["tau", "tau-top-1-percent"])
def test_a_measure_that_is_undefined_in_every_run_says_why(draw, measure):
    rows = [made.correlation(None if measure == "tau" else 0.4, tau_top_1_percent=None)]
    drawn = draw([compared(0, rows), compared(1, rows), compared(2)], measure=measure)
    assert is_empty(drawn)
    assert drawn.layout.annotations[0].text.replace("<br>", " ") == (
        f"{MEASURES[measure].title} is undefined for these runs. All scores are equal."
    )
