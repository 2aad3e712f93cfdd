"""Trainability against gains of blocks worked by hand."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from nas.ranking.scorers.trainability import (
    TrainabilityScorer,
    gain_score,
    gradient_gain,
)

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
SKIP = "|none~0|+|skip_connect~0|none~1|"
# Two channels that are orthogonal over two positions: their mean outer product is the identity.
SIGNS = torch.tensor([[[[1.0, 1.0]], [[1.0, -1.0]]]])


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_a_gain_of_one_is_best_and_scores_nothing() -> None:
    assert gain_score(1.0) == 0.0
    assert gain_score(0.5) == -0.5
    assert gain_score(2.0) == -0.5
    for gain in torch.linspace(0, 5, 101).tolist():
        assert gain_score(gain) <= 0.0


def test_a_vanished_gradient_scores_a_finite_least() -> None:
    assert gain_score(0.0) == 2 - 1e6
    assert gain_score(1e-3) > gain_score(1e-5) > gain_score(0.0)


def test_a_block_that_scales_has_the_gain_of_its_factor() -> None:
    before = leaf(1, 2, 1, 2)
    assert gradient_gain(before, 3 * before, SIGNS) == pytest.approx(3)


def test_pixels_of_a_strided_block_become_channels() -> None:
    # Each of four pixels gets a quarter of the gradient: four times a quarter, as a vector 1/2.
    before = leaf(1, 2, 2, 4)
    assert gradient_gain(before, avg_pool2d(before, 2), SIGNS) == pytest.approx(0.5)


def test_an_odd_size_has_no_gradient_beyond_its_last_pixel() -> None:
    # The second of two positions is a mean over the two pixels that there are.
    before = leaf(1, 2, 2, 3)
    after = avg_pool2d(before, 2, ceil_mode=True)
    # Of four pixels' products, two come from one position alone: with the signs of SIGNS their
    # matrices are half of (1, 1)(1, 1)' / 4, the others half of that plus (1, -1)(1, -1)' / 2.
    one, two = torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, -1.0]])
    left = one.T @ one / 4 / 2
    both = left + two.T @ two / 2 / 2
    expected = torch.linalg.matrix_norm(torch.cat([left, left, both, both]), ord=2)
    assert gradient_gain(before, after, SIGNS) == pytest.approx(float(expected))


def test_a_pure_identity_counts_as_if_no_gradient_came_through() -> None:
    before = leaf(1, 2, 1, 2)
    assert gradient_gain(before, before, SIGNS) == 0.0
    assert gradient_gain(before, before.clone(), SIGNS) == 0.0


def test_a_block_that_does_not_read_the_one_before_passes_nothing_on() -> None:
    assert gradient_gain(leaf(1, 2, 1, 2), leaf(1, 2, 1, 2) * 1, SIGNS) == 0.0


def test_cells_of_a_skip_alone_score_below_every_other(make_experiment) -> None:
    experiment, scorer = make_experiment(), TrainabilityScorer()
    scores = {
        experiment.space.encode(cell): experiment.untrained_scores.of(scorer, cell)
        for cell in filter(experiment.space.is_valid, experiment.space.enumerate())
    }
    # One is a skip across, one a skip after a skip; what is dead beside them does not matter.
    least = {code for code, score in scores.items() if score == 2 - 1e6}
    assert SKIP in least
    assert "|skip_connect~0|+|none~0|skip_connect~1|" in least
    assert len(least) == 5 + 1 + 4
    assert all(-1e3 < score <= 0 for code, score in scores.items() if code not in least)


def test_the_score_is_the_mean_over_two_cells(make_experiment) -> None:
    experiment, scorer = make_experiment(), TrainabilityScorer()
    cell = experiment.space.decode(CELL)
    batch = experiment.untrained_scores.network(scorer, cell, 0).read("noise", 32)
    stem, first, second = batch.features
    images = experiment.probe_images
    scores = []
    for position, (before, after) in enumerate([(stem, first), (first, second)]):
        signs = images.signs(position, after)
        (found,) = torch.autograd.grad(after, before, signs, retain_graph=True)
        products = torch.einsum("nihw,nohw->nhwio", found, signs).mean(dim=(0, 1, 2))
        gain = float(torch.linalg.svdvals(products).max())
        scores.append(2 - gain - 1 / gain)
    expected = sum(scores) / 2
    assert experiment.untrained_scores.of(scorer, cell) == pytest.approx(expected, rel=1e-3)
