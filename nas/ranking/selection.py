"""What choosing by score gives: precision at the top, the best by prediction, and its regret."""

from dataclasses import dataclass

import numpy as np

from nas.ranking.measures import (
    PRECISIONS,
    RANDOM_DRAWS,
    Measure,
    MeasureName,
    Values,
    measured,
)


@dataclass(frozen=True, slots=True)
class BestByPrediction:
    """The architecture with the highest score.

    Attributes:
        index: its place among those compared; the first of several with the highest score.
        truth: its stand-alone accuracy, percent.
        rank: of its truth in the benchmark, 1 for the best; equal truths share the better rank.
        num_ranked: valid architectures of the benchmark.
        num_tied: compared architectures that have the highest score, itself included.
    """

    index: int
    truth: float
    rank: int
    num_ranked: int
    num_tied: int


def precisions(x: Values, y: Values, reason: str | None) -> dict[MeasureName, Measure]:
    """Return precision@k of scores `x` and truths `y`; undefined if there is a reason for it."""
    found: dict[MeasureName, Measure] = {}
    for name, part in PRECISIONS.items():
        size = part.size(len(x))
        value = None if reason else precision_at(x, y, size)
        chosen = np.argsort(-x, kind="stable")[:size]
        found[name] = measured(value, x[chosen], y[chosen], reason)
    return found


def precision_at(scores: Values, truth: Values, k: int) -> float:
    """Return the share of the k best by score that are among the k best by truth.

    All that are as good as the k-th best by truth are among them. Where scores tie at the k-th
    place, it is the mean over the ways to break that tie.

    Args:
        scores: one per architecture.
        truth: of the same architectures.
        k: from 1 to the number of architectures.
    """
    good = truth >= np.sort(truth)[-k]
    last = np.sort(scores)[-k]
    above, level = scores > last, scores == last
    share = (k - int(above.sum())) / int(level.sum())
    return float((good[above].sum() + share * good[level].sum()) / k)


def best_by_prediction(x: Values, y: Values, table: Values) -> BestByPrediction:
    """Return the first of the highest scores `x`, with its truth of `y` and its rank in `table`."""
    index = int(np.argmax(x))
    return BestByPrediction(
        index=index,
        truth=float(y[index]),
        rank=1 + int((table > y[index]).sum()),
        num_ranked=len(table),
        num_tied=int((x == x[index]).sum()),
    )


def regrets(
    x: Values, y: Values, table: Values, best: BestByPrediction | None, reason: str | None
) -> dict[MeasureName, Measure]:
    """Return how far the best by prediction is from the best; undefined for `reason` without it.

    Args:
        x: scores of the compared architectures.
        y: their truths.
        table: truths of the whole benchmark.
        best: of the compared ones.
        reason: why there is none.
    """
    if best is None:
        values: dict[MeasureName, float | None] = dict.fromkeys(
            ("pool-regret", "benchmark-regret", "surpassing-random")
        )
    else:
        values = {
            "pool-regret": float(y.max()) - best.truth,
            "benchmark-regret": float(table.max()) - best.truth,
            "surpassing-random": surpassing_random(best.rank, best.num_ranked, RANDOM_DRAWS),
        }
    return {name: measured(value, x, y, reason) for name, value in values.items()}


def surpassing_random(rank: int, num_ranked: int, num_draws: int) -> float:
    """Return the chance of being at least as good as the best of some random architectures.

    Args:
        rank: of the architecture, 1 for the best.
        num_ranked: architectures that the random ones are drawn from, with replacement.
        num_draws: how many are drawn.
    """
    return float(((num_ranked - rank + 1) / num_ranked) ** num_draws)
