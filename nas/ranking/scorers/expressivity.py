"""Expressivity, one of the four proxies of AZ-NAS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.ranking.scorers.untrained import BatchScorer

if TYPE_CHECKING:
    from nas.ranking.untrained import BatchPass


@final
class ExpressivityScorer(BatchScorer):
    """How evenly the variance of features spreads over directions, summed over all features.

    Features are the outputs of the stem and of every cell, reduction or layer after it; of each,
    the entropy (nats) of the normalised eigenvalues of the channels' covariance counts.

    Source: AZ-NAS (Lee and Ham, CVPR 2024, arXiv 2403.19232), which reads the full network, a batch
    of 64 and adds 1e-8 inside the logarithm. Features without variance count 0 here.
    """

    kind: Literal["expressivity"] = "expressivity"

    def of_pass(self, batch: BatchPass) -> float:
        return sum(batch.entropies)
