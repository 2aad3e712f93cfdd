"""Correlations pair by pair, straight from their definitions: slow, and hard to get wrong."""

import math
from itertools import combinations, permutations


def sign(value: float) -> int:
    return int(value > 0) - int(value < 0)


def pairwise_tau(scores, truth, weight=lambda i, j: 1.0):
    """Kendall's tau-b with a weight per pair; None if all pairs are tied in one of the two."""
    balance = score_pairs = truth_pairs = 0.0
    for i, j in combinations(range(len(scores)), 2):
        s, t = sign(scores[i] - scores[j]), sign(truth[i] - truth[j])
        balance += weight(i, j) * s * t
        score_pairs += weight(i, j) * s * s
        truth_pairs += weight(i, j) * t * t
    if not score_pairs or not truth_pairs:
        return None
    return balance / math.sqrt(score_pairs * truth_pairs)


def weighted_tau(scores, truth):
    """Additive hyperbolic tau of Vigna (2015), ranked by truth, equal truths by score."""
    best_first = sorted(range(len(truth)), key=lambda i: (truth[i], scores[i]), reverse=True)
    rank = {i: place for place, i in enumerate(best_first)}
    return pairwise_tau(scores, truth, lambda i, j: 1 / (1 + rank[i]) + 1 / (1 + rank[j]))


def mid_ranks(values):
    """1 for the smallest; equal values share the mean of their ranks."""
    return [
        sum(other < value for other in values) + (1 + sum(other == value for other in values)) / 2
        for value in values
    ]


def spearman(scores, truth):
    """Pearson's correlation of the ranks."""
    first, second = mid_ranks(scores), mid_ranks(truth)
    mean = (len(scores) + 1) / 2
    covariance = sum((a - mean) * (b - mean) for a, b in zip(first, second, strict=True))
    variances = [sum((rank - mean) ** 2 for rank in ranks) for ranks in (first, second)]
    return covariance / math.sqrt(variances[0] * variances[1])


def best_by_truth(truth, size, *, worst=False):
    """Places of so many of the best, or the worst, and of all that tie with the last of them."""
    ordered = sorted(truth, reverse=not worst)
    last = ordered[size - 1]
    return [i for i, value in enumerate(truth) if (value <= last if worst else value >= last)]


def precision(scores, truth, k):
    """Mean over all orders that the architectures may stand in before a stable sort by score."""
    good = set(best_by_truth(truth, k))
    shares = []
    for order in permutations(range(len(scores))):
        chosen = sorted(order, key=lambda i: -scores[i])[:k]
        shares.append(sum(i in good for i in chosen) / k)
    return sum(shares) / len(shares)
