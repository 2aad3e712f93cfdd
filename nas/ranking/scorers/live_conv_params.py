"""Parameters of the live convolutions: the score that any supernet has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.ranking.scorers.base import ArchitectureScorer

if TYPE_CHECKING:
    from nas.spaces.base import Architecture, Space


@final
class LiveConvParamsScorer(ArchitectureScorer):
    """Convolution weights of the decisions that lie on a live path, in the stand-alone network.

    Stem, reductions and classifier do not count, being the same for all; nor does BatchNorm.
    """

    kind: Literal["live-conv-params"] = "live-conv-params"

    def of_architecture(self, space: Space, architecture: Architecture) -> float:
        costs = space.network_costs(affine=False)
        chosen = costs.total(architecture, space.live(architecture)).parameters
        return float(chosen - costs.fixed.parameters)
