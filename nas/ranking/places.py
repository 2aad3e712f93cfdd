"""Places in a reference sample: what makes the scores of different scorers comparable.

A place depends on the order of scores alone, so that no monotone change of a scorer's scale moves
it, and on the stored reference sample alone, so that it does not matter what else is ranked.
"""

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

# scipy's parts are loaded by their first use.

Values = NDArray[np.float64]


def mid_ranks(values: Values, reference: Values) -> Values:
    """Return the rank of each value among the reference values, 1 for the worst of them.

    It is the number of lower reference values plus half the number of equal ones plus one half.
    Equal reference values so share the mean of their ranks (the mid-rank), and a value between
    two of them has the rank half way between theirs: never 0, at least 1/2, at most n + 1/2.

    Args:
        values: shape (architectures,).
        reference: shape (n,), n at least 1.

    Returns:
        Shape (architectures,).
    """
    ordered = np.sort(reference)
    lower = np.searchsorted(ordered, values, side="left")
    not_higher = np.searchsorted(ordered, values, side="right")
    return (lower + not_higher + 1) / 2


def log_rank_sum(scores: Values, reference: Values, weights: Sequence[float]) -> Values:
    """Return the weighted sum of log(rank / n) over some scorers.

    Being the worst by one scorer costs log n and being the best by another gains nothing, so an
    architecture has to be at least fair by all of them.

    Args:
        scores: shape (architectures, scorers).
        reference: shape (n, scorers).
        weights: of the scorers.

    Returns:
        Shape (architectures,); at most slightly above 0.

    Source: Lee and Ham, CVPR 2024 (arXiv 2403.19232), who rank within the population that is
        searched; against a fixed sample a score is a function of the architecture alone.
    """
    total = np.zeros(len(scores))
    # Column by column, so that the sum is the same however many architectures there are.
    for column, weight in enumerate(weights):
        ranks = mid_ranks(scores[:, column], reference[:, column])
        total += weight * np.log(ranks / len(reference))
    return total


def normal_quantiles(scores: Values, reference: Values) -> Values:
    """Return where each score would lie if the reference scores were normal, mean 0, variance 1.

    Args:
        scores: shape (architectures, scorers).
        reference: shape (n, scorers).

    Returns:
        Shape (architectures, scorers).
    """
    ranks = np.stack(
        [mid_ranks(scores[:, one], reference[:, one]) for one in range(scores.shape[1])], axis=1
    )
    quantiles: Values = scipy.special.ndtri(ranks / (len(reference) + 1))
    return quantiles
