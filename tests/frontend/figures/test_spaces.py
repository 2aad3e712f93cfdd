import pytest

from backend.spaces.schemas import HistogramRead, PreviewOptions, SizeRead
from backend.spaces.service import preview
from frontend.figures.histogram import AXES, histogram, prepare_histogram
from frontend.figures.numbers import grouped, share, share_text, short
from frontend.figures.preview import costs, prepare_shares, shares
from frontend.figures.style import is_empty, subspace_colour
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue
from nas.supernets.spec import SupernetSpec

ROWS = HistogramRead(
    counts={
        "0": SizeRead(all="1983", valid="1642"),
        "1": SizeRead(all="7122", valid="7122"),
        "10": SizeRead(all="1000", valid="1000"),
        "2": SizeRead(all="5520", valid="5520"),
    },
    all="15625",
    valid="15284",
)
THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


@pytest.fixture(scope="module")
def found():
    partition = NonlinearitySplitter(num_subspaces=3).split(catalogue()["digits-mini"])
    return preview(partition, PreviewOptions(sample=40), SupernetSpec().shape())


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        (str(5**6), "15,625"),
        (999_999_999_999, "999,999,999,999"),
        (8**14, "4.39×10¹²"),
        (10**400, "1.00×10⁴⁰⁰"),
    ],
)
def test_long_numbers_are_shortened_and_short_ones_written_out(number, text):
    assert short(number) == text


def test_shares_of_numbers_beyond_floats():
    assert share(10**400, 4 * 10**400) == 0.25
    assert share(0, 0) == 0.0
    assert share_text(0.25) == "25.0 %"
    assert share_text(1e-9) == "1.0e-07 %"
    assert grouped(10**12) == "1,000,000,000,000"


def test_counts_ascend_as_numbers_and_tell_valid_from_dead():
    bars = prepare_histogram(ROWS)
    assert [(bar.count, bar.valid, bar.dead) for bar in bars] == [
        (0, 1642, 341),
        (1, 7122, 0),
        (2, 5520, 0),
        (10, 1000, 0),
    ]
    assert sum(bar.valid_share + bar.dead_share for bar in bars) == pytest.approx(1)


@THEMES
@pytest.mark.parametrize("reading", ["effective", "total"])
def test_the_histogram_says_how_many_and_what_is_counted(theme, reading):
    drawn = histogram("nas-bench-201@1", ROWS, reading, theme=theme)
    assert "n = 15,625" in drawn.layout.title.subtitle.text
    assert drawn.layout.xaxis.title.text == AXES[reading]
    assert "%" in drawn.layout.yaxis.title.text
    valid, dead = drawn.data
    assert valid.customdata[0][0] == "1,642"
    assert dead.customdata[0][0] == "341"


def test_a_space_of_400_digits_is_drawn():
    huge = SizeRead(all=str(10**400), valid=str(10**400 // 2))
    rows = HistogramRead(counts={"3": huge}, all=huge.all, valid=huge.valid)
    drawn = histogram("huge", rows, "total")
    assert [list(trace.y) for trace in drawn.data] == [[50.0], [50.0]]


@THEMES
def test_without_a_space_or_a_partition_the_figures_are_a_sentence(theme):
    for drawn in (
        histogram("", None, "effective", theme=theme),
        shares("", None, theme=theme),
        costs("", None, "flops", theme=theme),
        costs("", None, "parameters", theme=theme),
    ):
        assert is_empty(drawn)
        assert drawn.layout.annotations[0].text
        assert drawn.layout.xaxis.visible is False


@THEMES
def test_shares_have_the_colours_of_their_sub_spaces(found, theme):
    drawn = shares("digits-mini@1", found, theme=theme)
    assert list(drawn.data[0].marker.color) == [subspace_colour(index) for index in range(3)]
    assert sum(drawn.data[0].x) == pytest.approx(100)
    assert drawn.layout.title.subtitle.text == (
        "n = 116 valid architectures, K = 3<br>9 dead left out; digits-mini@1"
    )
    assert [bar.dead for bar in prepare_shares(found)] == [9, 0, 0]


@THEMES
@pytest.mark.parametrize("kind", ["flops", "parameters"])
def test_costs_span_the_exact_range_around_the_sample(found, theme, kind):
    drawn = costs("digits-mini@1", found, kind, theme=theme)
    assert "n = 40 drawn" in drawn.layout.title.subtitle.text
    assert drawn.layout.xaxis.title.text
    for index, part in enumerate(found.subspaces):
        thin, thick, median = drawn.data[3 * index : 3 * index + 3]
        spread = getattr(part.costs, kind)
        assert list(thin.x) == [int(spread.min), int(spread.max)]
        assert thin.x[0] <= thick.x[0] <= median.x[0] <= thick.x[1] <= thin.x[1]
        assert thin.line.color == thick.line.color == subspace_colour(index)


def test_without_exact_ranges_the_figure_says_what_the_thin_line_is():
    partition = NonlinearitySplitter(num_subspaces=2).split(catalogue()["digits-mini"])
    found = preview(partition, PreviewOptions(sample=40, costs="none"), SupernetSpec().shape())
    drawn = costs("digits-mini@1", found, "flops")
    assert "5 % to 95 % of the sample" in drawn.layout.title.subtitle.text
