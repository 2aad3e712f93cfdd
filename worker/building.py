"""The units of a build: what is still to be trained, and the rows and the table it becomes."""

from dataclasses import dataclass, field

import torch
from pydantic import JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.benchmarks.staging import Staged, staged
from backend.benchmarks.storing import staging_folder, store
from backend.builds.units import STORE, chunk_of
from backend.db import Database, db_now
from backend.models import Build, BuildTraining, Unit
from backend.references import pinned
from backend.runs.states import append_event
from backend.settings import Settings
from backend.system.version import version
from nas.benchmarks.building import Building, Table, Trained, networks, training_unit, trainings
from nas.data.dataset import ImageDataset
from nas.errors import TrainingDiverged
from nas.events import Event, NetworkTrained, StandAloneProgressed
from worker import checkpoints
from worker.devices import own_device
from worker.execution import Work
from worker.recorder import announce
from worker.resources import Resources
from worker.telemetry import UnitTelemetry
from worker.upsert import upsert


def load_building(session: Session, settings: Settings, build: Build) -> Building:
    """Read the spec, the space and the images of a build.

    Raises:
        InvalidDataset: if the images are not those that were imported.
    """
    path = settings.artifact_folder / build.dataset.path
    return Building(
        spec=build.spec,
        space=build.space.definition,
        dataset=ImageDataset.load(path, build.dataset.sha256),
        device=own_device(settings).kind,
    )


@dataclass
class BuildExecution:
    """Opens the units of one build.

    Attributes:
        db: the database.
        settings: where temporary files may be.
        building: what is built.
        build_id: its number.
    """

    db: Database
    settings: Settings
    building: Building
    build_id: int
    _table: Staged | None = None

    @property
    def device(self) -> str:
        """The torch device that the units are executed on."""
        return self.building.device

    def open(self, unit: Unit) -> Work:
        """Prepare the execution of a unit: what is stored already is never trained again.

        Raises:
            TrainingDiverged: if every training diverged, so that there is nothing to store.
        """
        return self._storing(unit) if unit.kind == STORE else self._training(unit)

    def recorder(self, work: Work, resources: Resources, began: float) -> "BuildRecorder":
        """Return what turns the events of a unit into rows; arguments as of a run's execution."""
        telemetry = UnitTelemetry(resources, began=began)
        return BuildRecorder(telemetry, self.device, self._table)

    def keep(self, path: str, work: Work) -> None:
        """Nothing: the units of a build have no checkpoints."""

    def _training(self, unit: Unit) -> Work:
        assert unit.chunk is not None
        chunk = chunk_of(self.building.spec, self.building.space, unit.chunk)
        finished = select(BuildTraining.architecture, BuildTraining.seed).where(
            BuildTraining.run_id == self.build_id,
            BuildTraining.architecture.in_({code for code, _ in chunk}),
        )
        with self.db.reading() as session:
            stored = {(code, seed) for code, seed in session.execute(finished)}
        missing = [training for training in chunk if training not in stored]
        return Work(
            folder=checkpoints.unit_folder(unit),
            events=training_unit(self.building, missing),
            position=lambda: len(chunk) - len(missing),
        )

    def _storing(self, unit: Unit) -> Work:
        spec, space = self.building.spec, self.building.space
        with self.db.reading() as session:
            told = self._told(session)
            stored = self._stored(session)
        results = {key: stored[key] for key in trainings(spec, space)}
        table = Table(self.building, results, told)
        if len(table.diverged) == len(results):
            raise TrainingDiverged(
                f"all {len(results)} trainings gave outputs that are not finite, so there is no "
                "benchmark; build it again with a lower recipe.learning_rate"
            )
        if table.diverged:
            told["diverged"] = list[JsonValue](table.diverged)
        work = Work(checkpoints.unit_folder(unit), events=iter(()), position=lambda: 0)
        folder = staging_folder(self.settings.artifact_folder)
        # Outside of any transaction: others want to write.
        self._table = work.held.enter_context(staged(table.contents(), space, folder))
        return work

    def _stored(self, session: Session) -> dict[tuple[str, int], Trained]:
        rows = session.execute(
            select(
                BuildTraining.architecture,
                BuildTraining.seed,
                BuildTraining.accuracy,
                BuildTraining.seconds,
            ).where(BuildTraining.run_id == self.build_id)
        )
        return {(code, seed): Trained(accuracy, seconds) for code, seed, accuracy, seconds in rows}

    def _told(self, session: Session) -> dict[str, JsonValue]:
        """Return how the architectures were trained, for whoever reads the benchmark."""
        spec, dataset = self.building.spec, self.building.dataset
        build = session.get_one(Build, self.build_id)
        used = select(BuildTraining.device).where(BuildTraining.run_id == self.build_id).distinct()
        sizes: dict[str, JsonValue] = {
            name: value
            for name, value in (("width", spec.width), ("cells_per_stage", spec.cells_per_stage))
            if value is not None
        }
        return {
            **spec.recipe.model_dump(mode="json"),
            "optimizer": "SGD, Nesterov, cosine to 0",
            "figure": f"accuracy in percent on the {len(dataset.test)} test images",
            "space": pinned(build.space),
            "dataset": pinned(build.dataset),
            "architectures": spec.chosen,
            "networks_trained": len(networks(spec, self.building.space)),
            "equal_networks": "of architectures with the same live part one was trained",
            **sizes,
            "threads": spec.threads,
            "devices": list[JsonValue](sorted(session.scalars(used))),
            "torch": str(torch.__version__),
            "efsnas": version(),
            "build": self.build_id,
        }


@dataclass(slots=True)
class BuildRecorder:
    """The events of one attempt at a unit of a build that are not stored yet.

    Attributes:
        telemetry: gathered times.
        device: on which is trained.
        table: to be stored as a benchmark when the unit ends; None for a unit that trains.
    """

    telemetry: UnitTelemetry
    device: str
    table: Staged | None = None
    _useful_seconds: float = 0.0
    _trained: list[NetworkTrained] = field(default_factory=list)

    def add(self, event: Event, seconds: float) -> None:
        """Gather one event that took the science so many seconds."""
        self.telemetry.add(event, seconds)
        if isinstance(event, (StandAloneProgressed, NetworkTrained)):
            self._useful_seconds += seconds
        if isinstance(event, NetworkTrained):
            self._trained.append(event)

    def rewind(self, session: Session, unit: Unit, position: int) -> None:
        """Nothing: what is stored are finished trainings, which stay."""

    def write(self, session: Session, unit: Unit) -> None:
        """Store what was gathered; the caller has verified the attempt in this transaction."""
        unit.useful_seconds += self._useful_seconds
        self._useful_seconds = 0.0
        tables = self._write_trained(session, unit)
        if self.telemetry.write(session, unit, unit.progress):
            tables.append("telemetry")
        if tables:
            unit.progress_at = db_now()
            announce(session, unit, tables)

    def let_go(self, session: Session, unit: Unit) -> None:
        """Store the rest of the telemetry, in the transaction in which the attempt ends."""
        self.telemetry.write(session, unit, unit.progress, last=True)

    def finish(self, session: Session, unit: Unit) -> None:
        """Store the benchmark at the end of the unit that makes it, in the same transaction."""
        self.let_go(session, unit)
        if self.table is None:
            return
        build = session.get_one(Build, unit.run_id)
        build.benchmark, _ = store(session, build.name, build.space, self.table)
        text = f"The benchmark {pinned(build.benchmark)} is stored."
        if build.benchmark.version > 1:
            text += " Its name was taken while it was built, so it is a version of that name."
        append_event(session, unit, "log", text)

    def _write_trained(self, session: Session, unit: Unit) -> list[str]:
        if not self._trained:
            return []
        rows = [
            {
                "run_id": unit.run_id,
                "architecture": event.architecture,
                "seed": event.seed,
                "accuracy": event.accuracy,
                "seconds": event.seconds,
                "device": self.device,
            }
            for event in self._trained
        ]
        upsert(session, BuildTraining, ("run_id", "architecture", "seed"), rows)
        for event in self._trained:
            if event.accuracy is None:
                text = (
                    f"Seed {event.seed}: {event.reason}, in a build of its own. The benchmark has "
                    "no value here; the other trainings go on."
                )
                append_event(session, unit, "log", text, level="warning")
        unit.progress += len(self._trained)
        # The accuracies themselves are what the next attempt resumes from.
        unit.fruitless_attempts = 0
        self._trained.clear()
        return ["trainings"]
