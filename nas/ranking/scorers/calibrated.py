"""Scores on one scale for all supernets: a small regression onto the accuracies of landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field

from nas.errors import InfeasibleCalibration
from nas.ranking.scorers.base import CombinedScorer, Kinds, named_components

if TYPE_CHECKING:
    from nas.ranking.calibration import Calibration, Fit, Scales
    from nas.ranking.places import Values
    from nas.ranking.reference import Measured
    from nas.ranking.regression import Inputs


@final
class CalibratedScorer(CombinedScorer):
    """Stand-alone accuracy, predicted by a regression that is fitted on the landmarks alone.

    It reads the places of the other scorers in the reference sample, as quantiles of the normal
    distribution, features of the architecture, and the sub-space, whose offset makes the scores of
    private supernets comparable with one another. `gaussian-process`: a multiple of the rank sum
    (never a negative one), an offset per sub-space, and a Gaussian process on what these leave.
    `ridge`: linear, the penalty chosen by leaving out landmarks. `average`: the mean of both; with
    the architecture features `choices`, the mean of four, for either also reads the counts alone.

    The score is an accuracy in percent by `logit`, and a quantile of the normal distribution by
    `rank-normal`.

    Source: our own.
    """

    kind: Literal["calibrated"] = "calibrated"
    of: Kinds = ()
    model: Literal["gaussian-process", "ridge", "average"] = Field(
        "gaussian-process", description="The regression; average: the mean of the other two."
    )
    target: Literal["logit", "rank-normal"] = Field(
        "logit",
        description="Scale on which accuracies are regressed. logit: log of right over wrong "
        "answers; rank-normal: normal quantiles of their ranks.",
    )
    architecture_features: Literal["none", "counts", "choices"] = Field(
        "counts",
        description="counts: live decisions per operation, nonlinearity count, logarithms of FLOPs "
        "and parameters; choices: also the operation of every decision.",
    )
    kernel: Literal["matern", "rbf"] = Field(
        "matern", description="Of the Gaussian process: Matern 5/2, or radial basis function."
    )
    noise: float | None = Field(
        None,
        gt=0,
        le=100,
        description="Standard deviation of a landmark's accuracy by chance, on the scale of the "
        "target, for the Gaussian process; null: the likeliest.",
    )

    needs_landmarks: ClassVar[bool] = True

    def components(self, measured: Sequence[str]) -> tuple[str, ...]:
        return named_components(self.of, measured)

    def calibrated(
        self, reference: Measured, landmarks: Measured, accuracies: Values, num_subspaces: int
    ) -> Calibration:
        from nas.ranking.calibration import LEAST_LANDMARKS, calibrate

        if len(accuracies) < LEAST_LANDMARKS:
            raise InfeasibleCalibration(
                f"{len(accuracies)} landmarks are too few for the scorer calibrated: it needs at "
                f"least {LEAST_LANDMARKS}"
            )
        scales = self._scales(reference)
        inputs = self._inputs(reference, scales, landmarks)
        widths = self._widths(reference, scales)
        return calibrate(self._fit(num_subspaces, widths), scales, inputs, accuracies)

    def combined(
        self, reference: Measured, calibration: Calibration | None, measured: Measured
    ) -> Values:
        from nas.ranking.regression import predict, to_scores

        assert calibration is not None, "a calibrated scorer is fitted before it scores"
        inputs = self._inputs(reference, calibration.scales, measured)
        return to_scores(predict(calibration.regression, inputs), self.target)

    def _fit(self, num_subspaces: int, widths: Sequence[int]) -> Fit:
        from nas.ranking.regression import fit_average, fit_gaussian_process, fit_ridge

        ridge = partial(fit_ridge, num_subspaces=num_subspaces, target=self.target)
        process = partial(
            fit_gaussian_process,
            num_subspaces=num_subspaces,
            target=self.target,
            kernel=self.kernel,
            noise=self.noise,
        )
        if self.model == "average":
            return partial(fit_average, parts=tuple(product(widths, (ridge, process))))
        return ridge if self.model == "ridge" else process

    def _widths(self, reference: Measured, scales: Scales) -> tuple[int, ...]:
        """Return how many features, from the first on, the parts of an average read."""
        from nas.ranking.features import architecture_features

        kept = [bool(spread) for _, spread in scales.features]
        counts = architecture_features(reference.space, "counts", reference.architectures[:1])
        of_counts = reference.scores.shape[1] + counts.shape[1]
        return tuple(dict.fromkeys((sum(kept[:of_counts]), sum(kept))))

    def _scales(self, reference: Measured) -> Scales:
        from nas.ranking.calibration import scales

        return scales(*self._unscaled(reference, reference))

    def _inputs(self, reference: Measured, scales: Scales, measured: Measured) -> Inputs:
        from nas.ranking.calibration import scaled

        return scaled(scales, *self._unscaled(reference, measured), measured.subspaces)

    def _unscaled(self, reference: Measured, measured: Measured) -> tuple[Values, Values]:
        """Return rank sums, shape (architectures,), and features, (architectures, features)."""
        import numpy as np

        from nas.ranking.features import architecture_features
        from nas.ranking.places import log_rank_sum, normal_quantiles

        weights = (1.0,) * measured.scores.shape[1]
        known = architecture_features(
            measured.space, self.architecture_features, measured.architectures
        )
        quantiles = normal_quantiles(measured.scores, reference.scores)
        return (
            log_rank_sum(measured.scores, reference.scores, weights),
            np.concatenate([quantiles, known], axis=1),
        )
