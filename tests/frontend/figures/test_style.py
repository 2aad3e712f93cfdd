import json

import pytest

from frontend.figures.registry import FIGURES
from frontend.figures.style import (
    OKABE_ITO,
    subspace_colour,
    subspace_dash,
    subspace_symbol,
    template,
    thinned,
    translucent,
)
from nas.spaces import catalogue
from tests.frontend import made

ROWS = {
    "run": made.trading_run(),
    "subspaces": made.subspaces(30, 10),
    "balance": [
        made.balance(0, 3, operations=[{"a": 3}], banks=[{"0": 3, "1": 0}]),
        made.balance(1, 2),
    ],
    "balance_history": [made.balance(0, 3), made.balance(1, 2)],
    "scores": [made.score("a", 1.0, 90), made.score("b", 2.0, 91, subspace=1)],
    "correlations": [made.correlation(0.5), made.correlation(0.4, stage="final", step=1000)],
    "telemetry": [
        made.telemetry("warm-up", 300, updates=100, images=6400, forward=0.5),
        made.telemetry("train-1", 301, updates=50, images=3200, ranking=0.25),
    ],
    "metrics": [made.metric(None, 1, 2.0), made.metric(0, 2, 1.0)],
    "candidates": [
        made.candidate(1, 1.0, code="|none~0|+|none~0|nor_conv_3x3~1|", accuracy=90, rank=2)
    ],
    "space": catalogue()["digits-mini"],
    "retrainings": [made.retraining(0, "a"), made.retraining(1, "b")],
    "retraining_epochs": [
        made.retraining_epoch(0, 1, 50.0),
        made.retraining_epoch(0, 2, 60.0),
        made.retraining_epoch(1, 1, 40.0),
    ],
}


def test_seven_subspaces_have_seven_colours_and_forty_nine_differ_in_colour_or_marker():
    assert [subspace_colour(index) for index in range(7)] == list(OKABE_ITO)
    assert len({(subspace_colour(index), subspace_symbol(index)) for index in range(49)}) == 49


def test_lines_of_the_same_colour_differ_in_dash():
    assert subspace_colour(0) == subspace_colour(7)
    assert subspace_dash(0) != subspace_dash(7)


def test_translucent_writes_the_channels_in_decimal():
    assert translucent("#0072B2", 0.25) == "rgba(0,114,178,0.25)"


def test_thinning_keeps_few_points_and_the_last():
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned(list(range(10)), 3) == [0, 4, 8, 9]


def test_a_growing_series_keeps_its_thinned_points_until_the_stride_doubles():
    assert thinned(list(range(9)), 4) == [0, 4, 8]
    assert thinned(list(range(13)), 4) == [0, 4, 8, 12]


def test_themes_differ_in_ink_and_share_the_colours():
    light, dark = template("light").layout, template("dark").layout
    assert light.font.color != dark.font.color
    assert light.colorway == dark.colorway


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_figure_has_title_caption_and_a_constant_uirevision(name, theme):
    drawn = FIGURES[name].of(ROWS, theme)
    later = FIGURES[name].of({**ROWS, "run": made.run(revision=99)}, theme)
    assert drawn.layout.title.text
    assert drawn.layout.title.subtitle.text
    assert drawn.data
    assert drawn.layout.uirevision == later.layout.uirevision == f"{name}-7"


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_figure_without_rows_is_a_sentence_and_no_axis(name):
    empty = {key: [] for key in ROWS} | {"run": made.run(), "space": ROWS["space"]}
    drawn = FIGURES[name].of(empty, "light")
    assert drawn.layout.annotations[0].text
    assert drawn.layout.xaxis.visible is False


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_axis_with_numbers_has_a_title(name):
    layout = json.loads(FIGURES[name].of(ROWS, "light").to_json())["layout"]
    if name in ("best-cell", "operation-balance"):
        return
    titled = [axis for key, axis in layout.items() if key.startswith("xaxis") and "title" in axis]
    assert titled
