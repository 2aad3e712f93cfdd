from backend.runs.measures import (
    best_text,
    measure_text,
    newest_moments,
    scopes,
    title_with_unit,
)
from backend.runs.schemas import BestRead, CorrelationRead
from tests.ranked import stored_correlation


def row(stage="live", step=100, scorer="loss", scope="overall", tau=0.5):
    return CorrelationRead(
        stage=stage,
        step=step,
        scorer=scorer,
        scope=scope,
        **stored_correlation(tau),
        conditions={},
    )


def test_the_final_ranking_and_the_newest_round_of_every_scorer_are_the_newest_moments():
    rows = [
        row(step=100),
        row(step=200),
        row("final", 300),
        row(step=200, scorer="accuracy"),
        row("final", 300, scope="0"),
    ]
    moments = newest_moments(rows)
    assert [(one.scorer, one.stage, one.step) for one in moments] == [
        ("loss", "final", 300),
        ("loss", "live", 200),
        ("accuracy", "live", 200),
    ]
    assert set(moments[0].rows) == {"overall", "0"}


def test_a_complete_round_goes_before_a_newer_one_that_is_not():
    (moment,) = newest_moments([row(step=100), row(step=100, scope="0"), row(step=200, scope="0")])
    assert (moment.step, set(moment.rows)) == (100, {"overall", "0"})
    (without,) = newest_moments([row(step=100, scope="0"), row(step=200, scope="1")])
    assert (without.step, set(without.rows)) == (200, {"1"})


def test_all_sub_spaces_come_first_and_the_others_in_order_of_their_numbers():
    (moment,) = newest_moments([row(scope=scope) for scope in ("10", "2", "overall")])
    assert scopes(moment, {"2": "count 2"}) == {
        "overall": "all sub-spaces",
        "2": "count 2",
        "10": "sub-space 10",
    }


def test_a_value_stands_with_its_interval_and_an_undefined_one_with_its_reason():
    assert measure_text("tau", row()) == "0.500 [0.400, 0.600]"
    assert measure_text("pool-regret", row(tau=1.25)) == "1.25"
    assert measure_text("tau", row(tau=None)) == "undefined: All scores are equal."
    assert title_with_unit("pool-regret") == "regret in the pool (percentage points)"


def test_the_best_by_prediction_tells_how_many_share_its_score():
    best = BestRead(
        architecture="a", true_accuracy=91.256, true_rank=1200, num_ranked=15284, num_tied=1
    )
    assert best_text(best) == "91.26 %, true rank 1,200 of 15,284"
    tied = best.model_copy(update={"num_tied": 3})
    assert best_text(tied).endswith(", one of 3 with the highest score")
    assert best_text(None) == "undefined"
