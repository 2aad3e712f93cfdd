"""SiGeo: ZiCo, a Fisher-Rao term and the training loss, of a network that is warmed up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from nas.ranking.scorers.gradient import GradientScorer
from nas.ranking.scorers.zico import steadiness, varies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from nas.ranking.supernet_gradients import GradientSteps


@final
class SigeoScorer(GradientScorer):
    """ZiCo plus a weighted Fisher-Rao term minus a weighted loss (nats), that of the last batch.

    The Fisher-Rao term is 2 log(sum over layers of |sum over weights of w times the sum of its
    gradients| + 1e-5), w being the weight after the last step; layers that ZiCo leaves out are left
    out. Between the batches the copy of the weights makes gradient steps.

    Source: Xu et al., KDD 2024 (arXiv 2311.13169), whose weights for a warmed network are the
    defaults. It warms each architecture's own network; here the supernet of the sub-space is what
    training made it. The authors' steps have the learning rate 1, an artefact of their code that
    throws trained weights far away; the default is the one that supernets begin their training
    with. Where BatchNorm follows, a layer's w and gradient are orthogonal, so that without steps
    the term would be that of the classifier alone.
    """

    kind: Literal["sigeo"] = "sigeo"
    fisher_rao_weight: float = Field(50.0, ge=0, le=1e6, description="Of the Fisher-Rao term.")
    loss_weight: float = Field(1.0, ge=0, le=1e6, description="Of the training loss.")
    probe_lr: float = Field(
        0.1, ge=0, le=10, description="Learning rate of the steps between the batches."
    )

    @property
    def step_size(self) -> float:
        return self.probe_lr

    def of_gradients(self, steps: GradientSteps) -> float:
        return (
            steadiness(steps.gradients)
            + self.fisher_rao_weight * fisher_rao(steps.gradients, steps.weights)
            - self.loss_weight * steps.losses[-1]
        )


def fisher_rao(gradients: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> float:
    """Return 2 log(sum over layers of |sum of weight times summed gradient| + 1e-5).

    Args:
        gradients: per layer, shape (batches, weights).
        weights: per layer, shape (weights,).
    """
    products = [
        abs(float(weights[layer] @ gradient_BW.sum(dim=0)))
        for layer, gradient_BW in gradients.items()
        if bool(varies(gradient_BW).any())
    ]
    return 2 * math.log(sum(products) + 1e-5)
