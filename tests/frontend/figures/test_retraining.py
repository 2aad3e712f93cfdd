from frontend.figures.retraining import retraining_curves
from frontend.figures.style import is_empty
from tests.frontend import made


def drawn_of(run=None, trainings=(), epochs=()):
    return retraining_curves(run or made.run(), retrainings=trainings, retraining_epochs=epochs)


def curves(number, *accuracies):
    return [
        made.retraining_epoch(number, epoch, accuracy, loss=1 / epoch)
        for epoch, accuracy in enumerate(accuracies, start=1)
    ]


def test_an_architecture_has_one_colour_and_each_seed_a_line():
    trainings = [
        made.retraining(0, "a", seed=0),
        made.retraining(1, "a", seed=1),
        made.retraining(2, "b", seed=0),
    ]
    drawn = drawn_of(
        trainings=trainings,
        epochs=[*curves(2, 10, 15), *curves(0, 50, 60), *curves(1, 55, 65)],
    )
    lines = [trace for trace in drawn.data if trace.mode == "lines"]
    accuracies = [list(trace.y) for trace in lines if trace.yaxis == "y"]
    assert accuracies == [[50, 60], [55, 65], [10, 15]]
    assert [list(trace.y) for trace in lines if trace.yaxis == "y2"] == [[1.0, 0.5]] * 3
    first, _, second, _, third, _ = lines
    assert first.line.color == second.line.color != third.line.color
    assert [trace.name for trace in drawn.data if trace.showlegend] == ["a", "b"]
    assert "n = 3 of 3 trainings, 2 architectures" in drawn.layout.title.subtitle.text


def test_the_kept_epoch_has_a_star():
    drawn = drawn_of(
        trainings=[made.retraining(0, "a", kept_epoch=2, test_accuracy=61.0)],
        epochs=curves(0, 50, 60, 55),
    )
    (star,) = [trace for trace in drawn.data if trace.marker.symbol == "star"]
    assert (list(star.x), list(star.y)) == ([2], [60])
    assert "1 ended" in drawn.layout.title.subtitle.text


def test_a_single_epoch_is_a_point():
    drawn = drawn_of(trainings=[made.retraining(0, "a")], epochs=curves(0, 50))
    assert {trace.mode for trace in drawn.data} == {"markers"}


def test_without_any_the_figure_says_what_will_come():
    waiting = made.run(spec=made.spec(retrain={"top": 1}))
    for run, trainings, words in (
        (made.run(), [], "Pick architectures below"),
        (waiting, [], "after the search"),
        (made.run(), [made.retraining(0, "a")], "No epoch"),
    ):
        drawn = drawn_of(run, trainings)
        assert is_empty(drawn)
        text = drawn.layout.annotations[0].text.replace("<br>", " ")
        assert words in text


def test_a_long_architecture_is_cut_in_the_legend_and_whole_on_hovering():
    code = "|nor_conv_3x3~0|+" * 10
    drawn = drawn_of(trainings=[made.retraining(0, code)], epochs=curves(0, 50, 60))
    assert len(drawn.data[0].name) < 50
    assert code in drawn.data[0].hovertemplate
