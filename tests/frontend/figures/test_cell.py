import pytest

from frontend.figures.cell import best_cell, cell_edges
from frontend.figures.style import is_empty, subspace_colour
from nas.spaces import catalogue
from tests.frontend import made

SPACE = catalogue()["nas-bench-201"]
CODE = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


def test_edges_carry_their_operation_and_whether_a_signal_passes():
    edges = cell_edges(SPACE, SPACE.decode(CODE))
    assert [(edge.source, edge.target, edge.operation) for edge in edges if edge.live] == [
        (0, 1, "nor_conv_3x3"),
        (1, 2, "skip_connect"),
        (2, 3, "avg_pool_3x3"),
    ]
    assert [edge.nonlinear for edge in edges if edge.live] == [True, False, False]


def test_no_two_edges_share_an_arc():
    edges = cell_edges(SPACE, SPACE.decode(CODE))
    arcs = {(edge.source, edge.target): tuple(map(tuple, edge.curve())) for edge in edges}
    assert len(set(arcs.values())) == 6
    xs, ys = edges[3].curve()
    assert (xs[0], xs[-1], ys[0], ys[-1]) == (0, 3, 0, 0)


def test_the_drawing_is_of_the_best_candidate_and_colours_its_nonlinear_edges():
    rows = [
        made.candidate(1, 1.0, code=CODE.replace("nor_conv_3x3", "none")),
        made.candidate(2, 2.0, code=CODE, subspace=1, accuracy=93.2, rank=4),
    ]
    drawn = best_cell(made.run(), candidates=rows, space=SPACE)
    assert "score 2, stand-alone 93.20 %, true rank 4" in drawn.layout.title.text
    assert drawn.data[0].line.color == subspace_colour(1)
    assert list(drawn.data[-1].text) == ["in", "1", "2", "out"]


@pytest.mark.parametrize("candidates", [[], None])
def test_without_a_candidate_or_a_cell_the_figure_says_why(candidates):
    rows = [made.candidate(1, 1.0)] if candidates is None else candidates
    drawn = best_cell(made.run(), candidates=rows, space=None)
    assert is_empty(drawn)
