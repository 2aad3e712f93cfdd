import pytest

from frontend.figures.ranking_over_steps import tau_over_steps
from frontend.figures.style import is_empty
from nas.ranking.measures import MEASURES
from tests.frontend import made


def trace(drawn, name):
    return next(trace for trace in drawn.data if trace.name == name)


def caption(drawn):
    return drawn.layout.title.subtitle.text


def test_tau_over_steps_shows_overall_with_band_every_subspace_and_the_final_value():
    drawn = tau_over_steps(
        made.run(),
        subspaces=made.subspaces(1, 1),
        correlations=[
            made.correlation(0.4, step=200),
            made.correlation(0.2, step=100),
            made.correlation(0.3, step=100, scope="1", n=4),
            made.correlation(0.6, step=1000, stage="final", n=50),
            made.correlation(0.9, step=100, scorer="accuracy"),
        ],
    )
    overall = trace(drawn, "overall")
    assert (list(overall.x), list(overall.y)) == ([100, 200], [0.2, 0.4])
    band = trace(drawn, "95 % interval")
    assert list(band.x) == [100, 200, 200, 100]
    assert list(band.y) == pytest.approx([0.1, 0.3, 0.5, 0.3])
    assert list(trace(drawn, "count 1").y) == [0.3]
    assert list(trace(drawn, "count 0").y) == []
    assert list(trace(drawn, "final (n = 50)").y) == [0.6]


def test_the_noise_ceiling_is_a_line_where_it_is_known_and_words_where_not():
    rows = [made.correlation(0.4)]
    known = tau_over_steps(made.run(), subspaces=made.subspaces(1), correlations=rows)
    assert 0.8 in [shape.y0 for shape in known.layout.shapes]
    unknown = tau_over_steps(
        made.run(noise_ceiling=None), subspaces=made.subspaces(1), correlations=rows
    )
    assert 0.8 not in [shape.y0 for shape in unknown.layout.shapes]
    assert "noise ceiling unknown" in unknown.layout.title.subtitle.text


def test_an_undefined_tau_is_left_out_of_the_curve():
    rows = [made.correlation(None, step=100), made.correlation(0.4, step=200)]
    drawn = tau_over_steps(made.run(), subspaces=made.subspaces(1), correlations=rows)
    assert list(trace(drawn, "overall").x) == [200]


def test_another_measure_has_its_own_values_title_scale_and_n():
    rows = [
        made.correlation(0.4, step=100, sparse_tau=0.7),
        made.correlation(0.5, step=200, sparse_tau=0.8),
        made.correlation(0.5, step=200, scope="1", sparse_tau=0.1),
        made.correlation(0.6, step=1000, stage="final", n=50, sparse_tau=0.9),
    ]
    drawn = tau_over_steps(
        made.run(), subspaces=made.subspaces(1, 1), correlations=rows, measure="sparse-tau"
    )
    assert list(trace(drawn, "overall").y) == [0.7, 0.8]
    assert list(trace(drawn, "95 % interval").y) == pytest.approx([0.6, 0.7, 0.9, 0.8])
    assert list(trace(drawn, "count 1").y) == [0.1]
    (star,) = trace(drawn, "final (n = 50)").y
    assert star == 0.9
    assert drawn.layout.title.text == "sparse τ-b over steps"
    assert caption(drawn).startswith("sparse τ-b by loss · n = 10 per live round · band: 95 %")
    assert drawn.layout.yaxis.title.text == "sparse τ-b"
    assert drawn.layout.uirevision == "tau-over-steps-7-sparse-tau"


def test_the_noise_ceiling_bounds_tau_alone_and_is_named_beside_the_others():
    rows = [made.correlation(0.4)]
    for name in MEASURES:
        drawn = tau_over_steps(
            made.run(), subspaces=made.subspaces(1), correlations=rows, measure=name
        )
        assert (0.8 in [shape.y0 for shape in drawn.layout.shapes]) == (name == "tau")
        assert "noise ceiling 0.80" in caption(drawn)


def test_a_measure_without_an_interval_is_drawn_without_band_and_bars():
    rows = [
        made.correlation(0.4, pool_regret=1.5),
        made.correlation(0.4, step=1000, stage="final", n=50, pool_regret=0.5),
    ]
    drawn = tau_over_steps(
        made.run(), subspaces=made.subspaces(1), correlations=rows, measure="pool-regret"
    )
    assert list(trace(drawn, "overall").y) == [1.5]
    assert list(trace(drawn, "95 % interval").x) == []
    assert "band" not in caption(drawn)
    star = trace(drawn, "final (n = 50)")
    assert (list(star.y), star.error_y.array) == ([0.5], None)
    assert drawn.layout.yaxis.title.text == "regret in the pool (percentage points)"


def test_a_measure_that_is_undefined_at_every_step_says_why():
    rows = [made.correlation(0.4, tau_top_1_percent=None)]
    drawn = tau_over_steps(
        made.run(), subspaces=made.subspaces(1), correlations=rows, measure="tau-top-1-percent"
    )
    assert is_empty(drawn)
    text = drawn.layout.annotations[0].text.replace("<br>", " ")
    assert text == "τ-b, top 1 % is undefined at every step. All scores are equal."


def test_a_bar_ends_at_a_value_that_its_interval_does_not_contain():
    row = made.correlation(0.6, step=1000, stage="final", n=50)
    tau = row.tau.model_copy(update={"low": 0.2, "high": 0.5})
    row = row.model_copy(update={"measures": {**row.measures, "tau": tau}})
    drawn = tau_over_steps(made.run(), subspaces=made.subspaces(1), correlations=[row])
    bars = trace(drawn, "final (n = 50)").error_y
    assert (list(bars.array), list(bars.arrayminus)) == ([0.0], [pytest.approx(0.4)])
