"""Combined scorers at work in a run: what they read, what they learn, what they score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.errors import ScoreUndefined
from nas.partition.base import Partition
from nas.ranking.calibration import Calibration
from nas.ranking.places import Values
from nas.ranking.reference import Measured, reference_sample
from nas.ranking.scorers.base import CombinedScorer
from nas.ranking.spec import RankingSpec
from nas.spaces.base import Architecture

ScoreTable = Mapping[str, Mapping[str, float]]
"""Architecture, by its canonical string, to its final scores by kind of scorer."""


@dataclass(frozen=True, slots=True)
class Combination:
    """A combined scorer of a run that has all it needs to score any architecture.

    Attributes:
        scorer: the rule.
        components: kinds of the scorers that it combines.
        partition: of the run.
        reference: the reference sample with its final scores.
        calibration: what was learned from landmarks; None for a scorer that learns nothing.
    """

    scorer: CombinedScorer
    components: tuple[str, ...]
    partition: Partition
    reference: Measured
    calibration: Calibration | None = None

    def scores(
        self, architectures: Sequence[Architecture], values: Sequence[Sequence[float]]
    ) -> list[float]:
        """Return one score per architecture, higher is better.

        Args:
            architectures: valid ones.
            values: scores of each by `components`, in their order.
        """
        scores = np.array(values, dtype=np.float64).reshape(len(values), len(self.components))
        measured = _measured(self.partition, architectures, scores)
        found = self.scorer.combined(self.reference, self.calibration, measured)
        return [float(score) for score in found]


def combine(
    ranking: RankingSpec,
    partition: Partition,
    scorer: CombinedScorer,
    table: ScoreTable,
    calibration: Calibration | None = None,
) -> Combination:
    """Prepare a scorer that has learned already, or learns nothing.

    Args:
        ranking: of the run.
        partition: of the run.
        scorer: one of the run's.
        table: final scores of the reference sample, at least.
        calibration: what the scorer learned in this run.

    Raises:
        ScoreUndefined: if the table lacks a score.
    """
    components = scorer.components([one.kind for one in ranking.measured_scorers])
    sample = reference_sample(partition.space, ranking.reference_architectures)
    reference = _measured(partition, sample, _looked_up(partition, sample, components, table))
    return Combination(scorer, components, partition, reference, calibration)


def learn(
    found: Combination, table: ScoreTable, landmarks: Mapping[str, float]
) -> Calibration | None:
    """Return what a scorer learns from landmarks; None if it learns nothing.

    Args:
        found: the scorer, prepared.
        table: final scores of the landmarks, at least.
        landmarks: canonical string of an architecture to its stand-alone accuracy in percent.

    Raises:
        InfeasibleCalibration: if there are too few landmarks.
        ScoreUndefined: if the table lacks a score.
    """
    if not found.scorer.needs_landmarks:
        return None
    known = [found.partition.space.decode(code) for code in landmarks]
    scores = _looked_up(found.partition, known, found.components, table)
    return found.scorer.calibrated(
        found.reference,
        _measured(found.partition, known, scores),
        np.array(list(landmarks.values()), dtype=np.float64),
        len(found.partition.subspaces),
    )


def _measured(
    partition: Partition, architectures: Sequence[Architecture], scores: Values
) -> Measured:
    owners = [partition.route(member) for member in architectures]
    return Measured(partition.space, architectures, np.array(owners, dtype=np.int64), scores)


def _looked_up(
    partition: Partition,
    architectures: Sequence[Architecture],
    components: Sequence[str],
    table: ScoreTable,
) -> Values:
    rows: list[list[float]] = []
    for member in architectures:
        code = partition.space.encode(member)
        known = table.get(code, {})
        lacking = [kind for kind in components if kind not in known]
        if lacking:
            raise ScoreUndefined(
                f"{code} has no final score by {', '.join(lacking)} to be combined; clone the run"
            )
        rows.append([known[kind] for kind in components])
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(components))
