import pytest

from frontend.figures.ranking import (
    ceiling_text,
    ceiling_value,
    prepare_ranking,
    rank_correlation,
    tau_text,
)
from frontend.figures.ranking_over_steps import tau_over_steps
from frontend.figures.style import is_empty, subspace_colour
from tests.frontend import made


def trace(drawn, name):
    return next(trace for trace in drawn.data if trace.name == name)


def test_final_scores_go_before_live_ones():
    scores = [made.score("a", 1, 90, step=900), made.score("a", 2, 90, stage="final", step=1000)]
    found = prepare_ranking("loss", scores, [])
    assert (found.stage, found.step, found.overall) == ("final", 1000, None)
    assert [row.score for row in found.scores] == [2]


def test_a_complete_round_goes_before_a_newer_one_with_parts_missing():
    scores = [made.score("a", 1, 90, step=100), made.score("a", 2, 90, step=200)]
    complete = prepare_ranking("loss", scores, [made.correlation(0.5, step=100)])
    assert complete.step == 100
    assert complete.overall.tau.value == 0.5
    assert prepare_ranking("loss", scores, []).step == 200


def test_scores_of_other_scorers_and_without_truth_are_left_out():
    scores = [made.score("a", 1, 90, scorer="accuracy"), made.score("b", 1, None)]
    assert prepare_ranking("loss", scores, []) is None


def test_points_are_coloured_by_subspace_and_tau_stands_in_the_title():
    drawn = rank_correlation(
        made.run(),
        subspaces=made.subspaces(1, 1),
        scores=[
            made.score("a", -1.0, 90, subspace=0),
            made.score("b", -0.5, 95, subspace=1),
            made.score("c", -0.7, 93, subspace=1),
        ],
        correlations=[made.correlation(0.5, n=3, ties=2)],
    )
    second = trace(drawn, "count 1 (n = 2)")
    assert (list(second.x), list(second.y)) == ([-0.5, -0.7], [95, 93])
    assert list(second.text) == ["b", "c"]
    assert second.marker.color == subspace_colour(1)
    assert drawn.layout.title.text == "Rank correlation: τ = 0.50 [0.40, 0.60]"
    assert drawn.layout.title.subtitle.text == (
        "n = 3 · tied pairs: 2 by score, 0 by truth · live, step 100 · noise ceiling 0.80"
    )


def test_what_is_unusual_about_the_training_stands_under_the_title():
    row = made.correlation(0.5, n=3, ties=2)
    row = row.model_copy(update={"conditions": {**row.conditions, "micro_batches": 2}})
    scatter = rank_correlation(
        made.run(),
        subspaces=made.subspaces(1),
        scores=[made.score("a", -1.0, 90, subspace=0)],
        correlations=[row],
    )
    lines = tau_over_steps(made.run(), subspaces=made.subspaces(1), correlations=[row])
    for drawn in (scatter, lines):
        assert drawn.layout.title.subtitle.text.endswith("noise ceiling 0.80 · micro batches 2")


def test_one_score_is_one_point_without_tau():
    drawn = rank_correlation(
        made.run(),
        subspaces=made.subspaces(1),
        scores=[made.score("a", 1, 90)],
        correlations=[made.correlation(None, n=1)],
    )
    assert list(drawn.data[0].x) == [1]
    assert drawn.layout.title.text == "Rank correlation: τ undefined. All scores are equal."


def test_tau_is_pending_while_parts_of_the_round_are_missing():
    assert tau_text(None) == "τ pending"


def test_the_final_scores_that_are_there_are_drawn_while_the_others_are_computed():
    part = made.correlation(0.4, stage="final", step=1000, scope="0")
    drawn = rank_correlation(
        made.run(),
        subspaces=made.subspaces(1, 1),
        scores=[made.score("a", -1.0, 90, subspace=0, stage="final", step=1000)],
        correlations=[made.correlation(0.5), part],
    )
    assert [len(trace.x) for trace in drawn.data] == [1, 0]
    assert drawn.layout.title.text == "Rank correlation: τ pending"
    assert drawn.layout.title.subtitle.text.startswith("n = 1 · after training")


def test_an_unknown_ceiling_is_called_unknown():
    assert ceiling_text(made.run(noise_ceiling=None)) == "noise ceiling unknown"


def test_a_table_tells_an_unknown_ceiling_from_no_benchmark():
    assert ceiling_value(made.run()) == "0.80"
    assert ceiling_value(made.run(noise_ceiling=None)) == "unknown"
    assert ceiling_value(made.run(noise_ceiling=None, benchmark=None)) == "no benchmark"


def test_without_a_benchmark_the_scatter_says_that_there_is_no_ground_truth():
    drawn = rank_correlation(
        made.run(benchmark=None), subspaces=[], scores=[made.score("a", 1, None)], correlations=[]
    )
    assert is_empty(drawn)
    assert "no benchmark" in drawn.layout.annotations[0].text


def test_scores_of_architectures_that_the_benchmark_lacks_are_said_to_be_so():
    scores = [made.score(code, 1.0, None) for code in ("a", "b")]
    row = made.correlation(None, n=0)
    row = row.model_copy(update={"conditions": {**row.conditions, "not_in_benchmark": 2}})
    drawn = rank_correlation(
        made.run(state="succeeded"), subspaces=[], scores=scores, correlations=[row]
    )
    assert is_empty(drawn)
    text = drawn.layout.annotations[0].text.replace("<br>", " ")
    assert text.startswith("None of the 2 architectures that were scored is in digits-mini@1.")
    drawn = tau_over_steps(made.run(), subspaces=[], correlations=[row])
    assert "(not in benchmark 2)" in drawn.layout.annotations[0].text.replace("<br>", " ")
    drawn = rank_correlation(
        made.run(),
        subspaces=made.subspaces(1),
        scores=[*scores, made.score("c", 1, 90)],
        correlations=[row],
    )
    assert drawn.layout.title.subtitle.text.endswith("not in benchmark 2")


@pytest.mark.parametrize(
    ("state", "said"), [("cancelled", "was cancelled"), ("failed", "has failed")]
)
def test_of_a_run_that_ended_before_no_round_is_announced(state, said):
    drawn = rank_correlation(made.run(state=state), subspaces=[], scores=[], correlations=[])
    assert is_empty(drawn)
    text = drawn.layout.annotations[0].text
    assert said in text
    assert "first round" not in text


def test_before_the_first_round_the_figures_say_when_it_ends():
    for drawn in (
        rank_correlation(made.run(), subspaces=[], scores=[], correlations=[]),
        tau_over_steps(made.run(), subspaces=[], correlations=[]),
    ):
        assert is_empty(drawn)
        assert "ends at step 400" in drawn.layout.annotations[0].text


COMBINED = {"scorers": [{"kind": "loss"}, {"kind": "flops"}, {"kind": "calibrated"}]}


def test_a_chosen_scorer_is_shown_with_how_well_it_foretells_landmarks():
    row = made.correlation(0.7, stage="final", step=1000, n=2, scorer="calibrated")
    learned = {**row.conditions, "landmarks": 20, "left_out_tau": 0.55}
    row = row.model_copy(update={"conditions": learned})
    run = made.run(spec=made.spec(ranking=COMBINED, landmarks={"kind": "stand-alone"}))
    both = [
        made.score(code, value, 90 + value, stage="final", step=1000, scorer=scorer)
        for scorer, shift in (("loss", 0), ("calibrated", 10))
        for code, value in (("a", shift + 1), ("b", shift + 2))
    ]
    drawn = rank_correlation(
        run, subspaces=made.subspaces(1), scores=both, correlations=[row], scorer="calibrated"
    )
    assert list(drawn.data[0].x) == [11, 12]
    assert drawn.layout.title.text == "Rank correlation: τ = 0.70 [0.60, 0.80]"
    assert "leave-one-out τ = 0.55 (n = 20 landmarks)" in drawn.layout.title.subtitle.text
    assert drawn.layout.xaxis.title.text == "score by calibrated, higher is better"
    assert drawn.layout.uirevision == "rank-correlation-7-calibrated"
    by_loss = rank_correlation(run, subspaces=made.subspaces(1), scores=both, correlations=[row])
    assert list(by_loss.data[0].x) == [1, 2]
    assert "leave-one-out" not in by_loss.layout.title.subtitle.text


def test_a_scorer_without_live_rounds_shows_its_final_tau_alone():
    rows = [
        made.correlation(0.4, step=100),
        made.correlation(0.6, step=1000, stage="final", scorer="flops"),
    ]
    run = made.run(spec=made.spec(ranking=COMBINED, landmarks={"kind": "stand-alone"}))
    drawn = tau_over_steps(run, subspaces=made.subspaces(1), correlations=rows, scorer="flops")
    assert list(trace(drawn, "final (n = 10)").y) == [0.6]
    assert list(trace(drawn, "overall").y) == []
    assert "by flops · after training alone" in drawn.layout.title.subtitle.text
    waiting = tau_over_steps(
        run, subspaces=made.subspaces(1), correlations=rows, scorer="calibrated"
    )
    assert is_empty(waiting)
    assert "It scores after training." in waiting.layout.annotations[0].text
