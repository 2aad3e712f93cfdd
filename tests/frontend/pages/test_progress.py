from frontend.pages.run.progress import stages
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
