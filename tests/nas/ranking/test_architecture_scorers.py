"""Scores that need neither weights nor images, against values worked by hand."""

import pytest

from nas.ranking.scorers.flops import FlopsScorer
from nas.ranking.scorers.live_conv_params import LiveConvParamsScorer
from nas.ranking.scorers.nonlinearity_count import NonlinearityCountScorer
from nas.spaces import catalogue

SPACE = catalogue()["nas-bench-201"]

WEIGHTS_3X3 = 5 * 9 * (16**2 + 32**2 + 64**2)
"""Of one edge's 3x3 convolutions in three stages of five cells with 16, 32 and 64 channels."""

CHAIN = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|"
DEAD_END = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"


@pytest.mark.parametrize(
    ("code", "expected"),
    [(CHAIN, WEIGHTS_3X3 * 10 / 9), (DEAD_END, WEIGHTS_3X3 / 9)],
    ids=["chain", "dead end"],
)
def test_live_conv_params_counts_the_weights_of_live_convolutions(code: str, expected) -> None:
    assert LiveConvParamsScorer().of_architecture(SPACE, SPACE.decode(code)) == expected


def test_nonlinearity_count_is_that_of_the_longest_live_path() -> None:
    scorer = NonlinearityCountScorer()
    assert scorer.of_architecture(SPACE, SPACE.decode(CHAIN)) == 2.0
    assert scorer.of_architecture(SPACE, SPACE.decode(DEAD_END)) == 1.0


def test_flops_differ_by_those_of_the_live_convolutions() -> None:
    # Stages of 32x32, 16x16 and 8x8 pixels: halving the side and doubling the channels keeps the
    # multiply-adds of a convolution.
    of_a_3x3 = 3 * 5 * 9 * 16**2 * 32**2
    scorer = FlopsScorer()
    chain, dead_end = (
        scorer.of_architecture(SPACE, SPACE.decode(code)) for code in (CHAIN, DEAD_END)
    )
    assert chain - dead_end == of_a_3x3
