"""Progressivity against differences worked by hand."""

import pytest

from nas.ranking.scorers.progressivity import ProgressivityScorer, least_growth

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
SKIP = "|none~0|+|skip_connect~0|none~1|"


def test_the_least_growth_decides() -> None:
    assert least_growth((1.0, 2.5, 2.25, 4.0)) == -0.25
    assert least_growth((1.0, 2.0, 4.0)) == 1.0


def test_a_single_output_does_not_grow() -> None:
    assert least_growth((1.7,)) == 0.0


def test_cells_that_pass_their_input_on_do_not_grow(make_experiment) -> None:
    experiment = make_experiment()
    skip = experiment.space.decode(SKIP)
    assert experiment.untrained_scores.of(ProgressivityScorer(), skip) == 0.0


def test_the_score_is_the_least_difference_of_entropies(make_experiment) -> None:
    experiment, scorer = make_experiment(), ProgressivityScorer()
    cell = experiment.space.decode(CELL)
    stem, first, second = (
        experiment.untrained_scores.network(scorer, cell, 0).read("noise", 32).entropies
    )
    expected = min(first - stem, second - first)
    assert experiment.untrained_scores.of(scorer, cell) == pytest.approx(expected)
