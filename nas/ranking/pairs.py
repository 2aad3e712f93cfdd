"""Kendall's tau of many weightings of the same architectures at once.

A bootstrap resample is how often each architecture was drawn. Which pairs of architectures agree in
order does not depend on it, so the sort that finds them is done once: a merge sort by score of the
architectures in order of truth, whose every level tells which pairs of one block and the next
disagree. Each resample then only adds up weights along that plan: time N log N, memory N.

Letters: N architectures, R resamples, G groups of equal values.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Groups:
    """Architectures of equal value, groups in ascending order of the value.

    Attributes:
        order: places of the architectures, group by group.
        starts: where in `order` each group begins.
        group: the group of each architecture.
    """

    order: Places
    starts: Places
    group: Places

    @classmethod
    def of(cls, *keys: Values) -> "Groups":
        """Group by equal values of all `keys`, ordered by the first, then the second, ..."""
        order_N = np.lexsort(keys[::-1])
        changed_N = np.zeros(len(order_N), dtype=bool)
        for key in keys:
            changed_N[1:] |= np.diff(key[order_N]) != 0
        group_N = np.empty(len(order_N), dtype=np.int64)
        group_N[order_N] = np.cumsum(changed_N)
        starts_G = np.concatenate([[0], np.flatnonzero(changed_N)]) if len(order_N) else order_N
        return cls(order_N, starts_G, group_N)

    def sums(self, weights_NR: Values) -> Values:
        """Return the sum of each group's weights, shape (groups, resamples)."""
        return np.add.reduceat(weights_NR.take(self.order, axis=0), self.starts, axis=0)


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the merge sort: pairs of an earlier (in truth) and a later half of one block.

    Attributes:
        later: architectures of the later halves, block by block, ascending in score.
        earlier: those of the earlier halves, likewise.
        before: per architecture of `earlier`, how many of `later` stand before it in the order of
            blocks and scores: those of its own block among them have a smaller score.
        block_before: likewise those of earlier blocks alone, which do not count.
        blocks: where in `earlier` each block begins.
    """

    later: Places
    earlier: Places
    before: Places
    block_before: Places
    blocks: Places


class PairPlan:
    """Which pairs of architectures disagree, and which are tied.

    Args of every method are weights of shape (architectures, resamples).
    """

    def __init__(self, scores: Values, truth: Values) -> None:
        """Sort once.

        Args:
            scores: one per architecture.
            truth: of the same architectures.
        """
        self.by_score = Groups.of(scores)
        self.by_truth = Groups.of(truth)
        self.by_both = Groups.of(truth, scores)
        self._levels = _levels(self.by_both.order, scores)

    def tau(self, weights_NR: Values) -> Values:
        """Return tau-b per resample, NaN where all scores or all truths are equal."""
        total_R = _pairs(weights_NR.sum(axis=0))
        tied = (self.by_score, self.by_truth, self.by_both)
        score_R, truth_R, both_R = (_pairs(groups.sums(weights_NR)).sum(axis=0) for groups in tied)
        disagreeing_R = self.disagreement(weights_NR, weights_NR)
        return _tau(total_R, score_R, truth_R, both_R, disagreeing_R)

    def additive_tau(self, weights_NR: Values, importance_NR: Values) -> Values:
        """Return tau-b whose every pair counts as much as the importances of both together.

        Args:
            weights_NR: how often each architecture was drawn.
            importance_NR: the sum of the importances of its copies.
        """

        def within(count: Values, importance: Values) -> Values:
            return (count - 1) * importance

        total_R = within(weights_NR.sum(axis=0), importance_NR.sum(axis=0))
        tied = (self.by_score, self.by_truth, self.by_both)
        score_R, truth_R, both_R = (
            within(groups.sums(weights_NR), groups.sums(importance_NR)).sum(axis=0)
            for groups in tied
        )
        disagreeing_R = self.disagreement(weights_NR, importance_NR)
        disagreeing_R += self.disagreement(importance_NR, weights_NR)
        return _tau(total_R, score_R, truth_R, both_R, disagreeing_R)

    def disagreement(self, left_NR: Values, right_NR: Values) -> Values:
        """Sum left times right over pairs whose right has the larger truth and smaller score."""
        total_R = np.zeros(left_NR.shape[1])
        for level in self._levels:
            sums = np.zeros((len(level.later) + 1, left_NR.shape[1]))
            np.cumsum(right_NR.take(level.later, axis=0), axis=0, out=sums[1:])
            left = left_NR.take(level.earlier, axis=0)
            total_R += np.einsum("nr,nr->r", left, sums.take(level.before, axis=0))
            of_block = np.add.reduceat(left, level.blocks, axis=0)
            total_R -= np.einsum("nr,nr->r", of_block, sums.take(level.block_before, axis=0))
        return total_R


def _tau(total: Values, score: Values, truth: Values, both: Values, disagreeing: Values) -> Values:
    """Return agreeing less disagreeing pairs over the geometric mean of the untied ones."""
    untied = (total - score) * (total - truth)
    balance = total - score - truth + both - 2 * disagreeing
    # All pairs tied is zero exactly for counts; importances leave a rounding error.
    defined = (total - score > 1e-9 * total) & (total - truth > 1e-9 * total)
    undefined = np.full_like(total, np.nan)
    return np.divide(balance, np.sqrt(np.abs(untied)), out=undefined, where=defined)


def _pairs(count: Values) -> Values:
    return count * (count - 1) / 2


def _levels(order_N: Places, scores: Values) -> tuple[Level, ...]:
    num = len(order_N)
    place_N = np.arange(num)
    ranked_N = scores[order_N]
    levels, half = [], 1
    while half < num:
        # By place where scores are equal: the earlier half first, so that it does not disagree.
        sorted_N = np.lexsort((place_N, ranked_N, place_N // (2 * half)))
        is_later = sorted_N // half % 2 == 1
        later_before = np.cumsum(is_later)
        earlier_block = sorted_N[~is_later] // (2 * half)
        blocks = np.flatnonzero(np.diff(earlier_block, prepend=-1))
        levels.append(
            Level(
                later=order_N[sorted_N[is_later]],
                earlier=order_N[sorted_N[~is_later]],
                before=later_before[~is_later],
                # Every block but the last is full: it has `half` later architectures.
                block_before=earlier_block[blocks] * half,
                blocks=blocks,
            )
        )
        half *= 2
    return tuple(levels)
