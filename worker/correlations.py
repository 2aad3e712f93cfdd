"""Rank correlations of a run, computed in the transaction that stores the last score they need.

A correlation row is inserted once and never changed: its scores are those of one finished round,
or of the finished ranking, so a later attempt could only find the same.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.benchmarks.service import valid_values
from backend.db import db_now
from backend.models import (
    Combination,
    Correlation,
    LandmarkRow,
    RoundPart,
    Run,
    Score,
    Unit,
)
from nas.ranking.measures import RANDOM_DRAWS
from nas.ranking.metrics import CONFIDENCE, RankCorrelation, rank_correlation
from nas.ranking.scorers.base import CombinedScorer, Scorer
from nas.seeds import derive_seed
from nas.spec import RunSpec
from worker.upsert import insert_once

UNKNOWN = "unknown"

NOT_NEEDED = ("none", 0)
"""Conditions of a scorer that looks at no images, or at no network."""

Stage = Literal["live", "final"]


@dataclass(frozen=True, slots=True)
class Truth:
    """Stand-alone accuracies of the valid architectures of one benchmark.

    Attributes:
        benchmark: `name@version`.
        noise_ceiling: None where it is unknown.
        accuracies: architecture to percent.
        ascending: the accuracies in order.
        column: of the benchmark, by name.
    """

    benchmark: str
    noise_ceiling: float | None
    accuracies: Mapping[str, float]
    ascending: Sequence[float]
    column: str

    def rank(self, architecture: str) -> int | None:
        """Return the place of `architecture`, 1 for the best, None if it is not in the table."""
        accuracy = self.accuracies.get(architecture)
        if accuracy is None:
            return None
        return len(self.ascending) - bisect_right(self.ascending, accuracy) + 1


def load_truth(session: Session, run: Run) -> Truth | None:
    """Return the ground truth of a run, None if it has none."""
    benchmark, column = run.benchmark, run.truth
    if benchmark is None or column is None:
        return None
    accuracies = valid_values(session, column.id)
    return Truth(
        benchmark=f"{benchmark.name}@{benchmark.version}",
        noise_ceiling=column.noise_ceiling,
        accuracies=accuracies,
        ascending=sorted(accuracies.values()),
        column=column.name,
    )


@dataclass(frozen=True, slots=True)
class Correlator:
    """Writes the correlations of one run.

    Attributes:
        spec: of the run.
        truth: what scores are compared with.
        num_validation: images of the dataset's validation split.
    """

    spec: RunSpec
    truth: Truth
    num_validation: int

    def finish_round(self, session: Session, unit: Unit, step: int) -> bool:
        """Write what a unit's part of the round completes, its row being stored already.

        Returns:
            Whether the round is complete, every unit that trains in it having stored its part.
        """
        parts, needed = _round_parts(session, unit, step)
        if unit.subspace is not None:
            self._write(session, unit.run_id, "live", step, unit.subspace)
        if parts < needed:
            return False
        if unit.subspace is None:
            for subspace in _scored_subspaces(session, unit.run_id, "live", step):
                self._write(session, unit.run_id, "live", step, subspace)
        self._write(session, unit.run_id, "live", step, None)
        return True

    def finish_ranking(self, session: Session, unit: Unit) -> bool:
        """Write what a finished rank unit completes, its state being stored already.

        Returns:
            Whether every rank unit of the run is done.
        """
        open_subspaces = set(
            session.scalars(
                select(Unit.subspace).where(
                    Unit.run_id == unit.run_id, Unit.kind == "rank", Unit.state != "done"
                )
            )
        )
        step = self.spec.training.steps
        if unit.subspace is not None and unit.subspace not in open_subspaces:
            self._write(session, unit.run_id, "final", step, unit.subspace)
        if not open_subspaces:
            self._write(session, unit.run_id, "final", step, None)
        return not open_subspaces

    def finish_combining(self, session: Session, unit: Unit) -> None:
        """Write what the finished combine unit completes: all that its scorers have."""
        step, scorers = self.spec.training.steps, self.spec.ranking.combined_scorers
        for subspace in (*_scored_subspaces(session, unit.run_id, "final", step), None):
            self._write(session, unit.run_id, "final", step, subspace, scorers)

    def _write(
        self,
        session: Session,
        run_id: int,
        stage: Stage,
        step: int,
        subspace: int | None,
        scorers: Sequence[Scorer] | None = None,
    ) -> None:
        scope = "overall" if subspace is None else str(subspace)
        ranking = self.spec.ranking
        if scorers is None:
            scorers = ranking.live_scorers if stage == "live" else ranking.measured_scorers
        for scorer in scorers:
            statement = select(Score.architecture, Score.score).where(
                Score.run_id == run_id,
                Score.stage == stage,
                Score.step == step,
                Score.scorer == scorer.kind,
                Score.ranked,
            )
            if subspace is not None:
                statement = statement.where(Score.subspace == subspace)
            # Databases order text in ways of their own, and the order decides between equal scores.
            scored = session.execute(statement).all()
            known = sorted(
                (architecture, score)
                for architecture, score in scored
                if architecture in self.truth.accuracies
            )
            seed = derive_seed(self.spec.seed, "bootstrap", stage, step, scorer.kind, scope)
            found = rank_correlation(
                [score for _, score in known],
                [self.truth.accuracies[architecture] for architecture, _ in known],
                seed=seed,
                benchmark=self.truth.ascending,
                sparse_threshold=ranking.sparse_threshold,
            )
            conditions = self._conditions(stage, found, seed) | {
                "micro_batches": _micro_batches(session, run_id),
                "landmarks_left_out": _num_landmarks(session, run_id),
                "not_in_benchmark": len(scored) - len(known),
            }
            row = {
                "run_id": run_id,
                "stage": stage,
                "step": step,
                "scorer": scorer.kind,
                "scope": scope,
                "tau": found.tau.value,
                "num_architectures": found.num_architectures,
                "score_ties": found.score_ties,
                "truth_ties": found.truth_ties,
                "measures": {name: asdict(measure) for name, measure in found.measures.items()},
                "best": _best(found, [architecture for architecture, _ in known]),
                "conditions": conditions
                | dict(scorer.conditions)
                | self._combined_conditions(session, run_id, scorer, conditions),
                "created_at": db_now(),
            }
            insert_once(session, Correlation, ("run_id", "stage", "step", "scorer", "scope"), row)

    def _conditions(
        self, stage: Stage, found: RankCorrelation, seed: int
    ) -> dict[str, Any]:  # Any: JSON for people
        ranking = self.spec.ranking
        ceiling = self.truth.noise_ceiling
        wanted = ranking.live_images if stage == "live" else ranking.num_images
        return {
            "n": found.num_architectures,
            "score_ties": found.score_ties,
            "truth_ties": found.truth_ties,
            "drawn_from": ranking.among or "space",
            "split": "validation",
            "batch_norm": ranking.batch_norm.label,
            "images": min(wanted, self.num_validation),
            "batch_size": ranking.batch_size,
            "seed": self.spec.seed,
            # As text: a 63-bit seed does not survive a JSON reader that has only doubles.
            "bootstrap": {
                "resamples": found.num_resamples,
                "confidence": CONFIDENCE,
                "seed": str(seed),
            },
            "benchmark": self.truth.benchmark,
            "benchmark_column": self.truth.column,
            "noise_ceiling": UNKNOWN if ceiling is None else ceiling,
            "sparse_threshold": found.sparse_threshold,
            "random_draws": RANDOM_DRAWS,
            "threads": self.spec.training.threads,
            "precision": self.spec.training.precision,
            "processes": self.spec.training.processes,
            "regularisers": _regularisers(self.spec),
        }

    def _combined_conditions(
        self,
        session: Session,
        run_id: int,
        scorer: Scorer,
        usual: Mapping[str, Any],
    ) -> dict[str, Any]:  # Any: JSON for people
        """Return what the scores of a combined scorer depend on; nothing for any other."""
        if not isinstance(scorer, CombinedScorer):
            return {}
        row = session.get_one(Combination, (run_id, scorer.kind))
        by_kind = {one.kind: one for one in self.spec.ranking.measured_scorers}
        found = joint_conditions(usual, [by_kind[kind] for kind in row.components]) | {
            "combines": ", ".join(row.components),
            "reference": row.num_reference,
        }
        if row.calibration is not None:
            found |= {
                "landmarks": len(row.landmarks),
                "left_out_tau": row.calibration.left_out_tau,
            }
        return found


def _regularisers(spec: RunSpec) -> str:
    """Return in words what was added to the training loss, and what it knew."""
    parts = [regulariser.condition for regulariser in spec.training.regularisers]
    if spec.landmarks is not None and parts:
        parts.append(f"landmark accuracies from {spec.landmarks.condition}")
    return "; ".join(parts) or "none"


def _best(
    found: RankCorrelation, architectures: Sequence[str]
) -> dict[str, Any] | None:  # Any: a JSON row
    if found.best is None:
        return None
    return {
        "architecture": architectures[found.best.index],
        "true_accuracy": found.best.truth,
        "true_rank": found.best.rank,
        "num_ranked": found.best.num_ranked,
        "num_tied": found.best.num_tied,
    }


def store_part(session: Session, unit: Unit, step: int) -> None:
    """Note that `unit` has stored all its live scores of the round that ends at `step`."""
    row = {"run_id": unit.run_id, "step": step, "unit_id": unit.id}
    insert_once(session, RoundPart, ("run_id", "step", "unit_id"), row)


def _round_parts(session: Session, unit: Unit, step: int) -> tuple[int, int]:
    """Return how many units stored their part of a round, and how many train in it."""
    parts = session.scalar(
        select(func.count())
        .select_from(RoundPart)
        .where(RoundPart.run_id == unit.run_id, RoundPart.step == step)
    )
    needed = session.scalar(
        select(func.count())
        .select_from(Unit)
        .where(Unit.run_id == unit.run_id, Unit.kind == unit.kind)
    )
    assert parts is not None
    assert needed is not None
    return parts, needed


def _micro_batches(session: Session, run_id: int) -> int:
    """Return the most parts that some supernet of the run had its batches cut into."""
    most = session.scalar(select(func.max(Unit.micro_batches)).where(Unit.run_id == run_id))
    assert most is not None
    return most


def joint_conditions(
    usual: Mapping[str, Any], components: Sequence[Scorer]
) -> dict[str, Any]:  # Any: JSON for people
    """Return what scores rest on that combine those of several scorers.

    What some of them do not need, such as images, is told of the others; what differs between
    these is told of each, in their order.

    Args:
        usual: conditions of a scorer that has none of its own.
        components: the scorers that are combined.
    """
    names = dict.fromkeys(name for one in components for name in one.conditions)
    found: dict[str, Any] = {}
    for name in names:
        each = [{**usual, **one.conditions} for one in components]
        values = list(dict.fromkeys(one[name] for one in each if name in one))
        needed = [value for value in values if value not in NOT_NEEDED] or values
        found[name] = needed[0] if len(needed) == 1 else " / ".join(map(str, needed))
    return found


def _num_landmarks(session: Session, run_id: int) -> int:
    """Return how many landmarks the run has, none of which is ranked."""
    number = session.scalar(
        select(func.count()).select_from(LandmarkRow).where(LandmarkRow.run_id == run_id)
    )
    assert number is not None
    return number


def _scored_subspaces(session: Session, run_id: int, stage: Stage, step: int) -> list[int]:
    statement = (
        select(Score.subspace)
        .where(Score.run_id == run_id, Score.stage == stage, Score.step == step, Score.ranked)
        .distinct()
        .order_by(Score.subspace)
    )
    return list(session.scalars(statement))
