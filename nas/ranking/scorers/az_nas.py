"""AZ-NAS: four proxies that cost no training, combined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, final

from nas.errors import InfeasibleCombination
from nas.ranking.scorers.base import CombinedScorer

if TYPE_CHECKING:
    from nas.ranking.calibration import Calibration
    from nas.ranking.places import Values
    from nas.ranking.reference import Measured

COMPONENTS = ("expressivity", "progressivity", "trainability", "flops")


@final
class AzNasScorer(CombinedScorer):
    """The rank sum of expressivity, progressivity, trainability and FLOPs, all with weight 1.

    Source: Lee and Ham, CVPR 2024 (arXiv 2403.19232). There ranks are those within the searched
    population; here those in the reference sample of the space, so that an architecture has one
    score.
    """

    kind: Literal["az-nas"] = "az-nas"

    def components(self, measured: Sequence[str]) -> tuple[str, ...]:
        lacking = [kind for kind in COMPONENTS if kind not in measured]
        if lacking:
            raise InfeasibleCombination(
                "kind",
                f"az-nas combines {', '.join(COMPONENTS)}: add {', '.join(lacking)} to "
                "ranking.scorers",
            )
        return COMPONENTS

    def combined(
        self, reference: Measured, calibration: Calibration | None, measured: Measured
    ) -> Values:
        from nas.ranking.places import log_rank_sum

        return log_rank_sum(measured.scores, reference.scores, (1.0,) * len(COMPONENTS))
