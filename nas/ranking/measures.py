"""The measures of a ranking: what each is called, and what one of them found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

FEWEST = 3
"""Architectures that can be ranked well or badly: two are in perfect order, or in none."""

SPARSE_THRESHOLD = 0.1
"""Width of the bins of sparse tau, percentage points, unless another is given."""

RANDOM_DRAWS = 10
"""Random architectures that the best by prediction is compared with."""

MeasureName = Literal[
    "tau",
    "spearman",
    "weighted-tau",
    "sparse-tau",
    "tau-top-1-percent",
    "tau-top-10-percent",
    "tau-top-half",
    "tau-bottom-half",
    "precision-at-1-percent",
    "precision-at-10-percent",
    "pool-regret",
    "benchmark-regret",
    "surpassing-random",
]


@dataclass(frozen=True, slots=True)
class Measure:
    """What one measure found.

    Attributes:
        value: None where it is undefined.
        low: lower end of its 95 % percentile bootstrap interval; None without one.
        high: upper end.
        num_architectures: that it is about: all, those of a part of the ground truth, or k.
        score_ties: pairs of them that have equal scores.
        truth_ties: pairs of them that have equal truths, after binning for sparse tau.
        undefined_reason: a sentence, where the value is None.
    """

    value: float | None
    low: float | None
    high: float | None
    num_architectures: int
    score_ties: int
    truth_ties: int
    undefined_reason: str | None


@dataclass(frozen=True, slots=True)
class MeasureDefinition:
    """What people call a measure.

    Attributes:
        title: in tables and figures.
        unit: in words; empty for a number without one.
        has_interval: whether its bootstrap interval means anything.
    """

    title: str
    unit: str = ""
    has_interval: bool = True


MEASURES: Mapping[MeasureName, MeasureDefinition] = {
    "tau": MeasureDefinition("Kendall τ-b"),
    "spearman": MeasureDefinition("Spearman ρ"),
    "weighted-tau": MeasureDefinition("weighted τ"),
    "sparse-tau": MeasureDefinition("sparse τ-b"),
    "tau-top-1-percent": MeasureDefinition("τ-b, top 1 %"),
    "tau-top-10-percent": MeasureDefinition("τ-b, top 10 %"),
    "tau-top-half": MeasureDefinition("τ-b, top half"),
    "tau-bottom-half": MeasureDefinition("τ-b, bottom half"),
    "precision-at-1-percent": MeasureDefinition("precision@1 %"),
    "precision-at-10-percent": MeasureDefinition("precision@10 %"),
    # Resamples never hold a better architecture than the pool: no interval of an extreme covers.
    "pool-regret": MeasureDefinition("regret in the pool", "percentage points", False),
    "benchmark-regret": MeasureDefinition("regret in the benchmark", "percentage points", False),
    "surpassing-random": MeasureDefinition(f"P(≥ best of {RANDOM_DRAWS} random)", "", False),
}
"""Every measure, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some percent of the architectures, the best or the worst by ground truth.

    Attributes:
        title: as sentences name it.
        percent: of the architectures, rounded up to a whole number of them.
        from_top: whether they are the best.
    """

    title: str
    percent: int
    from_top: bool = True

    def size(self, number: int) -> int:
        """Return how many of so many architectures it has, those tied with its last one apart."""
        return -(-number * self.percent // 100)

    def of(self, truth: Values) -> NDArray[np.bool_]:
        """Tell of each architecture whether it belongs: also if it ties with the last that does."""
        if not len(truth):
            return np.zeros(0, dtype=bool)
        ascending, size = np.sort(truth), self.size(len(truth))
        if self.from_top:
            return np.asarray(truth >= ascending[-size])
        return np.asarray(truth <= ascending[size - 1])


PARTS: Mapping[MeasureName, Part] = {
    "tau-top-1-percent": Part("top 1 % of ground truth", 1),
    "tau-top-10-percent": Part("top 10 % of ground truth", 10),
    "tau-top-half": Part("top half of ground truth", 50),
    "tau-bottom-half": Part("bottom half of ground truth", 50, from_top=False),
}
"""The measures that are tau-b within a part of the ground truth."""

PRECISIONS: Mapping[MeasureName, Part] = {
    "precision-at-1-percent": PARTS["tau-top-1-percent"],
    "precision-at-10-percent": PARTS["tau-top-10-percent"],
}
"""The measures that compare the k best by score with the k best by truth."""


def bins(truth: Values, threshold: float) -> Values:
    """Return the bin of each truth for sparse tau: the whole number of thresholds below it.

    A truth within a millionth of a bin of its upper bound belongs to the next one: 91.2 is on a
    bound of bins of 0.1, although 91.2 / 0.1 need not be 912 in binary arithmetic.

    Args:
        truth: in percent.
        threshold: width of a bin, percentage points.
    """
    found: Values = np.floor(np.round(truth / threshold, 6))
    return found


def measured(value: float | None, scores: Values, truth: Values, reason: str | None) -> Measure:
    """Return a measure without an interval, with the ties of the architectures it is about."""
    return Measure(value, None, None, len(scores), tied_pairs(scores), tied_pairs(truth), reason)


def tied_pairs(values: Values) -> int:
    """Return how many pairs of values are equal."""
    sizes = np.unique(values, return_counts=True)[1]
    return int((sizes * (sizes - 1) // 2).sum())
