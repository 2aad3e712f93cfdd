"""The least eigenvalue of the tangent kernel of real cells."""

import pytest
import torch

from nas.ranking.scorers.ntk_min_eigenvalue import NtkMinEigenvalueScorer, least_eigenvalue
from nas.ranking.tangent_kernel import fixed_statistics, tangent_kernel

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|"


def test_the_least_eigenvalue_is_worked_by_hand() -> None:
    # (2 - x)^2 = 1 has the roots 1 and 3.
    kernel = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    assert least_eigenvalue(kernel) == pytest.approx(1)


def test_the_score_is_the_mean_over_initialisations_and_below_the_mean_eigenvalue(
    make_experiment,
) -> None:
    experiment = make_experiment()
    scorer = NtkMinEigenvalueScorer(batch_size=8, width=4)
    cell = experiment.space.decode(CELL)
    images = experiment.probe_images.inputs("images", 8)
    found = []
    for index in range(3):
        network = experiment.untrained_scores.network(scorer, cell, index).network
        with fixed_statistics(network, images, cell):
            kernel = tangent_kernel(network, images, cell)
        found.append(float(torch.linalg.eigvalsh(kernel)[0]))
        assert 0 < found[-1] <= float(kernel.trace()) / 8
    assert len(set(found)) == 3
    score = experiment.untrained_scores.of(scorer, cell)
    assert score == pytest.approx(sum(found) / 3)
