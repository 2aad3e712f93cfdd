"""How well scores order architectures by their ground truth.

Kendall's tau-b, Spearman's rho and weighted tau come from scipy; all account for ties. What cannot
be computed is None with a sentence that tells why, never 0 or NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from nas.errors import ScoreUndefined
from nas.ranking.measures import (
    FEWEST,
    MEASURES,
    PARTS,
    SPARSE_THRESHOLD,
    Measure,
    MeasureName,
    Part,
    Values,
    bins,
    measured,
    tied_pairs,
)
from nas.ranking.resampling import bootstrap
from nas.ranking.selection import BestByPrediction, best_by_prediction, precisions, regrets

# scipy.stats is loaded by its first use: it takes a second, which many a process never needs.

CONFIDENCE = 0.95
"""Coverage of the bootstrap intervals."""


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Agreement of scores with ground truth over some architectures.

    Attributes:
        measures: every measure by its name.
        best: None where the measures are undefined: nothing is predicted to be the best.
        num_architectures: how many were compared.
        score_ties: pairs of them that have equal scores.
        truth_ties: pairs of them that have equal truths.
        num_resamples: behind the intervals.
        sparse_threshold: width of the bins of sparse tau, percentage points.
    """

    measures: Mapping[MeasureName, Measure]
    best: BestByPrediction | None
    num_architectures: int
    score_ties: int
    truth_ties: int
    num_resamples: int
    sparse_threshold: float

    @property
    def tau(self) -> Measure:
        """Kendall's tau-b of all architectures."""
        return self.measures["tau"]


def rank_correlation(
    scores: Sequence[float],
    truth: Sequence[float],
    *,
    seed: int,
    benchmark: Sequence[float] | None = None,
    sparse_threshold: float = SPARSE_THRESHOLD,
    num_bootstrap: int | None = None,
) -> RankCorrelation:
    """Compare scores with ground truth, architecture by architecture.

    The intervals resample architectures with replacement and compute each measure anew, parts of
    the ground truth and bins included; resamples in which it is undefined are left out.

    Args:
        scores: one per architecture, higher is better.
        truth: stand-alone accuracy of the same architectures, percent.
        seed: of the bootstrap.
        benchmark: accuracies of all valid architectures of the benchmark, among which the best by
            prediction is ranked; None if the compared ones are all of them.
        sparse_threshold: width of the bins of sparse tau, percentage points.
        num_bootstrap: resamples; None for as many as `default_resamples` gives.

    Raises:
        ScoreUndefined: if a score or a truth is not finite.
        ValueError: if the lengths differ, or `sparse_threshold` is not positive.
    """
    x, y = _checked(scores, truth)
    if not sparse_threshold > 0:
        raise ValueError(f"bins of {sparse_threshold} percentage points; give a positive width")
    num_resamples = default_resamples(len(x)) if num_bootstrap is None else num_bootstrap
    table = y if benchmark is None else np.asarray(benchmark, dtype=np.float64)
    reason = _why_undefined(x, y)
    best = None if reason else best_by_prediction(x, y, table)
    found = _correlations(x, y, sparse_threshold) | precisions(x, y, reason)
    found |= regrets(x, y, table, best, reason)
    if reason is None and num_resamples:
        replicates = bootstrap(
            x, y, seed=seed, num_resamples=num_resamples, sparse_threshold=sparse_threshold
        )
        found = {
            name: _with_interval(measure, replicates.get(name)) for name, measure in found.items()
        }
    return RankCorrelation(
        measures={name: found[name] for name in MEASURES},
        best=best,
        num_architectures=len(x),
        score_ties=tied_pairs(x),
        truth_ties=tied_pairs(y),
        num_resamples=num_resamples,
        sparse_threshold=sparse_threshold,
    )


def default_resamples(num_architectures: int) -> int:
    """Return how many resamples keep the intervals cheap: 1,000, fewer from 4,000 architectures.

    The more architectures, the narrower the interval, and the less its ends' own error matters.
    """
    return max(100, min(1000, 4_000_000 // max(1, num_architectures)))


def kendall_tau(scores: Values, truth: Values) -> float | None:
    """Return Kendall's tau-b, None where it is undefined."""
    if _why_undefined(scores, truth) is not None:
        return None
    return float(scipy.stats.kendalltau(scores, truth).statistic)


def sparse_tau(scores: Values, truth: Values, threshold: float) -> float | None:
    """Return tau-b of the scores with the truth in bins, None where it is undefined.

    Differences of truth below the bins' width are mostly noise of the stand-alone training.

    Args:
        scores: one per architecture.
        truth: in percent.
        threshold: width of a bin, percentage points.

    Source: "An Analysis of Super-Net Heuristics in Weight-Sharing NAS" (arXiv 2110.01154).
    """
    return kendall_tau(scores, bins(truth, threshold))


def _checked(scores: Sequence[float], truth: Sequence[float]) -> tuple[Values, Values]:
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"{x.shape} scores cannot be compared with {y.shape} truths")
    for name, values in (("score", x), ("truth", y)):
        if not np.isfinite(values).all():
            index = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ScoreUndefined(f"{name} {index} is {values[index]}; leave it out or correct it")
    return x, y


def _correlations(x: Values, y: Values, threshold: float) -> dict[MeasureName, Measure]:
    def tau(scores: Values, truth: Values) -> float:
        return float(scipy.stats.kendalltau(scores, truth).statistic)

    def spearman(scores: Values, truth: Values) -> float:
        return float(scipy.stats.spearmanr(scores, truth).statistic)

    def weighted(scores: Values, truth: Values) -> float:
        # Rank 0 is the best by truth, among equal truths by score. The default weigher is
        # hyperbolic, 1 / (1 + rank), and the weights of a pair are added.
        rank = np.empty(len(truth), dtype=np.int64)
        rank[np.lexsort((scores, truth))[::-1]] = np.arange(len(truth))
        return float(scipy.stats.weightedtau(scores, truth, rank=rank).statistic)

    found: dict[MeasureName, Measure] = {
        "tau": _measure(tau, x, y),
        "spearman": _measure(spearman, x, y),
        "weighted-tau": _measure(weighted, x, y),
        "sparse-tau": _measure(
            tau, x, bins(y, threshold), bin_text=f"one bin of {threshold:g} percentage points"
        ),
    }
    for name, part in PARTS.items():
        inside = part.of(y)
        found[name] = _measure(tau, x[inside], y[inside], part=part if len(y) else None)
    return found


def _measure(
    compute: Callable[[Values, Values], float],
    x: Values,
    y: Values,
    *,
    part: Part | None = None,
    bin_text: str | None = None,
) -> Measure:
    reason = _why_undefined(x, y, part=part, bin_text=bin_text)
    return measured(compute(x, y) if reason is None else None, x, y, reason)


def _why_undefined(
    x: Values, y: Values, *, part: Part | None = None, bin_text: str | None = None
) -> str | None:
    """Return why scores and truths of a part, or of all, have no correlation, if so."""
    where = f" in the {part.title}" if part else ""
    if len(x) < FEWEST:
        return f"Too few architectures{where}: {len(x)}, where at least {FEWEST} are needed."
    if np.ptp(x) == 0:
        return f"All {len(x):,} scores{where} are equal."
    if np.ptp(y) == 0:
        if bin_text:
            return f"All {len(y):,} truths fall into {bin_text}."
        return f"All {len(y):,} truths{where} are equal."
    return None


def _with_interval(measure: Measure, replicates: Values | None) -> Measure:
    if measure.value is None or replicates is None:
        return measure
    defined = replicates[~np.isnan(replicates)]
    if not len(defined):
        return measure
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return replace(measure, low=float(low), high=float(high))
