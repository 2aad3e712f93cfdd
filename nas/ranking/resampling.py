"""Bootstrap of every measure of a ranking, many resamples at a time.

Architectures are drawn with replacement, as many as there are; a resample is how often each was
drawn. Copies of one architecture are tied with each other in score and truth.

Letters: N architectures, R resamples, G groups of equal values.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy

from nas.ranking.measures import FEWEST, PARTS, PRECISIONS, MeasureName, Part, bins
from nas.ranking.pairs import Groups, PairPlan, Places, Values

# scipy.special is loaded by its first use, as is scipy.stats elsewhere in this package.

VALUES_AT_ONCE = 2**18
"""Of a matrix of architectures and resamples: 2 MB, which stay in a processor's cache."""


def bootstrap(
    scores: Values, truth: Values, *, seed: int, num_resamples: int, sparse_threshold: float
) -> dict[MeasureName, Values]:
    """Return every measure that has an interval, of each resample; NaN where it is undefined.

    Args:
        scores: of one or more architectures.
        truth: of the same architectures.
        seed: of the draws.
        num_resamples: how many to draw.
        sparse_threshold: width of sparse tau's bins, percentage points.
    """
    # In order of truth, parts of it are slices; ties in an order that does not depend on that of
    # the arguments.
    order_N = np.lexsort((scores, truth))
    judge = _Judge(scores[order_N], truth[order_N], sparse_threshold)
    draws = list(_draws(len(truth), num_resamples, np.random.default_rng(seed)))
    found = [judge.measures(counts_NR.astype(np.float64)) for counts_NR in draws]
    result = {name: np.concatenate([chunk[name] for chunk in found]) for name in found[0]}
    for name, part in PARTS.items():
        result[name] = judge.tau_within(part, draws)
    return result


def paired_taus(
    scores: Sequence[Values], truth: Values, *, seed: int, num_resamples: int
) -> Values:
    """Return Kendall's tau-b of several scorers in the same resamples; NaN where it is undefined.

    Which architectures a resample holds depends on their number and the seed alone, so differences
    of scorers can also be averaged over runs, resample by resample.

    Args:
        scores: of each scorer, for the same architectures in the same order.
        truth: of these.
        seed: of the draws.
        num_resamples: how many to draw.

    Returns:
        Shape (scorers, resamples).
    """
    plans = [PairPlan(of_one, truth) for of_one in scores]
    taus = [
        np.stack([plan.tau(counts_NR.astype(np.float64)) for plan in plans])
        for counts_NR in _draws(len(truth), num_resamples, np.random.default_rng(seed))
    ]
    return np.concatenate(taus, axis=1)


def _draws(num: int, num_resamples: int, rng: np.random.Generator) -> Iterator[Places]:
    """Yield how often each of `num` architectures was drawn, shape (architectures, resamples)."""
    most = max(1, VALUES_AT_ONCE // num)
    for start in range(0, num_resamples, most):
        width = min(most, num_resamples - start)
        drawn = rng.integers(num, size=(width, num)) + num * np.arange(width)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=width * num).reshape(width, num)
        yield np.ascontiguousarray(counts.T, dtype=np.int32)


class _Judge:
    """Measures of resamples of architectures that stand in ascending order of truth."""

    def __init__(self, scores: Values, truth: Values, sparse_threshold: float) -> None:
        self.scores, self.truth = scores, truth
        self.plan = PairPlan(scores, truth)
        self.sparse_plan = PairPlan(scores, bins(truth, sparse_threshold))

    def measures(self, weights_NR: Values) -> dict[MeasureName, Values]:
        """Return those measures that take all architectures."""
        by_score, by_truth = self.plan.by_score, self.plan.by_truth
        found: dict[MeasureName, Values] = {
            "tau": self.plan.tau(weights_NR),
            "spearman": _correlation(
                weights_NR, _mid_ranks(by_score, weights_NR), _mid_ranks(by_truth, weights_NR)
            ),
            "weighted-tau": self.plan.additive_tau(weights_NR, self._importance(weights_NR)),
            "sparse-tau": self.sparse_plan.tau(weights_NR),
        }
        # Nothing is predicted, or nothing is there to predict, where tau is undefined.
        undefined_R = np.isnan(found["tau"])
        for name, part in PRECISIONS.items():
            found[name] = np.where(undefined_R, np.nan, self._precision(part, weights_NR))
        return found

    def tau_within(self, part: Part, draws: list[Places]) -> Values:
        """Return tau-b within a part of each resample's truth."""
        bounds = [self._bound(part, counts_NR) for counts_NR in draws]
        if part.from_top:
            reach = slice(min(int(bound_R.min()) for bound_R in bounds), None)
        else:
            reach = slice(0, max(int(bound_R.max()) for bound_R in bounds))
        plan = PairPlan(self.scores[reach], self.truth[reach])
        place_N = np.arange(len(self.truth))[reach, None]
        taus = []
        for counts_NR, bound_R in zip(draws, bounds, strict=True):
            inside_NR = place_N >= bound_R if part.from_top else place_N < bound_R
            weights_NR = (counts_NR[reach] * inside_NR).astype(np.float64)
            taus.append(np.where(weights_NR.sum(axis=0) < FEWEST, np.nan, plan.tau(weights_NR)))
        return np.concatenate(taus)

    def _bound(self, part: Part, counts_NR: Places) -> Places:
        """Return where in order of truth the part of each resample begins, or where it ends."""
        size = part.size(len(self.truth))
        truth = self.plan.by_truth
        if part.from_top:
            reached = np.cumsum(counts_NR[::-1], axis=0) >= size
            last_R = len(self.truth) - 1 - np.argmax(reached, axis=0)
            first_R: Places = truth.starts[truth.group[last_R]]
            return first_R
        last_R = np.argmax(np.cumsum(counts_NR, axis=0) >= size, axis=0)
        ends_G = np.append(truth.starts[1:], len(self.truth))
        end_R: Places = ends_G[truth.group[last_R]]
        return end_R

    def _importance(self, weights_NR: Values) -> Values:
        """Return the sum of 1 / (1 + rank) over the copies of each architecture, rank 0 the best.

        They are ranked by truth, among equal truths by score.
        """
        below_NR = np.zeros((len(weights_NR) + 1, weights_NR.shape[1]))
        np.cumsum(weights_NR[self.plan.by_both.order[::-1]], axis=0, out=below_NR[1:])
        # Differences of the harmonic numbers, which are digamma but for a constant.
        harmonic = scipy.special.digamma(np.arange(len(weights_NR) + 1) + 1.0)
        importance_NR = np.empty_like(weights_NR)
        importance_NR[self.plan.by_both.order[::-1]] = np.diff(
            harmonic[below_NR.astype(np.int64)], axis=0
        )
        return importance_NR

    def _precision(self, part: Part, weights_NR: Values) -> Values:
        size = part.size(len(self.truth))
        by_score = self.plan.by_score
        group_GR = by_score.sums(weights_NR)
        above_GR = np.cumsum(group_GR[::-1], axis=0)[::-1] - group_GR
        taken_GR = np.clip(size - above_GR, 0, group_GR)
        place_N = np.arange(len(self.truth))[:, None]
        good_NR = weights_NR * (place_N >= self._bound(part, weights_NR.astype(np.int64)))
        good_GR = by_score.sums(good_NR)
        # Of a group that is only partly among the best, every member is so with equal chance.
        share_GR = np.divide(taken_GR, group_GR, out=np.zeros_like(group_GR), where=group_GR > 0)
        found: Values = (good_GR * share_GR).sum(axis=0) / size
        return found


def _mid_ranks(groups: Groups, weights_NR: Values) -> Values:
    """Return the mean rank of each architecture's copies, 1 for the smallest value."""
    sums_GR = groups.sums(weights_NR)
    ends_GR = np.cumsum(sums_GR, axis=0)
    ranks_NR: Values = (ends_GR - (sums_GR - 1) / 2)[groups.group]
    return ranks_NR


def _correlation(weights_NR: Values, first_NR: Values, second_NR: Values) -> Values:
    """Return Pearson's correlation of weighted pairs whose means are both (n + 1) / 2."""
    mean_R = (weights_NR.sum(axis=0) + 1) / 2
    first_NR, second_NR = first_NR - mean_R, second_NR - mean_R
    covariance_R, first_R, second_R = (
        np.einsum("nr,nr,nr->r", weights_NR, left, right)
        for left, right in (
            (first_NR, second_NR),
            (first_NR, first_NR),
            (second_NR, second_NR),
        )
    )
    defined_R = (first_R > 0) & (second_R > 0)
    undefined = np.full_like(mean_R, np.nan)
    found_R: Values = np.divide(
        covariance_R, np.sqrt(first_R * second_R), out=undefined, where=defined_R
    )
    return found_R
