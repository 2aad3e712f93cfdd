import pytest

from backend.spaces.schemas import PreviewOptions
from backend.spaces.service import preview
from frontend.figures.bank_table import bank_table
from frontend.figures.style import is_empty
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue
from nas.supernets.spec import SupernetSpec

THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


def previewed(thresholds, **routing):
    options = PreviewOptions(sample=5, routing="accumulated", **routing)
    splitter = NonlinearitySplitter(num_subspaces=len(thresholds) + 1, thresholds=thresholds)
    partition = options.partition(splitter, catalogue()["nas-bench-201"])
    shape = SupernetSpec(cells_per_stage=options.cells_per_stage).shape()
    return preview(partition, options, shape)


@THEMES
def test_the_table_has_the_bank_of_every_count_in_every_searched_cell(theme):
    found = previewed((15, 20), cells_per_stage=5, shared_cells=5)
    drawn = bank_table("nas-bench-201@1", found, theme=theme)
    (heat,) = drawn.data
    assert list(heat.x) == [str(cell) for cell in range(1, 16)]
    assert list(heat.y) == ["count 0", "count 1", "count 2", "count 3"]
    assert [list(row) for row in heat.z] == [
        [0] * 15,
        [0] * 15,
        [0] * 7 + [1] * 3 + [2] * 5,
        [0] * 5 + [1] + [2] * 9,
    ]
    assert heat.customdata[2][7].startswith("running count 16<br>count 2, banks 0-1-2<br>5,520 ")
    assert (heat.texttemplate, heat.showscale) == ("%{z}", False)
    assert drawn.layout.title.subtitle.text == (
        "n = 15 searched cells, the first 5 shared"
        "<br>K = 3 banks, thresholds of the running count: 15, 20"
    )


def test_many_cells_are_told_by_colour_with_a_scale():
    heat = bank_table("nas-bench-201@1", previewed((15,), cells_per_stage=7)).data[0]
    assert len(heat.x) == 21
    assert (heat.texttemplate, heat.showscale) == ("", True)


@THEMES
def test_private_supernets_have_no_table(theme):
    partition = NonlinearitySplitter().split(catalogue()["digits-mini"])
    private = preview(partition, PreviewOptions(sample=5), SupernetSpec().shape())
    for found in (None, private):
        drawn = bank_table("digits-mini@1", found, theme=theme)
        assert is_empty(drawn)
        assert "no weight banks" in drawn.layout.annotations[0].text
