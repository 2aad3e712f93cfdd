"""Expressivity against entropies worked by hand, and against numpy's covariance."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from nas.ranking.scorers.expressivity import ExpressivityScorer
from nas.ranking.untrained import spectral_entropy

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"
WHITE = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])[:, :, None, None]


def test_white_features_have_the_logarithm_of_their_channels() -> None:
    assert spectral_entropy(WHITE) == pytest.approx(math.log(2))
    # A mean of their own changes nothing.
    assert spectral_entropy(WHITE + torch.tensor([5.0, -3.0])[:, None, None]) == pytest.approx(
        math.log(2)
    )


def test_one_direction_has_no_entropy() -> None:
    assert spectral_entropy(WHITE[:, :1].repeat(1, 3, 1, 1)) == pytest.approx(0, abs=1e-9)
    assert spectral_entropy(torch.ones(4, 3, 2, 2)) == 0.0


def test_variances_of_three_to_one_are_worked_by_hand() -> None:
    stretched = WHITE * torch.tensor([math.sqrt(3), 1.0])[:, None, None]
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert spectral_entropy(stretched) == pytest.approx(expected)


def test_entropy_never_exceeds_the_logarithm_of_the_channels() -> None:
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        features = torch.randn(7, 5, 3, 3, generator=generator)
        assert 0 < spectral_entropy(features) <= math.log(5)


def entropy_by_numpy(features: torch.Tensor) -> float:
    rows = features.detach().numpy().transpose(1, 0, 2, 3).reshape(features.shape[1], -1)
    spectrum = np.linalg.svd(rows - rows.mean(axis=1, keepdims=True), compute_uv=False) ** 2
    shares = spectrum / spectrum.sum()
    shares = shares[shares > 0]
    return -float((shares * np.log(shares)).sum())


def test_the_score_adds_up_the_features_of_stem_and_cells(make_experiment: Any) -> None:
    experiment, scorer = make_experiment(), ExpressivityScorer()
    cell = experiment.space.decode(CELL)
    batch = experiment.untrained_scores.network(scorer, cell, 0).read("noise", 32)
    assert len(batch.features) == 3
    expected = sum(map(entropy_by_numpy, batch.features))
    assert experiment.untrained_scores.of(scorer, cell) == pytest.approx(expected, rel=1e-4)
