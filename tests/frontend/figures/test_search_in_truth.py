import pytest

from backend.runs.schemas import RandomPoint, SearchControl
from frontend.figures.search_in_truth import search_in_truth
from frontend.figures.style import is_empty
from tests.frontend import made


def control(**changes):
    random = [
        RandomPoint(evaluation=number, mean=80.0 + number, low=79.0 + number, high=81.0 + number)
        for number in (1, 2, 10)
    ]
    values = {"best_accuracy": 94.5, "num_scored": 100, "is_whole_space": False, "random": random}
    return SearchControl(**(values | changes))


CANDIDATES = [
    made.candidate(1, 1.0, accuracy=90.0),
    made.candidate(2, 3.0, accuracy=92.25),
    made.candidate(3, 2.0, accuracy=94.0),
]


def traces(drawn, name):
    return [trace for trace in drawn.data if trace.name == name]


def test_the_truth_of_the_best_by_score_stands_against_evaluations_and_time():
    drawn = search_in_truth(made.run(), candidates=CANDIDATES, search_control=control())
    by_evaluation, by_time = traces(drawn, "random")
    assert list(by_evaluation.x) == [1, 2, 3]
    assert list(by_time.x) == [0.25, 0.5, 0.75]
    assert list(by_evaluation.y) == list(by_time.y) == [90.0, 92.25, 92.25]
    # A candidate with a lower score is not what the search prefers, however good it is.
    assert "92.25 %, regret 2.25 points" in drawn.layout.title.subtitle.text


def test_random_search_has_a_band_over_evaluations_and_as_long_for_each_of_them():
    drawn = search_in_truth(made.run(), candidates=CANDIDATES, search_control=control())
    by_evaluation, by_time = traces(drawn, "random search, mean")
    assert list(by_evaluation.x) == [1, 2, 10]
    assert list(by_time.x) == [0.25, 0.5, 2.5]
    assert list(by_evaluation.y) == [81, 82, 90]
    band, _ = traces(drawn, "90 % of random searches")
    assert list(band.y) == [82, 83, 91, 89, 81, 80]
    assert "random search, n = 2: 82.00 % (81.00 to 83.00)" in drawn.layout.title.subtitle.text
    assert {line.y0 for line in drawn.layout.shapes} == {94.5}


@pytest.mark.parametrize(
    ("candidates", "known"),
    [([], control()), ([made.candidate(1, 1.0)], control()), (CANDIDATES, None)],
)
def test_without_candidates_or_truth_it_says_so(candidates, known):
    assert is_empty(search_in_truth(made.run(), candidates=candidates, search_control=known))


def test_before_the_final_ranking_there_is_no_band():
    drawn = search_in_truth(
        made.run(), candidates=CANDIDATES, search_control=control(random=[], num_scored=0)
    )
    assert traces(drawn, "random search, mean") == []
    assert "random search, n" not in drawn.layout.title.subtitle.text
