"""Retrainings as rows, and the files of the networks that they leave."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue
from sqlalchemy import delete
from sqlalchemy.orm import Session

from backend.db import after_commit
from backend.models import Artifact, RetrainingEpochRow, RetrainingRow, Run, Unit
from backend.references import pinned
from backend.runs.states import append_event
from backend.system.version import commit, version
from nas.events import Event, Retrained, RetrainingEpoch, StandAloneProgressed
from nas.experiment import Experiment
from worker import checkpoints
from worker.checkpoints import StoredFile
from worker.upsert import upsert

KIND = "retrained"
"""Of the artifact."""


@dataclass(slots=True)
class WeightsFile:
    """The file that one attempt at a retraining leaves.

    Attributes:
        root: the artifact folder.
        folder: of the unit, relative to `root`.
        attempt: the fencing token, part of the name.
        told: of the run, for whoever uses the network.
        stored: the file, once it is written.
        recorded: whether a row names it.
    """

    root: Path
    folder: str
    attempt: int
    told: Mapping[str, JsonValue]
    stored: StoredFile | None = None
    recorded: bool = False

    def written(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass events on; the network that the last of them holds is on disk before it passes."""
        for event in events:
            if isinstance(event, Retrained) and event.model is not None:
                model = replace(event.model, told={**event.model.told, **self.told})
                path = f"{self.folder}/attempt-{self.attempt:04d}-weights.pt"
                self.stored = checkpoints.write_durably(self.root, path, model.to_bytes())
            yield event

    def record(self, session: Session, unit: Unit, step: int) -> None:
        """Name the file in the database."""
        assert self.stored is not None
        session.add(
            Artifact(
                run_id=unit.run_id,
                unit_id=unit.id,
                kind=KIND,
                attempt=unit.attempt,
                step=step,
                path=self.stored.path,
                sha256=self.stored.sha256,
                num_bytes=self.stored.num_bytes,
            )
        )
        after_commit(session, self._mark_recorded)

    def discard_unrecorded(self) -> None:
        """Delete a file that no row names."""
        if self.stored is not None and not self.recorded:
            checkpoints.delete_files(self.root, [self.stored.path])

    def _mark_recorded(self) -> None:
        self.recorded = True


@dataclass(slots=True)
class RetrainingProgress:
    """What a retraining has reported since the last transaction.

    Attributes:
        weights: the file that it leaves; None for other units.
    """

    weights: WeightsFile | None = None
    _step: int | None = None
    _epochs: list[RetrainingEpoch] = field(default_factory=list)
    _ended: Retrained | None = None

    def add(self, event: Event) -> None:
        """Gather one event, if it is one of a retraining."""
        match event:
            case StandAloneProgressed():
                self._step = event.step
            case RetrainingEpoch():
                self._epochs.append(event)
            case Retrained():
                self._ended = event

    def write(self, session: Session, unit: Unit) -> list[str]:
        """Store what was gathered, if the unit is a retraining; return the tables."""
        has_news = self._step is not None or self._epochs or self._ended is not None
        if self.weights is None or not has_news:
            return []
        if self._step is not None:
            unit.progress = self._step
        row = session.get_one(RetrainingRow, unit.id)
        self._write_epochs(session, row)
        if self._ended is not None:
            self._write_end(session, unit, row, self._ended)
        self._step, self._ended = None, None
        return ["retrainings"]

    def _write_epochs(self, session: Session, row: RetrainingRow) -> None:
        if not self._epochs:
            return
        rows = [
            {
                "unit_id": row.unit_id,
                "epoch": event.epoch,
                "loss": event.loss,
                "learning_rate": event.learning_rate,
                "accuracy": event.accuracy,
                "run_id": row.run_id,
            }
            for event in self._epochs
        ]
        upsert(session, RetrainingEpochRow, ("unit_id", "epoch"), rows)
        row.epochs, row.best_epoch = self._epochs[-1].epoch, self._epochs[-1].best_epoch
        self._epochs.clear()

    def _write_end(
        self, session: Session, unit: Unit, row: RetrainingRow, event: Retrained
    ) -> None:
        assert self.weights is not None
        row.kept_epoch = event.kept_epoch
        row.validation_accuracy = event.validation_accuracy
        row.test_accuracy = event.test_accuracy
        row.seconds = event.seconds
        row.device = str(self.weights.told["device"])
        row.failure = event.reason or None
        if event.model is None:
            text = f"{unit.key}: {event.reason} It is stored as diverged; the run goes on."
            append_event(session, unit, "log", text, level="warning")
            return
        row.weights_sha256 = event.model.weights_sha256
        self.weights.record(session, unit, unit.progress)


def told_of(run: Run, row: RetrainingRow, experiment: Experiment) -> dict[str, JsonValue]:
    """Return what a retrained network's file says of its run."""
    return {
        "run": run.id,
        "run_name": run.name,
        "run_seed": run.spec.seed,
        "space": pinned(run.space),
        "dataset": pinned(run.dataset),
        "origin": row.origin,
        "subspace": row.subspace,
        "device": experiment.device,
        "threads": run.spec.training.threads,
        "efsnas": version(),
        "commit": commit(),
    }


def forget_epochs(session: Session, unit: Unit, step: int) -> None:
    """Delete the epochs that ended beyond the step from which a retraining resumes."""
    row = session.get_one(RetrainingRow, unit.id)
    epochs = step // (unit.total // row.recipe.epochs)
    session.execute(
        delete(RetrainingEpochRow)
        .where(RetrainingEpochRow.unit_id == unit.id, RetrainingEpochRow.epoch > epochs)
        .execution_options(synchronize_session=False)
    )
    row.epochs = min(row.epochs, epochs)
    if row.best_epoch is not None and row.best_epoch > epochs:
        row.best_epoch = None
