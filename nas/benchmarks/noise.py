"""The noise ceiling: how well a benchmark orders architectures as it would order them again."""

import math
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from nas.errors import InvalidBenchmark
from nas.ranking.metrics import kendall_tau


def noise_ceiling(
    values: Mapping[str, Sequence[float]], *, seed: int, num_splits: int = 100
) -> float:
    """Return how well the table orders architectures as it would order them again.

    It is the mean tau-b between the means of two disjoint random halves of the seeds; with an odd
    number of seeds each split leaves one out.

    Args:
        values: accuracy per training seed of each valid architecture; at least two seeds, the
            same number everywhere.
        seed: of the splits.
        num_splits: random splits to average over.

    Raises:
        InvalidBenchmark: if there are too few seeds or architectures, or all means are equal.
    """
    counts = {len(seeds) for seeds in values.values()}
    if len(counts) != 1 or min(counts) < 2:
        raise InvalidBenchmark(
            "a noise ceiling needs two or more seeds, the same number for every architecture; "
            f"found {sorted(counts)}"
        )
    accuracy_AS = np.array(list(values.values()), dtype=np.float64)
    num_seeds = counts.pop()
    half = num_seeds // 2
    rng = Random(seed)
    taus: dict[frozenset[frozenset[int]], float] = {}
    total = []
    for _ in range(num_splits):
        shuffled = rng.sample(range(num_seeds), num_seeds)
        first, second = frozenset(shuffled[:half]), frozenset(shuffled[half : 2 * half])
        # Few seeds have few splits, and each costs a sort.
        split = frozenset({first, second})
        if split not in taus:
            taus[split] = _tau(accuracy_AS, sorted(first), sorted(second))
        total.append(taus[split])
    return math.fsum(total) / num_splits


def _tau(accuracy_AS: NDArray[np.float64], first: Sequence[int], second: Sequence[int]) -> float:
    tau = kendall_tau(accuracy_AS[:, first].mean(axis=1), accuracy_AS[:, second].mean(axis=1))
    if tau is None:
        raise InvalidBenchmark(
            f"{len(accuracy_AS)} architectures have no noise ceiling: it needs three or more, "
            "whose means differ"
        )
    return tau
