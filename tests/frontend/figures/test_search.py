from frontend.figures.search import best_so_far, incumbents
from frontend.figures.style import is_empty
from tests.frontend import made


def trace(drawn, name):
    return next(trace for trace in drawn.data if trace.name == name)


def test_the_incumbent_is_the_best_until_then_and_ties_keep_the_earlier():
    rows = [
        made.candidate(2, 3.0, code="b"),
        made.candidate(1, 1.0, code="a"),
        made.candidate(3, 3.0, code="c"),
        made.candidate(4, 2.0, code="d"),
    ]
    assert [row.architecture for row in incumbents(rows)] == ["a", "b", "b", "b"]


def test_the_curve_never_falls_and_the_true_accuracy_is_that_of_the_incumbent():
    rows = [
        made.candidate(1, 1.0, accuracy=90, rank=9),
        made.candidate(2, 0.5, accuracy=99, rank=1),
        made.candidate(3, 2.0, accuracy=80, rank=20),
    ]
    drawn = best_so_far(made.run(), subspaces=made.subspaces(1), candidates=rows)
    assert list(trace(drawn, "best so far").y) == [1.0, 1.0, 2.0]
    assert list(trace(drawn, "its true accuracy").y) == [90, 90, 80]
    caption = drawn.layout.title.subtitle.text
    assert caption.startswith("n = 3 of 10 evaluations by random")
    assert caption.endswith("best: 80.00 %, true rank 20")


def test_without_ground_truth_only_scores_are_shown():
    drawn = best_so_far(
        made.run(), subspaces=made.subspaces(1), candidates=[made.candidate(1, 1.0)]
    )
    assert [trace.name for trace in drawn.data] == ["count 0", "best so far"]
    assert trace(drawn, "best so far").mode == "markers"


def test_before_the_search_the_figure_says_when_it_starts():
    drawn = best_so_far(made.run(), subspaces=[], candidates=[])
    assert is_empty(drawn)
    assert "starts after ranking" in drawn.layout.annotations[0].text


def test_a_run_without_search_says_so():
    run = made.run(spec=made.spec(search=None))
    drawn = best_so_far(run, subspaces=[], candidates=[])
    assert "has no search" in drawn.layout.annotations[0].text
