import pytest

from frontend.figures.partition import prepare_sizes, subspace_sizes
from frontend.figures.style import is_empty, subspace_colour
from tests.frontend import made


def bars(drawn):
    return {trace.name: trace for trace in drawn.data}


def test_a_bar_carries_exact_size_share_and_updates_of_all_units():
    rows = [
        made.balance(0, 40, phase="warm-up"),
        made.balance(0, 2, step=10),
        made.balance(0, 20, step=30),
        made.balance(1, 5, step=30),
    ]
    found = prepare_sizes(made.subspaces(30, 10, dead=9), rows)
    assert [(bar.size, bar.dead, bar.share) for bar in found] == [(30, 9, 0.75), (10, 0, 0.25)]
    # Counts are cumulative per unit: the newest row of a unit stands for all before it.
    assert [bar.updates for bar in found] == [60, 5]
    assert found[0].updates_per_architecture == 2.0


def test_the_figure_shows_sizes_beside_updates_in_the_colours_of_the_subspaces():
    drawn = bars(
        subspace_sizes(made.run(), subspaces=made.subspaces(30, 10), balance=[made.balance(1, 5)])
    )
    assert list(drawn["valid architectures"].x) == [30, 10]
    assert list(drawn["valid architectures"].text) == ["30 · 75.0%", "10 · 25.0%"]
    assert list(drawn["updates so far"].x) == [0, 5]
    assert list(drawn["valid architectures"].marker.color) == [
        subspace_colour(0),
        subspace_colour(1),
    ]


def test_the_caption_counts_valid_and_dead_architectures():
    drawn = subspace_sizes(made.run(), subspaces=made.subspaces(30, 10, dead=9), balance=[])
    assert drawn.layout.title.subtitle.text == (
        "n = 40 valid architectures of digits-mini@1 (9 dead left out) · 0 updates so far"
    )


@pytest.mark.parametrize(("sizes", "scale"), [((50, 1), "linear"), ((51, 1), "log")])
def test_the_axis_starts_logarithmic_where_the_smallest_bar_would_vanish(sizes, scale):
    drawn = subspace_sizes(made.run(), subspaces=made.subspaces(*sizes), balance=[])
    assert drawn.layout.xaxis.type == scale
    labels = [button.label for button in drawn.layout.updatemenus[0].buttons]
    assert labels == ["linear", "log"]


def test_sizes_beyond_2_to_the_53_are_written_exactly_in_the_hover():
    size = 8**21 + 1
    drawn = bars(subspace_sizes(made.run(), subspaces=made.subspaces(size, size), balance=[]))
    assert drawn["valid architectures"].customdata[0][0] == f"{size:,}"


def test_one_subspace_is_drawn_as_one_bar():
    drawn = bars(subspace_sizes(made.run(), subspaces=made.subspaces(5), balance=[]))
    assert list(drawn["valid architectures"].x) == [5]


def test_before_the_partition_the_figure_says_what_will_come():
    drawn = subspace_sizes(made.run(), subspaces=[], balance=[])
    assert is_empty(drawn)
    assert "has not been split yet" in drawn.layout.annotations[0].text
