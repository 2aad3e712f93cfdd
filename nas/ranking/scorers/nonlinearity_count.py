"""The nonlinearity count, by which EFS-NAS splits spaces, as a score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.ranking.scorers.base import ArchitectureScorer

if TYPE_CHECKING:
    from nas.spaces.base import Architecture, Space


@final
class NonlinearityCountScorer(ArchitectureScorer):
    """Most nonlinear functions on a live path from the input to the output.

    Counted as for the sub-spaces of EFS-NAS (arXiv 2412.14678): within one cell, or along the
    whole chain.
    """

    kind: Literal["nonlinearity-count"] = "nonlinearity-count"

    def of_architecture(self, space: Space, architecture: Architecture) -> float:
        return float(space.nonlinearity_count(architecture))
