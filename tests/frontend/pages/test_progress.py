import json

from plotly.utils import PlotlyJSONEncoder

from frontend.figures.style import SHARED_COLOUR, subspace_colour
from frontend.pages.run.progress import progress_panel, stages
from tests.frontend import made


def by_kind(units, **changes):
    return {stage.kind: stage for stage in stages(made.run(**changes), units)}


def test_kinds_that_are_not_planned_yet_are_shown_without_parts():
    found = by_kind([made.unit("partition", "ready", total=1)])
    assert list(found) == ["partition", "warm-up", "train", "rank", "search"]
    assert found["train"].parts == ()


def test_a_run_without_warm_up_and_search_has_no_such_stage():
    run = {"spec": made.spec(training={"steps": 10}, search=None)}
    assert list(by_kind([], **run)) == ["partition", "train", "rank"]


def test_landmarks_are_a_stage_where_the_run_trains_them():
    trained = {"spec": made.spec(landmarks={"kind": "stand-alone"}, search=None)}
    assert list(by_kind([], **trained))[:3] == ["partition", "landmarks", "warm-up"]
    known = made.spec(landmarks={"kind": "benchmark"}, benchmark="known", search=None)
    assert "landmarks" not in by_kind([], spec=known)
    units = [
        made.unit("landmarks", "done", key="landmarks-0", progress=10, total=10),
        made.unit("landmarks", key="landmarks-1", progress=1, total=4),
    ]
    stage = by_kind(units, **trained)["landmarks"]
    assert (stage.progress, stage.total) == (11, 14)


def test_retraining_is_a_stage_where_the_run_or_somebody_asks_for_it():
    asked = {"spec": made.spec(retrain={"top": 2})}
    assert list(by_kind([], **asked))[-1] == "retrain"
    later = [made.unit("retrain", subspace=1, key="retrain-0", progress=30, total=120)]
    stage = by_kind(later)["retrain"]
    assert (stage.progress, stage.total, stage.parts) == (30, 120, ((1, 30, 120),))
    assert "30 / 120 steps" in str(progress_panel(made.run(), units=later, subspaces=[]))


def test_train_units_share_the_global_steps():
    units = [
        made.unit("train", subspace=0, key="train-0", progress=300, total=600),
        made.unit("train", "done", subspace=1, key="train-1", progress=600, total=600),
    ]
    training = by_kind(units)["train"]
    assert (training.progress, training.total) == (450, 600)
    assert training.parts == ((0, 300, 600), (1, 600, 600))


def test_chunks_of_the_ranking_add_up():
    units = [
        made.unit("rank", "done", subspace=0, key="rank-0-0", progress=250, total=250),
        made.unit("rank", subspace=0, key="rank-0-1", progress=10, total=100),
    ]
    ranking = by_kind(units)["rank"]
    assert (ranking.progress, ranking.total, ranking.state) == (260, 350, "leased")


def test_the_state_of_a_stage_is_the_most_telling_one_of_its_units():
    states = [("done", "leased"), ("done", "ready"), ("done", "failed"), ("done", "done")]
    shown = [
        by_kind([made.unit("rank", first, key="a"), made.unit("rank", second, key="b")])[
            "rank"
        ].state
        for first, second in states
    ]
    assert shown == ["leased", "leased", "failed", "done"]


def cards(units):
    """The panel's cards by kind, each as (state, texts, bars); a bar as (width, colour, hint)."""
    drawn = json.loads(
        json.dumps(
            progress_panel(made.run(), units=units, subspaces=made.subspaces(1, 1)),
            cls=PlotlyJSONEncoder,
        )
    )
    found = {}
    for card in drawn["props"]["children"]:
        head, track = (part["props"]["children"] for part in card["props"]["children"])
        found[card["props"]["data-stage"]] = (
            card["props"]["data-state"],
            [text["props"]["children"] for text in head],
            [
                (bar["style"]["width"], bar["style"]["background"], bar["title"])
                for bar in (part["props"] for part in track)
            ],
        )
    return found


def test_a_bar_is_divided_by_subspace_and_as_wide_as_what_is_done():
    found = cards(
        [
            made.unit("partition", "done", progress=1, total=1),
            made.unit("warm-up", "done", progress=400, total=400),
            made.unit("train", subspace=0, key="train-0", progress=300, total=600),
            made.unit("train", "done", subspace=1, key="train-1", progress=600, total=600),
        ]
    )
    assert found["partition"][1] == ["Partition", "done"]
    assert found["warm-up"] == (
        "done",
        ["Warm-up", "400 steps"],
        [("100.00%", SHARED_COLOUR, "Warm-up: 400 of 400")],
    )
    # A quarter and a half of the 1,200 steps that both units run over together.
    assert found["train"] == (
        "leased",
        ["Training", "450 / 600 steps"],
        [
            ("25.00%", subspace_colour(0), "count 0: 300 of 600"),
            ("50.00%", subspace_colour(1), "count 1: 600 of 600"),
        ],
    )
    assert found["search"] == ("waiting", ["Search", "planned"], [])


def test_a_stage_that_has_failed_says_how_far_it_came():
    found = cards([made.unit("search", "failed", progress=3, total=10)])
    assert found["search"] == (
        "failed",
        ["Search", "failed at 3 of 10"],
        [("30.00%", SHARED_COLOUR, "Search: 3 of 10")],
    )
