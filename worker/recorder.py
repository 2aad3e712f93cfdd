"""From what the science reports to rows: the only place that knows both.

A recorder gathers events between two transactions. Rows are keyed by their step, so storing an
event again after a resume overwrites it with the same values.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.db import db_now
from backend.models import Candidate, Combination, Run, Score, SubspaceRow, Unit
from backend.runs.retraining import plan_winners
from backend.runs.states import append_event
from nas.events import (
    ArchitecturesScored,
    CandidateEvaluated,
    CandidatesScored,
    Event,
    LatencyMeasured,
    PartitionFound,
    Retrained,
    RetrainingEpoch,
    RoundFinished,
    ScorerPrepared,
    StandAloneProgressed,
    StandAloneTrained,
    TrainingProgressed,
)
from nas.spec import RunSpec
from worker.correlations import Correlator, Truth, store_part
from worker.landmarks import store_chosen, store_trained
from worker.latencies import MeasuredLatencies, latency_columns
from worker.progress import TrainingProgress, forget_after
from worker.retraining import RetrainingProgress, forget_epochs
from worker.sharing import forget
from worker.telemetry import UnitTelemetry
from worker.upsert import insert_once, upsert

Row = dict[str, Any]  # Any: column values

USEFUL_EVENTS = (
    StandAloneProgressed,
    StandAloneTrained,
    TrainingProgressed,
    ArchitecturesScored,
    ScorerPrepared,
    CandidateEvaluated,
    CandidatesScored,
    LatencyMeasured,
    RetrainingEpoch,
    Retrained,
)
"""What a slot is there for: training and scoring."""

CANDIDATE_COLUMNS = tuple(one.name for one in fields(CandidateEvaluated) if one.name != "latency")


@dataclass(slots=True)
class Recorder:
    """The events of one attempt at one unit that are not stored yet.

    Attributes:
        spec: of the run.
        truth: ground truth of the run, if it has one.
        num_validation: images of the dataset's validation split.
        unranked: architectures whose final scores no rank correlation counts.
        training: gathered progress.
        telemetry: gathered times.
        retraining: gathered progress of one.
        latencies: gathered measurements of a search.
    """

    spec: RunSpec
    truth: Truth | None
    num_validation: int
    unranked: frozenset[str] = frozenset()
    training: TrainingProgress = field(default_factory=TrainingProgress)
    telemetry: UnitTelemetry = field(default_factory=UnitTelemetry)
    retraining: RetrainingProgress = field(default_factory=RetrainingProgress)
    latencies: MeasuredLatencies = field(default_factory=MeasuredLatencies)
    _useful_seconds: float = 0.0
    _found: PartitionFound | None = None
    _scores: dict[tuple[int, str, str], Row] = field(default_factory=dict)
    _prepared: list[ScorerPrepared] = field(default_factory=list)
    _rounds: list[int] = field(default_factory=list)
    _candidates: list[Row] = field(default_factory=list)
    _num_evaluated: int = 0
    _trained: list[StandAloneTrained] = field(default_factory=list)

    def add(self, event: Event, seconds: float) -> None:
        """Gather one event that took the science so many seconds."""
        self.telemetry.add(event, seconds)
        self.retraining.add(event)
        self.latencies.add(event)
        self._useful_seconds += seconds if isinstance(event, USEFUL_EVENTS) else 0.0
        match event:
            case PartitionFound():
                self._found = event
            case StandAloneTrained():
                self._trained.append(event)
            case TrainingProgressed():
                self.training.add(event)
            case ArchitecturesScored():
                for score in event.scores:
                    key = (event.step, score.scorer, score.architecture)
                    self._scores[key] = {"step": event.step, **asdict(score)}
            case ScorerPrepared():
                self._prepared.append(event)
            case RoundFinished():
                self._rounds.append(event.step)
            case CandidateEvaluated():
                self._candidates.append(self._candidate(event))
            case CandidatesScored():
                self._num_evaluated += len(event.scores)

    def write(self, session: Session, unit: Unit) -> None:
        """Store what was gathered; the caller has verified the attempt in this transaction."""
        unit.useful_seconds += self._useful_seconds
        self._useful_seconds = 0.0
        tables = [
            *self._write_partition(session, unit),
            *self._write_trained_landmarks(session, unit),
            *self._write_training(session, unit),
            *self._write_prepared(session, unit),
            *self._write_scores(session, unit),
            *self._write_rounds(session, unit),
            *self._write_candidates(session, unit),
            *self.latencies.write(session, unit),
            *self._write_evaluated(unit),
            *self.retraining.write(session, unit),
        ]
        if self.telemetry.write(session, unit, self._position(unit)):
            tables.append("telemetry")
        if tables:
            unit.progress_at = db_now()
            announce(session, unit, tables)

    def let_go(self, session: Session, unit: Unit) -> None:
        """Store the rest of the telemetry, in the transaction in which the attempt ends."""
        self.telemetry.write(session, unit, self._position(unit), last=True)

    def finish(self, session: Session, unit: Unit) -> None:
        """Draw the conclusions of a unit that is done, in the transaction that made it so."""
        self.let_go(session, unit)
        if unit.kind == "search":
            forget(session, unit.run_id)
            plan_winners(session, session.get_one(Run, unit.run_id))
        correlator = self._correlator()
        if correlator is None:
            return
        if unit.kind == "rank":
            correlator.finish_ranking(session, unit)
            announce(session, unit, ["correlations"])
        elif unit.kind == "combine":
            correlator.finish_combining(session, unit)
            announce(session, unit, ["correlations"])

    def rewind(self, session: Session, unit: Unit, position: int) -> None:
        """Forget what an earlier attempt stored beyond the checkpoint that the unit resumes from.

        Args:
            session: a writing transaction in which the attempt is verified.
            unit: the unit that resumes.
            position: global steps or evaluations behind the checkpoint.
        """
        if unit.kind in ("warm-up", "train"):
            forget_after(session, unit, position)
            unit.progress = max(position - first_step(self.spec, unit), 0)
        elif unit.kind == "search":
            session.execute(
                delete(Candidate)
                .where(Candidate.run_id == unit.run_id, Candidate.evaluation > position)
                .execution_options(synchronize_session=False)
            )
            unit.progress = position
        elif unit.kind == "retrain":
            forget_epochs(session, unit, position)
            unit.progress = position

    def _position(self, unit: Unit) -> int:
        return unit.progress + first_step(self.spec, unit)

    def _correlator(self) -> Correlator | None:
        if self.truth is None:
            return None
        return Correlator(self.spec, self.truth, self.num_validation)

    def _candidate(self, event: CandidateEvaluated) -> Row:
        truth = self.truth
        return {
            **{name: getattr(event, name) for name in CANDIDATE_COLUMNS},
            **latency_columns(event.latency),
            "true_accuracy": None if truth is None else truth.accuracies.get(event.architecture),
            "true_rank": None if truth is None else truth.rank(event.architecture),
        }

    def _write_partition(self, session: Session, unit: Unit) -> list[str]:
        if self._found is None:
            return []
        partition, supernets = self._found.partition, self._found.supernets
        sampler = self.spec.training.sampler
        unknown = (None,) * len(partition.subspaces)
        targets = zip(
            sampler.target_shares(partition) or unknown,
            sampler.target_updates(partition) or unknown,
            sampler.operation_targets(partition),
            strict=True,
        )
        rows = [
            {
                "run_id": unit.run_id,
                "index": subspace.index,
                "label": subspace.title,
                "counts": sorted(subspace.labels) if partition.counts_nonlinearities else [],
                "size_all": str(subspace.size.all),
                "size_valid": str(subspace.size.valid),
                "target_share": share,
                "target_updates": updates,
                "operation_targets": None if operations is None else list(operations),
                "supernet_width": size.width,
                "supernet_parameters": str(size.parameters),
            }
            for subspace, size, (share, updates, operations) in zip(
                partition.subspaces, supernets.subspaces, targets, strict=True
            )
        ]
        upsert(session, SubspaceRow, ("run_id", "index"), rows)
        landmarks = self._found.landmarks
        if landmarks.chosen:
            store_chosen(session, unit.run_id, self.spec, landmarks, partition.space)
        self._found = None
        return ["subspaces", *(["landmarks"] if landmarks.chosen else [])]

    def _write_trained_landmarks(self, session: Session, unit: Unit) -> list[str]:
        if not self._trained:
            return []
        store_trained(session, unit.run_id, self.spec, self._trained)
        unit.progress += len(self._trained)
        # The accuracies themselves are what the next attempt resumes from.
        unit.fruitless_attempts = 0
        self._trained.clear()
        return ["landmarks"]

    def _write_training(self, session: Session, unit: Unit) -> list[str]:
        newest = self.training.newest
        if newest is None:
            return []
        unit.progress = newest.step - first_step(self.spec, unit)
        self.training.write(session, unit)
        return ["metrics", "balance"]

    def _write_prepared(self, session: Session, unit: Unit) -> list[str]:
        if not self._prepared:
            return []
        for event in self._prepared:
            row = {
                "run_id": unit.run_id,
                "scorer": event.scorer,
                "components": list(event.components),
                "num_reference": event.num_reference,
                "landmarks": list(event.landmarks),
                "calibration": event.calibration,
                "created_at": db_now(),
            }
            insert_once(session, Combination, ("run_id", "scorer"), row)
        unit.fruitless_attempts = 0
        self._prepared.clear()
        return ["combinations"]

    def _write_scores(self, session: Session, unit: Unit) -> list[str]:
        if not self._scores:
            return []
        is_final = unit.kind in ("rank", "combine")
        rows = [
            {
                "run_id": unit.run_id,
                "stage": "final" if is_final else "live",
                "ranked": score["architecture"] not in self.unranked,
                **score,
            }
            for score in self._scores.values()
        ]
        if is_final:
            # One step for the whole run: a unit ends at the last step that was routed to it.
            rows = [{**row, "step": self.spec.training.steps} for row in rows]
            counts_scores = unit.kind == "combine"
            unit.progress += len(rows if counts_scores else {row["architecture"] for row in rows})
            # The scores themselves are what the next attempt resumes from.
            unit.fruitless_attempts = 0
        upsert(session, Score, ("run_id", "stage", "step", "scorer", "architecture"), rows)
        self._scores.clear()
        return ["scores"]

    def _write_rounds(self, session: Session, unit: Unit) -> list[str]:
        if not self._rounds:
            return []
        correlator = self._correlator()
        for step in self._rounds:
            store_part(session, unit, step)
            if correlator is not None:
                correlator.finish_round(session, unit, step)
        # The last steps of a round may all belong to other units; they are behind this one too.
        unit.progress = self._rounds[-1] - first_step(self.spec, unit)
        self._rounds.clear()
        return [] if correlator is None else ["correlations"]

    def _write_candidates(self, session: Session, unit: Unit) -> list[str]:
        if not self._candidates:
            return []
        rows = [{"run_id": unit.run_id, **candidate} for candidate in self._candidates]
        upsert(session, Candidate, ("run_id", "evaluation"), rows)
        unit.progress = rows[-1]["evaluation"]
        self._candidates.clear()
        return ["candidates"]

    def _write_evaluated(self, unit: Unit) -> list[str]:
        """Count what was evaluated for a search on another slot, where the candidates are rows."""
        if not self._num_evaluated:
            return []
        unit.progress += self._num_evaluated
        unit.fruitless_attempts = 0
        self._num_evaluated = 0
        return ["units"]


def first_step(spec: RunSpec, unit: Unit) -> int:
    """Return the global step at which a unit's own progress begins."""
    return spec.training.warm_up_steps if unit.kind == "train" else 0


def scored_already(session: Session, run_id: int) -> set[str]:
    """Return the architectures of the final ranking whose scores are all stored.

    Scores of one architecture are stored in one transaction, so one of them stands for all.
    """
    statement = select(Score.architecture).where(Score.run_id == run_id, Score.stage == "final")
    return set(session.scalars(statement.distinct()))


def announce(session: Session, unit: Unit, tables: list[str]) -> None:
    """Tell whoever follows the history that a unit has stored new rows."""
    data = {"tables": tables, "progress": unit.progress}
    append_event(session, unit, "data", f"{unit.key}: new data.", data=data)
