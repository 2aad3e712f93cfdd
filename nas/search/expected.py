"""What random search would have found: exact over its draws, from architectures scored already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BAND = 0.9
"""Share of the random searches that end inside the band."""


@dataclass(frozen=True, slots=True)
class ExpectedTruth:
    """The true value of the best by score of some random architectures.

    Attributes:
        mean: over all draws.
        low: the lower end of the band.
        high: its upper end.
    """

    mean: float
    low: float
    high: float


def random_search_truth(
    scores: Sequence[float],
    truth: Sequence[float],
    numbers: Sequence[int],
    *,
    is_whole_space: bool,
) -> list[ExpectedTruth]:
    """Return what the best by score is truly worth after so many evaluations of a random search.

    The architecture of rank r (0 for the best score) wins if none of the r before it is drawn, and
    it is: no search has to be run, and the band is that of all seeds.

    Args:
        scores: of distinct architectures, a uniform sample of those that can be searched.
        truth: of the same.
        numbers: of evaluations, each at least 1.
        is_whole_space: whether the sample is all that can be searched. Draws are then without
            replacement; else the sample stands for many more, and they are with.

    Returns:
        One per number; without replacement a number beyond the sample means all of it.
    """
    import numpy as np

    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    ranked = np.asarray(truth, dtype=np.float64)[order]
    by_truth = np.argsort(ranked, kind="stable")
    found = []
    for number in numbers:
        wins = _chances(len(ranked), number, is_whole_space)
        below = np.cumsum(wins[by_truth])
        low, high = (
            float(ranked[by_truth][min(int(np.searchsorted(below, share)), len(ranked) - 1)])
            for share in ((1 - BAND) / 2, (1 + BAND) / 2)
        )
        found.append(ExpectedTruth(float(wins @ ranked), low, high))
    return found


def _chances(size: int, number: int, is_whole_space: bool) -> "np.ndarray":
    """Return, per rank, the chance that it is the best of `number` draws."""
    import numpy as np

    if is_whole_space:
        from scipy.special import gammaln

        # Of C(size, number) draws, C(size - rank, number) hold none of the first `rank`.
        number = min(number, size)
        left = size - np.arange(size + 1, dtype=np.float64)
        fits = left >= number
        logs = gammaln(left + 1) - gammaln(np.where(fits, left - number, 0) + 1)
        none = np.where(fits, np.exp(logs - logs[0]), 0.0)
    else:
        none = (1 - np.arange(size + 1) / size) ** number
    return np.asarray(none[:-1] - none[1:])
