import json

import pytest

from frontend.figures.chosen import Chosen
from frontend.figures.comparison.registry import COMPARISONS
from frontend.figures.comparison.runs import MOST_RUNS, ComparedRun
from frontend.figures.registry import FIGURES
from tests.frontend import made


def full(place, **changes):
    return ComparedRun(
        place,
        made.run(id=place + 1, name=f"run {place}", **changes),
        subspaces=made.subspaces(30, 10),
        balance=[made.balance(0, 3), made.balance(1, 2)],
        correlations=[made.correlation(0.5), made.correlation(0.4, stage="final", step=1000)],
        metrics=[made.metric(None, 1, 2.0), made.metric(0, 2, 1.0), made.metric(1, 2, 1.0)],
        candidates=[made.candidate(1, 1.0, accuracy=90, rank=2)],
    )


RUNS = [full(place) for place in range(MOST_RUNS)]


def colour_of(trace):
    return trace.marker.color or trace.line.color


def test_a_comparison_has_the_name_and_title_of_its_counterpart_for_one_run():
    assert COMPARISONS.keys() <= FIGURES.keys()
    for name, definition in COMPARISONS.items():
        assert definition.title == FIGURES[name].title


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_every_run_is_one_trace_with_its_number_name_and_colour(name, theme):
    drawn = COMPARISONS[name].of(RUNS, theme)
    assert [trace.name for trace in drawn.data] == [one.label for one in RUNS]
    assert [trace.meta["run"] for trace in drawn.data] == [one.run.id for one in RUNS]
    assert [colour_of(trace) for trace in drawn.data] == [one.colour for one in RUNS]
    assert all(len(trace.x) for trace in drawn.data)


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_every_comparison_has_title_n_units_and_a_constant_uirevision(name):
    drawn = COMPARISONS[name].of(RUNS[:2], "light")
    later = COMPARISONS[name].of([full(0, revision=99), full(1)], "light")
    assert drawn.layout.title.text == COMPARISONS[name].title
    assert "n = " in drawn.layout.title.subtitle.text
    assert drawn.layout.uirevision == later.layout.uirevision == f"{name}-1-2"
    layout = json.loads(drawn.to_json())["layout"]
    assert layout["xaxis"]["title"]["text"]


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_a_chosen_measure_changes_the_figures_that_show_one_alone(name):
    runs = [full(0), full(1)]
    chosen = COMPARISONS[name].of(runs, "light", Chosen("pool-regret"))
    usual = COMPARISONS[name].of(runs, "light")
    assert (chosen != usual) == COMPARISONS[name].has_measure
    assert COMPARISONS[name].has_measure == (name in ("rank-correlation", "tau-over-steps"))


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_every_comparison_takes_the_ink_of_its_theme(name):
    light, dark = (COMPARISONS[name].of(RUNS[:2], theme) for theme in ("light", "dark"))
    assert light.layout.template != dark.layout.template
    assert light.data == dark.data


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_runs_that_have_done_nothing_yet_are_a_sentence_and_no_axis(name):
    runs = [ComparedRun(place, made.run(id=place + 1)) for place in range(2)]
    drawn = COMPARISONS[name].of(runs, "light")
    assert drawn.layout.annotations[0].text
    assert drawn.layout.xaxis.visible is False


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_a_comparison_reads_no_more_than_it_asks_for(name):
    needs = COMPARISONS[name].needs
    lean = [
        ComparedRun(one.place, one.run, **{need: getattr(one, need) for need in needs})
        for one in RUNS[:2]
    ]
    assert COMPARISONS[name].of(lean, "light") == COMPARISONS[name].of(RUNS[:2], "light")
