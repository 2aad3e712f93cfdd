import pytest
from pydantic import TypeAdapter, ValidationError

from frontend.figures.comparison.runs import (
    MOST_RUNS,
    ComparedRun,
    RunIds,
    differing,
    span,
)
from tests.frontend import made

RUN_IDS = TypeAdapter(RunIds)


def compared(*changes):
    return [ComparedRun(place, made.run(**change)) for place, change in enumerate(changes)]


def test_runs_are_named_in_order_by_text_or_number():
    assert RUN_IDS.validate_python(["7", 3]) == [7, 3]
    assert len(RUN_IDS.validate_python(list(range(1, MOST_RUNS + 1)))) == MOST_RUNS


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        ([], "at least 1"),
        (list(range(1, MOST_RUNS + 2)), f"at most {MOST_RUNS}"),
        ([3, 1, 3, 1], "each run may be named once, #1, #3 came again"),
        (["first"], "valid integer"),
        ([0], "greater than or equal to 1"),
        ([2**31], "less than or equal to"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(named, complaint):
    with pytest.raises(ValidationError, match=complaint):
        RUN_IDS.validate_python(named)


def test_the_label_is_number_and_name_taken_literally():
    (one,) = compared({"id": 3, "name": "a < b & <b>c</b>"})
    assert one.label == "#3 a &lt; b &amp; &lt;b&gt;c&lt;/b&gt;"


def test_a_long_name_is_shortened_in_the_label():
    (one,) = compared({"id": 3, "name": "x" * 29})
    assert one.label == f"#3 {'x' * 27}…"


def test_as_many_runs_as_may_be_compared_differ_in_markers_and_in_lines():
    runs = compared(*({"id": number} for number in range(1, MOST_RUNS + 1)))
    assert len({(one.colour, one.symbol) for one in runs}) == MOST_RUNS
    assert len({(one.colour, one.dash) for one in runs}) == MOST_RUNS


def test_runs_differ_in_what_is_not_the_same_and_a_missing_benchmark_differs_from_nothing():
    aspects = ("search space", "dataset", "benchmark", "scorer", "batch size")
    other = made.spec(ranking={"scorers": [{"kind": "accuracy"}]}, search=None)
    runs = compared({}, {"dataset": "cifar@1", "benchmark": None}, {"spec": other})
    assert differing(runs, aspects) == ["dataset", "scorer"]
    assert differing(compared({}, {"benchmark": "b@2"}), aspects) == ["benchmark"]
    assert differing(runs[:1], aspects) == []


def test_a_span_is_one_number_where_all_are_the_same():
    assert span([1000, 30, 200]) == "30–1,000"
    assert span([30, 30]) == "30"
    assert span([]) == ""
