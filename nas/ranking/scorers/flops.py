"""Multiply-adds: the cheapest guess of how good an architecture is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from nas.ranking.scorers.base import ArchitectureScorer

if TYPE_CHECKING:
    from nas.spaces.base import Architecture, Space


@final
class FlopsScorer(ArchitectureScorer):
    """Multiply-adds of one image through the full stand-alone network.

    It is the complexity proxy of AZ-NAS (arXiv 2403.19232).
    """

    kind: Literal["flops"] = "flops"

    def of_architecture(self, space: Space, architecture: Architecture) -> float:
        return float(space.flops(architecture))
