import pytest

from backend.benchmarks.schemas import ColumnRead, CountCoverage, CoverageRead
from frontend.figures.benchmark import coverage_bars, distribution
from frontend.figures.style import is_empty


def column(**changes) -> ColumnRead:
    values = {
        "name": "d/accuracy",
        "dataset": "d",
        "metric": "accuracy",
        "unit": "percent",
        "is_truth": True,
        "num_known": 6,
        "num_valid": 5,
        "seeds": None,
        "noise_ceiling": None,
        "noise_architectures": None,
        "lowest": 10.0,
        "highest": 90.0,
    }
    return ColumnRead(**{**values, **changes})


def part(count: int, valid: int, known: int, quantiles=()) -> CountCoverage:
    return CountCoverage(
        count=count,
        all=str(valid + 1),
        valid=str(valid),
        known=known + 1,
        known_valid=known,
        quantiles=list(quantiles),
    )


def coverage(*parts: CountCoverage) -> CoverageRead:
    return CoverageRead(column="d/accuracy", by_count=list(parts), twins=None)


PARTS = coverage(
    part(0, 4, 1, [10, 20, 30, 40, 50]), part(1, 4, 0), part(2, 4, 4, [60, 65, 70, 80, 90])
)


def test_a_box_stands_where_results_are_known():
    drawn = distribution("mine@1", column(), PARTS)
    box, medians = drawn.data
    assert (list(box.x), list(box.lowerfence), list(box.upperfence)) == (
        [0, 2],
        [10, 60],
        [50, 90],
    )
    assert (list(box.q1), list(box.median), list(box.q3)) == ([20, 65], [30, 70], [40, 80])
    assert list(medians.y) == [30, 70]
    assert drawn.layout.yaxis.title.text == "accuracy, percent"


@pytest.mark.parametrize(
    ("ceiling", "said"), [(None, "noise ceiling unknown"), (0.9123, "noise ceiling 0.912")]
)
def test_the_caption_tells_n_unit_and_noise_ceiling(ceiling: float | None, said: str):
    drawn = distribution("mine@1", column(noise_ceiling=ceiling), PARTS)
    text = drawn.layout.title.subtitle.text
    assert "n = 5 valid architectures" in text
    assert "d/accuracy in percent" in text
    assert said in text


def test_bars_show_which_share_is_known():
    drawn = coverage_bars("mine@1", column(), PARTS)
    known, unknown = drawn.data
    assert list(known.y) == [25, 0, 100]
    assert list(unknown.y) == [75, 100, 0]
    assert "n = 5 of 12 valid architectures" in drawn.layout.title.subtitle.text


def test_what_is_known_whole_has_one_bar():
    (known,) = coverage_bars("mine@1", column(), coverage(part(0, 4, 4, [1, 2, 3, 4, 5]))).data
    assert list(known.y) == [100]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_without_results_a_sentence_stands_there(theme: str):
    drawn = distribution("mine@1", column(), coverage(part(0, 4, 0)), theme=theme)
    assert is_empty(drawn)
    assert "d/accuracy" in drawn.layout.annotations[0].text.replace("<br>", " ")
    assert is_empty(coverage_bars("mine@1", column(), coverage(part(0, 0, 0)), theme=theme))
