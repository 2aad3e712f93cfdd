"""What a calibrated scorer learns from landmarks, and how well it does so.

Functions of arrays; what they learn is JSON.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nas.ranking.metrics import kendall_tau
from nas.ranking.places import Values
from nas.ranking.regression import AnyRegression, Inputs, Learned, floats, predict, to_scores

LEAST_LANDMARKS = 2

NEGLIGIBLE = 1e-9
"""A standard deviation below which, beside the values themselves, a feature is constant."""


class Scales(Learned):
    """Means and standard deviations over the reference sample, that inputs are standardised by.

    Attributes:
        prior: of the rank sum.
        features: of each feature; one that does not vary there has the deviation 0 and is left out.
    """

    prior: tuple[float, float]
    features: tuple[tuple[float, float], ...]


class Calibration(Learned):
    """All that a calibrated scorer learns from the landmarks of a run.

    Attributes:
        scales: of its inputs.
        regression: fitted on all landmarks.
        left_out: score of each landmark by a regression that was fitted on the others; empty below
            three landmarks.
        left_out_tau: Kendall's tau-b of those with the accuracies; None where it is undefined.
        accuracies: of the landmarks, in percent, in the order of `left_out`.
    """

    scales: Scales
    regression: AnyRegression
    left_out: tuple[float, ...]
    left_out_tau: float | None
    accuracies: tuple[float, ...]


Fit = Callable[[Inputs, Values], AnyRegression]
"""Fits a regression on inputs and accuracies in percent."""


def calibrate(fit: Fit, scales: Scales, inputs: Inputs, accuracies: Values) -> Calibration:
    """Fit a regression on the landmarks, and tell how well it foretells one that is left out.

    Args:
        fit: the regression.
        scales: of the inputs, kept with what is learned.
        inputs: of the landmarks, at least two.
        accuracies: theirs, in percent.
    """
    left_out = leave_one_out(fit, inputs, accuracies)
    return Calibration(
        scales=scales,
        regression=fit(inputs, accuracies),
        left_out=left_out,
        left_out_tau=kendall_tau(np.array(left_out), accuracies) if left_out else None,
        accuracies=floats(accuracies),
    )


def scales(rank_sums: Values, features: Values) -> Scales:
    """Return the scales of the reference sample's rank sums and features."""
    return Scales(
        prior=(float(rank_sums.mean()), float(rank_sums.std())),
        features=tuple(zip(floats(features.mean(axis=0)), _spreads(features), strict=True)),
    )


def scaled(
    scales: Scales, rank_sums: Values, features: Values, subspaces: NDArray[np.int64]
) -> Inputs:
    """Standardise what is known of some architectures."""
    mean, spread = scales.prior
    columns = [
        (features[:, column] - centre) / width
        for column, (centre, width) in enumerate(scales.features)
        if width
    ]
    return Inputs(
        prior=(rank_sums - mean) / spread if spread else np.zeros(len(rank_sums)),
        features=np.stack(columns, axis=1) if columns else np.zeros((len(rank_sums), 0)),
        subspaces=subspaces,
    )


def leave_one_out(fit: Fit, inputs: Inputs, accuracies: Values) -> tuple[float, ...]:
    """Return the score of each landmark by a regression that was fitted on all the others.

    Everything is fitted anew, the penalty and the parameters of a kernel included. With fewer than
    three landmarks nothing can be fitted on the others, and there is none.
    """
    everyone = np.arange(len(inputs))
    if len(everyone) <= LEAST_LANDMARKS:
        return ()
    found: list[float] = []
    for one in everyone:
        others = everyone[everyone != one]
        regression = fit(inputs.at(others), accuracies[others])
        prediction = predict(regression, inputs.at(everyone[one : one + 1]))
        found += floats(to_scores(prediction, regression.target))
    return tuple(found)


def _spreads(columns: Values) -> tuple[float, ...]:
    found = columns.std(axis=0)
    return floats(np.where(found > NEGLIGIBLE * (1 + np.abs(columns).max(axis=0)), found, 0.0))
