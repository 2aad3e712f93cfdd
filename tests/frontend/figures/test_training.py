from frontend.figures.style import SHARED_COLOUR, is_empty, subspace_colour
from frontend.figures.training import prepare_loss, training_loss
from tests.frontend import made


def test_curves_are_the_loss_by_unit_with_the_warm_up_first():
    rows = [
        made.metric(1, 20, 1.0),
        made.metric(None, 10, 2.0),
        made.metric(1, 10, 1.5),
        made.metric(1, 10, 0.1, series="learning_rate"),
    ]
    found = prepare_loss(rows)
    assert [(curve.unit, curve.subspace) for curve in found] == [("warm-up", None), ("train-1", 1)]
    assert found[1].points == ((10, 1.5), (20, 1.0))


def test_the_warm_up_is_grey_and_a_supernet_has_its_subspaces_colour():
    rows = [made.metric(None, 10, 2.0), made.metric(1, 20, 1.5), made.metric(1, 30, 1.0)]
    drawn = training_loss(made.run(), subspaces=made.subspaces(1, 1), metrics=rows)
    assert [trace.line.color for trace in drawn.data] == [SHARED_COLOUR, subspace_colour(1)]
    assert [trace.name for trace in drawn.data] == ["warm-up (shared)", "count 1"]
    assert [trace.mode for trace in drawn.data] == ["markers", "lines"]
    assert list(drawn.data[1].y) == [1.5, 1.0]


def test_without_a_step_the_figure_says_so():
    assert is_empty(training_loss(made.run(), subspaces=[], metrics=[]))


def test_the_supernet_with_weight_banks_is_no_warm_up():
    banked = made.metric(None, 10, 2.0).model_copy(update={"unit": "train"})
    drawn = training_loss(made.run(), subspaces=made.subspaces(1, 1), metrics=[banked])
    assert [trace.name for trace in drawn.data] == ["all sub-spaces (weight banks)"]
    assert drawn.data[0].line.color == SHARED_COLOUR
