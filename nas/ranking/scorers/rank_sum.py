"""Non-linear rank aggregation: to be good, an architecture has to be bad by none of the scorers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self, final

from pydantic import Field, model_validator

from nas.plugin import refused_at
from nas.ranking.scorers.base import CombinedScorer, Kinds, named_components

if TYPE_CHECKING:
    from nas.ranking.calibration import Calibration
    from nas.ranking.places import Values
    from nas.ranking.reference import Measured


@final
class RankSumScorer(CombinedScorer):
    """Sum of log(rank / n) over other scorers, ranks being those among the n of the reference sample.

    It learns nothing, and depends on the order of scores alone.

    Source: the aggregation of AZ-NAS (Lee and Ham, CVPR 2024, arXiv 2403.19232). There ranks are
    those within the searched population; here the sample is fixed, ties have their mid-rank, and
    scorers may have weights.
    """

    kind: Literal["rank-sum"] = "rank-sum"
    of: Kinds = ()
    weights: tuple[Annotated[float, Field(gt=0, le=1000)], ...] = Field(
        (), max_length=32, description="Of each scorer that `of` names; empty: 1 for all."
    )

    @model_validator(mode="after")
    def _each_has_a_weight(self) -> Self:
        if self.weights and len(self.weights) != len(self.of):
            raise refused_at(
                ("weights",),
                f"{len(self.weights)} weights for {len(self.of)} scorers named in `of`: give one "
                "per scorer, or none",
            )
        return self

    def components(self, measured: Sequence[str]) -> tuple[str, ...]:
        return named_components(self.of, measured)

    def combined(
        self, reference: Measured, calibration: Calibration | None, measured: Measured
    ) -> Values:
        from nas.ranking.places import log_rank_sum

        weights = self.weights or (1.0,) * measured.scores.shape[1]
        return log_rank_sum(measured.scores, reference.scores, weights)
