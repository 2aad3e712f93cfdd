from frontend.figures.comparison.runs import ComparedRun
from frontend.figures.comparison.search import bests_so_far, prepare_search
from frontend.figures.style import is_empty
from tests.frontend import made


def compared(place, candidates=(), **changes):
    return ComparedRun(
        place, made.run(id=place + 1, name=f"run {place}", **changes), candidates=candidates
    )


def caption(drawn):
    return drawn.layout.title.subtitle.text


def test_only_changes_of_the_best_candidate_and_the_last_evaluation_are_kept():
    rows = [
        made.candidate(1, 1.0, code="a"),
        made.candidate(2, 0.5, code="b"),
        made.candidate(3, 2.0, code="c"),
        made.candidate(4, 2.0, code="d"),
        made.candidate(5, 0.1, code="e"),
    ]
    found = prepare_search(rows)
    assert found.evaluations == (1, 3, 5)
    assert [row.architecture for row in found.best] == ["a", "c", "c"]
    assert found.count == 5
    assert prepare_search([]).count == 0


def test_runs_are_compared_by_the_accuracy_of_what_they_would_choose():
    first = [made.candidate(1, 1.0, accuracy=90, rank=9), made.candidate(2, 2.0, accuracy=80)]
    second = [made.candidate(1, -5.0, accuracy=85), made.candidate(2, -6.0, accuracy=99)]
    drawn = bests_so_far(
        [compared(0, first), compared(1, second), compared(2, [made.candidate(1, 3.0)])]
    )
    assert [list(trace.y) for trace in drawn.data] == [[90, 80], [85, 85], []]
    assert drawn.layout.yaxis.title.text == "stand-alone accuracy (%)"
    assert caption(drawn) == (
        "the candidate with the best score by loss so far · n = 2 evaluations"
        "<br>nothing to show of #3"
    )
    assert drawn.data[0].customdata[0] == (
        "found at evaluation 1<br>score 1<br>90.00 % stand-alone, true rank 9<br>a"
    )


def test_without_accuracies_scores_are_shown_with_a_note():
    rows = [made.candidate(1, 1.0), made.candidate(2, 2.0)]
    drawn = bests_so_far([compared(0, rows), compared(1, rows[:1])])
    assert [list(trace.y) for trace in drawn.data] == [[1.0, 2.0], [1.0]]
    assert drawn.layout.yaxis.title.text == "score (negative cross-entropy, nats)"
    assert "no common scale" in caption(drawn)
    assert "n = 1–2 evaluations" in caption(drawn)


def test_scores_of_different_scorers_are_not_drawn_on_one_axis():
    by_accuracy = made.spec(
        ranking={"scorers": [{"kind": "accuracy"}]},
        search={"kind": "random", "budget": 10, "scorer": "accuracy"},
    )
    rows = [made.candidate(1, 1.0)]
    drawn = bests_so_far([compared(0, rows), compared(1, rows, spec=by_accuracy)])
    assert is_empty(drawn)
    assert "(accuracy, loss)" in drawn.layout.annotations[0].text
    measured = [made.candidate(1, 1.0, accuracy=90)]
    assert not is_empty(
        bests_so_far([compared(0, measured), compared(1, measured, spec=by_accuracy)])
    )


def test_accuracies_on_other_ground_are_warned_of():
    rows = [made.candidate(1, 1.0, accuracy=90)]
    drawn = bests_so_far([compared(0, rows), compared(1, rows, dataset="cifar10@1")])
    assert caption(drawn).endswith("<b>the runs differ in dataset</b>")


def test_before_any_evaluation_the_figure_says_so():
    assert is_empty(bests_so_far([compared(0), compared(1)]))
