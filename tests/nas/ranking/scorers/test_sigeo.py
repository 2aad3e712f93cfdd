"""SiGeo against gradients worked by hand."""

import math

import pytest
import torch

from nas.ranking.scorers.sigeo import SigeoScorer, fisher_rao
from nas.ranking.supernet_gradients import GradientSteps

GRADIENTS = {"layer": torch.tensor([[1.0, 2.0], [3.0, 2.0]], dtype=torch.float64)}
WEIGHTS = {"layer": torch.ones(2, dtype=torch.float64)}


def test_the_fisher_rao_term_adds_up_weights_times_summed_gradients() -> None:
    # 1 * (1 + 3) + 1 * (2 + 2) = 8.
    assert fisher_rao(GRADIENTS, WEIGHTS) == pytest.approx(2 * math.log(8.00001))


def test_layers_add_up_without_their_signs_and_still_ones_are_left_out() -> None:
    gradients = {**GRADIENTS, "still": torch.ones(2, 3, dtype=torch.float64)}
    gradients["minus"] = -GRADIENTS["layer"]
    weights = {**WEIGHTS, "still": torch.ones(3, dtype=torch.float64), "minus": WEIGHTS["layer"]}
    assert fisher_rao(gradients, weights) == pytest.approx(2 * math.log(16.00001))


def test_no_product_at_all_has_a_finite_term() -> None:
    nothing = {"layer": torch.zeros(2, dtype=torch.float64)}
    assert fisher_rao(GRADIENTS, nothing) == pytest.approx(2 * math.log(1e-5))


def test_the_score_weighs_three_terms() -> None:
    steps = GradientSteps(GRADIENTS, WEIGHTS, (9.0, 0.5))
    expected = math.log(2) + 50 * 2 * math.log(8.00001) - 0.5
    assert SigeoScorer().of_gradients(steps) == pytest.approx(expected)
    other = SigeoScorer(fisher_rao_weight=1, loss_weight=0)
    assert other.of_gradients(steps) == pytest.approx(math.log(2) + 2 * math.log(8.00001))


def test_a_higher_loss_lowers_the_score_by_its_weight() -> None:
    low, high = (GradientSteps(GRADIENTS, WEIGHTS, (1.0, loss)) for loss in (1.0, 2.0))
    scorer = SigeoScorer(loss_weight=3)
    assert scorer.of_gradients(low) - scorer.of_gradients(high) == pytest.approx(3)


def test_the_steps_are_as_long_as_asked() -> None:
    assert SigeoScorer(probe_lr=0.25).step_size == 0.25
