"""Progressivity, one of the four proxies of AZ-NAS."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal, final

from nas.ranking.scorers.untrained import BatchScorer

if TYPE_CHECKING:
    from nas.ranking.untrained import BatchPass


@final
class ProgressivityScorer(BatchScorer):
    """The least growth of expressivity from one output of a cell, reduction or layer to the next.

    It is 0 for a network with one output alone: a chain that leaves out all of its layers.

    Source: AZ-NAS (Lee and Ham, CVPR 2024, arXiv 2403.19232); see `expressivity`.
    """

    kind: Literal["progressivity"] = "progressivity"

    def of_pass(self, batch: BatchPass) -> float:
        return least_growth(batch.entropies)


def least_growth(entropies: tuple[float, ...]) -> float:
    """Return the least difference of consecutive numbers, 0 if there is none."""
    return min((later - earlier for earlier, later in pairwise(entropies)), default=0.0)
