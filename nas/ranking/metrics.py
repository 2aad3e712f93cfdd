"""How well scores order architectures by their ground truth.

Kendall's tau-b and Spearman's rho come from scipy; both account for ties. What cannot be computed
is None, never NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from nas.errors import ScoreUndefined

# scipy.stats is loaded by its first use: it takes a second, which many a process never needs.

CONFIDENCE = 0.95
"""Coverage of the bootstrap interval."""

MAX_PAIR_MATRIX = 1000
"""Up to this many architectures a matrix of all pairs is faster than scipy resample by resample."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Agreement of scores with ground truth over some architectures.

    Attributes:
        tau: Kendall's tau-b; None for fewer than two architectures, or if all scores or all
            truths are equal. So are the other coefficients.
        tau_low: lower end of the 95 % percentile bootstrap interval of tau.
        tau_high: upper end.
        spearman: Spearman's rho.
        top_half_tau: tau-b of the architectures whose truth is at least the median.
        num_architectures: how many were compared.
        num_ties: pairs of architectures that have equal scores or equal truths.
    """

    tau: float | None
    tau_low: float | None
    tau_high: float | None
    spearman: float | None
    top_half_tau: float | None
    num_architectures: int
    num_ties: int


def rank_correlation(
    scores: Sequence[float], truth: Sequence[float], *, seed: int, num_bootstrap: int = 1000
) -> RankCorrelation:
    """Compare scores with ground truth, architecture by architecture.

    The interval resamples architectures with replacement; resamples whose tau is undefined are
    left out.

    Args:
        scores: one per architecture, higher is better.
        truth: stand-alone accuracy of the same architectures.
        seed: of the bootstrap.
        num_bootstrap: resamples.

    Raises:
        ScoreUndefined: if a score or a truth is not finite.
        ValueError: if the lengths differ.
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"{x.shape} scores cannot be compared with {y.shape} truths")
    for name, values in (("score", x), ("truth", y)):
        if not np.isfinite(values).all():
            index = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ScoreUndefined(f"{name} {index} is {values[index]}; leave it out or correct it")
    tau = kendall_tau(x, y)
    low, high = (None, None) if tau is None else _interval(x, y, seed, num_bootstrap)
    top = y >= np.median(y) if len(y) else np.zeros(0, dtype=bool)
    return RankCorrelation(
        tau=tau,
        tau_low=low,
        tau_high=high,
        spearman=None if tau is None else float(scipy.stats.spearmanr(x, y).statistic),
        top_half_tau=kendall_tau(x[top], y[top]),
        num_architectures=len(x),
        num_ties=_tied_pairs(x) + _tied_pairs(y) - _tied_pairs(np.stack([x, y], axis=1)),
    )


def kendall_tau(scores: Values, truth: Values) -> float | None:
    """Return Kendall's tau-b, None where it is undefined."""
    if len(scores) < 2 or np.ptp(scores) == 0 or np.ptp(truth) == 0:
        return None
    return float(scipy.stats.kendalltau(scores, truth).statistic)


def _tied_pairs(values: NDArray[np.float64]) -> int:
    if not len(values):
        return 0
    sizes = np.unique(values, axis=0, return_counts=True)[1]
    return int((sizes * (sizes - 1) // 2).sum())


def _interval(
    scores: Values, truth: Values, seed: int, num_bootstrap: int
) -> tuple[float | None, float | None]:
    rng = np.random.default_rng(seed)
    n = len(scores)
    if n <= MAX_PAIR_MATRIX:
        weights = rng.multinomial(n, np.full(n, 1 / n), size=num_bootstrap)
        taus = _weighted_taus(scores, truth, weights)
    else:
        resamples = (rng.integers(n, size=n) for _ in range(num_bootstrap))
        defined = [kendall_tau(scores[chosen], truth[chosen]) for chosen in resamples]
        taus = np.array([tau for tau in defined if tau is not None], dtype=np.float64)
    if not len(taus):
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(taus, [tail, 1 - tail])
    return float(low), float(high)


def _weighted_taus(scores: Values, truth: Values, weights_RN: NDArray[np.int64]) -> Values:
    """Return tau-b of each resample, undefined ones left out.

    R resamples of N architectures, given as how often each was drawn. With the signs s and t of
    the differences of scores and truths, tau-b is the sum of w_i w_j s_ij t_ij over the geometric
    mean of the sums of w_i w_j |s_ij| and w_i w_j |t_ij|.
    """
    # Every partial sum is an integer of at most N^2 <= 10^6, exact in float32.
    w_RN = weights_RN.astype(np.float32)
    s_NN = np.sign(scores[:, None] - scores[None, :]).astype(np.float32)
    t_NN = np.sign(truth[:, None] - truth[None, :]).astype(np.float32)
    concordance, score_pairs, truth_pairs = (
        ((w_RN @ matrix_NN) * w_RN).sum(axis=1, dtype=np.float64)
        for matrix_NN in (s_NN * t_NN, np.abs(s_NN), np.abs(t_NN))
    )
    defined = (score_pairs > 0) & (truth_pairs > 0)
    ordered = np.sqrt(score_pairs[defined] * truth_pairs[defined])
    taus: Values = concordance[defined] / ordered
    return taus
