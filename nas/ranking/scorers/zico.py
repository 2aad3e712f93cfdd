"""ZiCo: how steady gradients are from batch to batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, final

from nas.ranking.scorers.gradient import GradientScorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from nas.ranking.supernet_gradients import GradientSteps


@final
class ZicoScorer(GradientScorer):
    """Sum over layers of the logarithm of the sum, over weights, of mean |g| / standard deviation.

    Weights whose gradient is the same in every batch are left out, and so is a layer that has no
    others.

    Source: Li et al., ICLR 2023 (arXiv 2301.11300), which reads an untrained network and two
    batches. Here it is the supernet of the architecture's sub-space, trained, as for SiGeo (arXiv
    2311.13169), whose number of batches is the default.
    """

    kind: Literal["zico"] = "zico"

    def of_gradients(self, steps: GradientSteps) -> float:
        return steadiness(steps.gradients)


def steadiness(gradients: Mapping[str, Tensor]) -> float:
    """Return the sum over layers of log(sum of mean |g| / standard deviation).

    Args:
        gradients: per layer, shape (batches, weights).
    """
    total = 0.0
    for gradient_BW in gradients.values():
        chosen_BW = gradient_BW[:, varies(gradient_BW)]
        if chosen_BW.shape[1]:
            ratios_W = chosen_BW.abs().mean(dim=0) / chosen_BW.std(dim=0, correction=0)
            total += math.log(float(ratios_W.sum()))
    return total


def varies(gradient_BW: Tensor) -> Tensor:
    """Tell, per weight, whether its gradient differs between batches."""
    # The standard deviation of equal numbers need not be 0, as their mean is rounded.
    return (gradient_BW != gradient_BW[0]).any(dim=0)
