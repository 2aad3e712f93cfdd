"""A small regression from what is known of an architecture to its stand-alone accuracy.

It is fitted on landmarks alone, few as they are, so everything in it is shrunk: towards the order of
the rank sum, and towards no difference between sub-spaces. Functions of arrays; what they learn is
JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from nas.ranking.places import Values, mid_ranks

# scipy's parts are loaded by their first use.

Target = Literal["logit", "rank-normal"]
Kernel = Literal["matern", "rbf"]

LEAST_SHARE = 0.0005
"""Accuracies closer to 0 or 100 % than this share have no larger logit: one image of 2,000."""

PENALTIES = tuple(float(10**exponent) for exponent in np.arange(-2, 3.5, 0.5))
"""Ridge penalties to choose from; a standardised feature of 20 landmarks has the squared norm 20."""

OFFSET_PENALTY = 1.0
"""A sub-space's offset is shrunk as if one landmark without any offset had been seen there."""

NEGLIGIBLE = 1e-9
"""A standard deviation below which something is constant."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the regression reads of some architectures.

    Attributes:
        prior: their rank sums, standardised, shape (architectures,).
        features: standardised, shape (architectures, features).
        subspaces: index of each one's sub-space, shape (architectures,).
    """

    prior: Values
    features: Values
    subspaces: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.prior)

    def at(self, chosen: NDArray[np.int64]) -> Inputs:
        """Return those of some of the architectures."""
        return Inputs(self.prior[chosen], self.features[chosen], self.subspaces[chosen])

    def first(self, width: int) -> Inputs:
        """Return them with the first features alone."""
        return Inputs(self.prior, self.features[:, :width], self.subspaces)


class Learned(BaseModel):
    """What is kept of a regression."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GaussianProcess(Learned):
    """The mean of a Gaussian process, at x: scale * sum of weights[i] k(x, inputs[i]).

    Attributes:
        kernel: its form; `amplitude` times a function of the distance over `length_scale`.
        noise: variance of what the process leaves to chance, in units of scale squared.
        scale: standard deviation of what it was fitted to.
        inputs: features of the landmarks.
        weights: of the landmarks.
    """

    kernel: Kernel
    amplitude: float
    length_scale: float
    noise: float
    scale: float
    inputs: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]


class Regression(Learned):
    """A fitted regression; its predictions are on the scale of the target.

    Attributes:
        target: the scale.
        intercept: of an average architecture.
        prior_slope: what one standard deviation of the rank sum is worth; never negative.
        offsets: what is added for each sub-space; 0 where no landmark is.
        coefficients: of the features; empty for a Gaussian process.
        penalty: that of the ridge; None for a Gaussian process.
        process: what is added as a smooth function of the features, if anything.
    """

    target: Target
    intercept: float
    prior_slope: float
    offsets: tuple[float, ...]
    coefficients: tuple[float, ...] = ()
    penalty: float | None = None
    process: GaussianProcess | None = None


class Average(Learned):
    """The mean of several regressions.

    Attributes:
        members: they predict on one scale; each reads as many of the features, from the first on,
            as it was fitted to.
    """

    members: tuple[Regression, ...] = Field(min_length=1)

    @property
    def target(self) -> Target:
        """The scale."""
        return self.members[0].target

    @property
    def offsets(self) -> tuple[float, ...]:
        """What is added for each sub-space."""
        return floats(np.mean([one.offsets for one in self.members], axis=0))


AnyRegression = Regression | Average


def targets(accuracies: Values, target: Target) -> Values:
    """Return accuracies in percent on the scale on which they are regressed.

    `logit`: of the share of right answers, so that an error of 2 % and one of 1 % differ by as
    much as 20 % and 10 % do. `rank-normal`: quantiles of the normal distribution by their ranks.
    """
    if target == "rank-normal":
        quantiles: Values = scipy.special.ndtri(
            mid_ranks(accuracies, accuracies) / (len(accuracies) + 1)
        )
        return quantiles
    shares = np.clip(accuracies / 100, LEAST_SHARE, 1 - LEAST_SHARE)
    logits: Values = np.log(shares / (1 - shares))
    return logits


def fit_ridge(
    inputs: Inputs, accuracies: Values, *, num_subspaces: int, target: Target
) -> Regression:
    """Fit a ridge regression on features and sub-spaces, in closed form.

    The penalty is that of `PENALTIES` whose predictions of left-out landmarks are best; the larger
    one of equals. The intercept is not penalised.
    """
    y = targets(accuracies, target)
    x = np.concatenate([inputs.features, _one_hot(inputs.subspaces, num_subspaces)], axis=1)
    means = x.mean(axis=0)
    left, singular, right = np.linalg.svd(x - means, full_matrices=False)
    projected = left.T @ (y - y.mean())

    def error(penalty: float) -> float:
        shrunk = singular**2 / (singular**2 + penalty)
        leverage = 1 / len(y) + (left**2 * shrunk).sum(axis=1)
        residuals = y - y.mean() - left @ (shrunk * projected)
        return float(((residuals / (1 - leverage)) ** 2).sum())

    penalty = min(reversed(PENALTIES), key=error)
    solved = right.T @ (singular / (singular**2 + penalty) * projected)
    num_features = inputs.features.shape[1]
    return Regression(
        target=target,
        intercept=float(y.mean() - means @ solved),
        prior_slope=0.0,
        offsets=floats(solved[num_features:]),
        coefficients=floats(solved[:num_features]),
        penalty=penalty,
    )


def fit_gaussian_process(
    inputs: Inputs,
    accuracies: Values,
    *,
    num_subspaces: int,
    target: Target,
    kernel: Kernel,
    noise: float | None,
) -> Regression:
    """Fit the rank sum and the sub-spaces' offsets, then a Gaussian process on what they leave.

    Args:
        inputs: of the landmarks.
        accuracies: theirs, in percent.
        num_subspaces: of the run.
        target: the scale of the regression.
        kernel: of the process.
        noise: standard deviation of an accuracy by chance, on that scale; None: the likeliest.
    """
    y = targets(accuracies, target)
    mean = _prior_mean(inputs, y, num_subspaces, target)
    left_over = y - predict(mean, inputs)
    spread = float(left_over.std())
    if spread < NEGLIGIBLE or not inputs.features.shape[1]:
        return mean
    # scikit-learn takes a second or two to load.
    from nas.ranking.gaussian_process import fit_process

    process = fit_process(inputs.features, left_over, spread, kernel=kernel, noise=noise)
    return mean.model_copy(update={"process": process})


def fit_average(
    inputs: Inputs,
    accuracies: Values,
    *,
    parts: Sequence[tuple[int, Callable[[Inputs, Values], Regression]]],
) -> Average:
    """Fit several regressions; where their errors differ, the mean is better than each.

    Args:
        inputs: of the landmarks.
        accuracies: theirs, in percent.
        parts: of each regression, how many of the first features it reads, and what fits it.
    """
    return Average(members=tuple(fit(inputs.first(width), accuracies) for width, fit in parts))


def predict(regression: AnyRegression, inputs: Inputs) -> Values:
    """Return predictions on the scale of the target, each a function of its architecture alone.

    Sums are taken term by term, because a matrix product may round one row differently when
    there are others.
    """
    if isinstance(regression, Average):
        total = np.zeros(len(inputs))
        for member in regression.members:
            total += predict(member, inputs)
        mean: Values = total / len(regression.members)
        return mean
    found: Values = regression.intercept + regression.prior_slope * inputs.prior
    found = found + np.array([*regression.offsets, 0.0])[inputs.subspaces]
    for column, coefficient in enumerate(regression.coefficients):
        found = found + coefficient * inputs.features[:, column]
    if regression.process is not None:
        found = found + _process_mean(regression.process, inputs.features)
    return found


def to_scores(predictions: Values, target: Target) -> Values:
    """Return predictions as scores: accuracies in percent by `logit`, else quantiles."""
    if target == "rank-normal":
        return predictions
    scores: Values = 100 * scipy.special.expit(predictions)
    return scores


def _prior_mean(inputs: Inputs, y: Values, num_subspaces: int, target: Target) -> Regression:
    """Fit intercept, slope of the rank sum and the sub-spaces' offsets, the last ones penalised."""
    one_hot = _one_hot(inputs.subspaces, num_subspaces)
    with_slope = _solved(np.column_stack([np.ones(len(y)), inputs.prior, one_hot]), y, free=2)
    intercept, slope, *offsets = with_slope
    if slope < 0:
        # A rank sum that orders the landmarks backwards says nothing rather than the contrary.
        slope = 0.0
        intercept, *offsets = _solved(np.column_stack([np.ones(len(y)), one_hot]), y, free=1)
    return Regression(
        target=target, intercept=intercept, prior_slope=slope, offsets=tuple(offsets)
    )


def _solved(x: Values, y: Values, *, free: int) -> tuple[float, ...]:
    """Return penalised least squares; the first `free` columns have no penalty."""
    penalties = np.full(x.shape[1], OFFSET_PENALTY)
    penalties[:free] = 0.0
    rows = np.concatenate([x, np.diag(np.sqrt(penalties))])
    # By singular values, which also solve it where every landmark has the same rank sum.
    solution, *_ = np.linalg.lstsq(rows, np.concatenate([y, np.zeros(x.shape[1])]))
    return floats(solution)


def _process_mean(process: GaussianProcess, features: Values) -> Values:
    known = np.array(process.inputs)
    some = features[:, : known.shape[1]]
    distances = scipy.spatial.distance.cdist(some, known) / process.length_scale
    total = np.zeros(len(features))
    for column, weight in enumerate(process.weights):
        total += weight * _kernel(process.kernel, distances[:, column])
    scaled: Values = process.scale * process.amplitude * total
    return scaled


def _kernel(kernel: Kernel, distance: Values) -> Values:
    scaled = np.sqrt(5) * distance
    found: Values = (
        np.exp(-(distance**2) / 2)
        if kernel == "rbf"
        else (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    )
    return found


def _one_hot(subspaces: NDArray[np.int64], num_subspaces: int) -> Values:
    return np.eye(num_subspaces)[subspaces]


def floats(values: Values) -> tuple[float, ...]:
    """Return numbers that JSON can hold."""
    return tuple(float(value) for value in values)
