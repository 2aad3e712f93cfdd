"""ZiCo against gradients worked by hand."""

import math

import pytest
import torch

from nas.ranking.scorers.zico import ZicoScorer, steadiness
from nas.ranking.supernet_gradients import GradientSteps

GRADIENTS = {"layer": torch.tensor([[1.0, 2.0], [3.0, 2.0]], dtype=torch.float64)}


def test_a_weight_whose_gradient_never_changes_is_left_out() -> None:
    # Mean 2 over standard deviation 1; the second weight has none.
    assert steadiness(GRADIENTS) == pytest.approx(math.log(2))


def test_layers_add_up_and_one_without_any_change_adds_nothing() -> None:
    still = torch.ones(2, 5, dtype=torch.float64)
    wide = torch.tensor([[1.0, -1.0], [3.0, -5.0]], dtype=torch.float64)
    # 2 / 1 and 3 / 2.
    assert steadiness({"still": still, "wide": wide}) == pytest.approx(math.log(3.5))
    assert steadiness({**GRADIENTS, "wide": wide}) == pytest.approx(math.log(2) + math.log(3.5))
    assert steadiness({"still": still}) == 0.0


def test_a_sign_that_changes_counts_by_size() -> None:
    flips = {"layer": torch.tensor([[-1.0], [3.0]], dtype=torch.float64)}
    # Mean of |g| 2 over standard deviation 2.
    assert steadiness(flips) == pytest.approx(0.0)


def test_the_score_does_not_depend_on_the_size_of_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.randn(4, 20, generator=generator, dtype=torch.float64)
    assert steadiness({"layer": 37 * layer}) == pytest.approx(steadiness({"layer": layer}))


def test_the_scorer_makes_no_steps() -> None:
    assert ZicoScorer().step_size == 0
    steps = GradientSteps(GRADIENTS, {"layer": torch.ones(2, dtype=torch.float64)}, (1.0, 1.0))
    assert ZicoScorer().of_gradients(steps) == pytest.approx(math.log(2))
