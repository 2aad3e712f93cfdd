"""How each kind of unit is executed: its events, its state, and where it resumes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db import Database
from backend.models import Artifact, RetrainingRow, Run, Unit
from backend.runs import inheritance, leases
from backend.runs.landmarks import landmark_rows, landmarks_of
from backend.runs.latencies import latency_table, measured_latencies
from backend.settings import Settings
from nas import pipeline
from nas.errors import InvalidCheckpoint
from nas.events import Event
from nas.experiment import Experiment
from nas.ranking.combination import Combination
from nas.search.state import SearchState
from nas.spaces.base import Architecture
from nas.spaces.shape import NetworkShape
from nas.training.retraining import RetrainState
from nas.training.standalone import StandAloneTrainer
from nas.training.state import TrainState, fresh_state, inherit, inherited_state
from nas.training.team import Team
from worker import checkpoints, combining
from worker.correlations import Truth
from worker.landmarks import landmark_log
from worker.latencies import other_devices
from worker.plan import (
    ARCHITECTURES_PER_CHUNK,
    LANDMARKS_PER_CHUNK,
    train_key,
    units_after_partition,
)
from worker.progress import TrainingProgress
from worker.recorder import Recorder, scored_already
from worker.resources import Resources
from worker.retraining import RetrainingProgress, WeightsFile, told_of
from worker.sharing import Helper, OfferingSearch
from worker.telemetry import UnitTelemetry
from worker.writer import Frozen

Resumed = TypeVar("Resumed", TrainState, SearchState, RetrainState)


@dataclass(slots=True)
class Work:
    """The execution of one unit, ready to be driven.

    Attributes:
        folder: of the unit's checkpoints, relative to the artifact folder.
        events: what the science reports; driving it does the work.
        position: global steps, architectures or evaluations behind the unit.
        freeze: copies the state; None where the rows are all there is to resume from.
        state: the supernet in training, if there is one.
        following: units that come after this one, without their run.
        log: level and text of what people should know about the start.
        unreadable: checkpoints that turned out damaged.
        held: what is closed when the attempt ends.
        weights: of the network that a retraining leaves.
        leaves_state: whether its state is of use once it is done.
        gives_way: asked at the end; why the unit is not done but put back, None if it is done.
    """

    folder: str
    events: Iterator[Event]
    position: Callable[[], int]
    freeze: Callable[[], Frozen] | None = None
    state: TrainState | None = None
    following: list[Unit] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[Artifact] = field(default_factory=list)
    held: ExitStack = field(default_factory=ExitStack)
    weights: WeightsFile | None = None
    leaves_state: bool = True
    gives_way: Callable[[], str | None] = lambda: None


class States:
    """Supernets by the checkpoint that holds them, so that this process reads each file once."""

    def __init__(self) -> None:
        self._by_path: dict[str, TrainState] = {}

    def knows(self, path: str) -> bool:
        """Tell whether this process has at hand what a checkpoint holds."""
        return path in self._by_path

    def get(self, path: str) -> TrainState | None:
        """Return a supernet that will not be changed, if this process knows it."""
        return self._by_path.get(path)

    def take(self, path: str) -> TrainState | None:
        """Return a supernet for further training; from then on the path means the file alone."""
        return self._by_path.pop(path, None)

    def put(self, path: str, state: TrainState) -> None:
        """Remember what a checkpoint holds."""
        self._by_path[path] = state


@dataclass
class Execution:
    """Opens the units of one run.

    Attributes:
        db: the database.
        settings: where the files are.
        experiment: of the run.
        truth: its ground truth, if it has one.
        states: supernets that this process has at hand.
        team: who trains.
        trainer: of retrainings, once there was one.
    """

    db: Database
    settings: Settings
    experiment: Experiment
    truth: Truth | None = None
    states: States = field(default_factory=States)
    team: Team = field(default_factory=Team)
    trainer: StandAloneTrainer | None = None

    def open(self, unit: Unit) -> Work:
        """Prepare the execution of a unit from its newest readable checkpoint.

        Raises:
            InvalidCheckpoint: if a finished supernet that the unit needs cannot be read.
        """
        match unit.kind:
            case "partition":
                return self._partition(unit)
            case "landmarks":
                return self._landmarks(unit)
            case "warm-up" | "train":
                return self._training(unit)
            case "rank":
                return self._ranking(unit)
            case "combine":
                return self._combining(unit)
            case "search":
                return self._search(unit)
            case leases.HELPER:
                return self._helping(unit)
            case "retrain":
                return self._retraining(unit)
        raise ValueError(f"unit {unit.key} is of the unknown kind {unit.kind!r}")

    @property
    def device(self) -> str:
        """The torch device that the units are executed on."""
        return self.experiment.device

    def recorder(self, work: Work, resources: Resources, began: float) -> Recorder:
        """Return what turns the events of a unit into rows.

        Args:
            work: as `open` returned it.
            resources: of the processes that execute it.
            began: moment (`time.monotonic`) at which the attempt began.
        """
        updates = 0 if work.state is None else work.state.updates
        balance = () if work.state is None else work.state.balance
        spec = self.experiment.spec
        return Recorder(
            spec=spec,
            truth=self.truth,
            num_validation=len(self.experiment.dataset.validation),
            unranked=self.unranked,
            training=TrainingProgress(
                updates_before=updates,
                penalty_sum=0.0 if spec.training.regularisers else None,
            ),
            telemetry=UnitTelemetry(
                resources,
                updates=updates,
                images=sum(count.images for count in balance),
                began=began,
            ),
            retraining=RetrainingProgress(work.weights),
        )

    def keep(self, path: str, work: Work) -> None:
        """Remember a supernet that is stored under `path` and that its unit no longer trains."""
        if work.state is not None:
            self.states.put(path, work.state)

    def _partition(self, unit: Unit) -> Work:
        sizes = [len(part) for part in self._samples]
        return Work(
            folder=checkpoints.unit_folder(unit),
            events=pipeline.partition_unit(self.experiment),
            position=lambda: 0,
            following=units_after_partition(self.experiment.spec, sizes),
            log=landmark_log(self.experiment),
        )

    def _landmarks(self, unit: Unit) -> Work:
        assert unit.chunk is not None
        assert self.experiment.spec.landmarks is not None
        start = unit.chunk * LANDMARKS_PER_CHUNK
        with self.db.reading() as session:
            stored = landmark_rows(session, unit.run_id)
            chunk = [
                (self.experiment.space.decode(row.architecture), len(row.seeds or ()))
                for row in stored[start : start + LANDMARKS_PER_CHUNK]
            ]
        trainings = [
            (architecture, number)
            for architecture, trained in chunk
            for number in range(trained, self.experiment.spec.landmarks.trainings)
        ]
        return Work(
            folder=checkpoints.unit_folder(unit),
            events=pipeline.landmarks_unit(self.experiment, trainings),
            position=lambda: sum(trained for _, trained in chunk),
        )

    def _know_landmarks(self, run_id: int) -> None:
        """Read the accuracies that units have found since the run was loaded."""
        landmarks = self.experiment.landmarks
        if all(landmark.accuracy is not None for landmark in landmarks.chosen):
            return
        with self.db.reading() as session:
            run = session.get_one(Run, run_id)
            found = landmarks_of(session, run, self.experiment.partition)
        self.experiment = replace(self.experiment, landmarks=found)

    def _training(self, unit: Unit) -> Work:
        self._know_landmarks(unit.run_id)
        work = Work(checkpoints.unit_folder(unit), iter(()), position=lambda: 0)
        state = self._resumed(unit, work, self._train_state) or self._initial_state(unit, work)
        self.team.micro_batches = unit.micro_batches
        work.state = state
        work.freeze = state.frozen
        work.position = lambda: state.next_step
        work.events = pipeline.train_unit(self.experiment, state, self.team)
        return work

    def _ranking(self, unit: Unit) -> Work:
        assert unit.subspace is not None
        assert unit.chunk is not None
        start = unit.chunk * ARCHITECTURES_PER_CHUNK
        chunk = self._samples[unit.subspace][start : start + ARCHITECTURES_PER_CHUNK]
        with self.db.reading() as session:
            scored = scored_already(session, unit.run_id)
            key = train_key(self.experiment.spec, unit.subspace)
            state = self._finished_state(session, unit.run_id, key)
        encode = self.experiment.space.encode
        missing = [architecture for architecture in chunk if encode(architecture) not in scored]
        return Work(
            folder=checkpoints.unit_folder(unit),
            events=pipeline.rank_unit(self.experiment, state, missing),
            position=lambda: len(chunk) - len(missing),
        )

    def _combining(self, unit: Unit) -> Work:
        self._know_landmarks(unit.run_id)
        with self.db.reading() as session:
            learned = combining.calibrations(session, unit.run_id)
            table = combining.final_scores(session, unit.run_id)
        kinds = {scorer.kind for scorer in self.experiment.spec.ranking.combined_scorers}
        number = sum(len(kinds & scores.keys()) for scores in table.values())
        return Work(
            folder=checkpoints.unit_folder(unit),
            events=pipeline.combine_unit(self.experiment, table, learned),
            position=lambda: number,
        )

    def _search(self, unit: Unit) -> Work:
        work = Work(
            checkpoints.unit_folder(unit), iter(()), position=lambda: 0, leaves_state=False
        )
        search_state = self._resumed(unit, work, self._search_state) or SearchState()
        states, combinations = self._for_candidates(unit.run_id)
        searcher, space = self.experiment.spec.search, self.experiment.space
        assert searcher is not None
        with self.db.reading() as session:
            table = latency_table(session, searcher, space)
            measured = measured_latencies(session, session.get_one(Run, unit.run_id))
        work.log += other_devices(unit, measured.values(), self.device)

        def freeze() -> Frozen:
            # Another thread makes the text of it, while the search goes on.
            copied = search_state.copied()
            return lambda: copied.model_dump_json().encode()

        work.freeze = freeze
        work.position = lambda: len(search_state.evaluations)
        share = None
        if searcher.num_helpers:
            share = OfferingSearch(self.db, leases.held_lease(unit), space, self.device)
        work.events = pipeline.search_unit(
            self.experiment, states, search_state, combinations, table, measured, share
        )
        return work

    def _helping(self, unit: Unit) -> Work:
        states, combinations = self._for_candidates(unit.run_id)
        helper = Helper(self.db, leases.held_lease(unit), self.experiment.space, self.device)
        events = pipeline.evaluate_unit(self.experiment, states, helper.offered(), combinations)
        return Work(
            folder=checkpoints.unit_folder(unit),
            events=helper.stored(events),
            position=lambda: unit.progress,
            gives_way=lambda: helper.gives_way,
        )

    def _for_candidates(self, run_id: int) -> tuple[list[TrainState], dict[str, Combination]]:
        """Return what scores candidates: the supernets by sub-space, and combinations by kind."""
        with self.db.reading() as session:
            states = [
                self._finished_state(session, run_id, train_key(self.experiment.spec, part.index))
                for part in self.experiment.partition.subspaces
            ]
            return states, combining.searched_combinations(session, self.experiment, run_id)

    def _retraining(self, unit: Unit) -> Work:
        with self.db.reading() as session:
            row = session.get_one(RetrainingRow, unit.id)
            run = session.get_one(Run, unit.run_id)
            told = told_of(run, row, self.experiment)
            session.expunge_all()
        trainer = self._stand_alone_trainer(row)
        architecture = self.experiment.space.decode(row.architecture)
        work = Work(checkpoints.unit_folder(unit), iter(()), position=lambda: 0)

        def read(artifact: Artifact) -> RetrainState:
            data = self._bytes(artifact)
            return RetrainState.from_bytes(trainer, architecture, row.seed, data)

        state = self._resumed(unit, work, read)
        if state is None:
            state = RetrainState.fresh(trainer, architecture, row.seed)
        weights = WeightsFile(self.settings.artifact_folder, work.folder, unit.attempt, told)
        work.held.callback(weights.discard_unrecorded)
        work.weights, work.leaves_state = weights, False
        work.freeze = state.frozen
        work.position = lambda: state.training.step
        work.events = weights.written(pipeline.retrain_unit(self.experiment, trainer, state))
        return work

    def _stand_alone_trainer(self, row: RetrainingRow) -> StandAloneTrainer:
        """Return what trains by the row's recipe; the last one is kept, with the images it holds."""
        dataset = self.experiment.dataset
        shape = NetworkShape(
            width=row.width,
            cells_per_stage=row.cells_per_stage,
            image_channels=dataset.image_shape[0],
            num_classes=len(dataset.classes),
        )
        known = self.trainer
        if known is None or (known.recipe, known.shape) != (row.recipe, shape):
            space, device = self.experiment.space, self.experiment.device
            known = StandAloneTrainer(space, dataset, row.recipe, device, shape)
            self.trainer = known
        return known

    @cached_property
    def unranked(self) -> frozenset[str]:
        """Architectures that are scored after training, but not for the ranking itself."""
        sample = pipeline.unranked_sample(self.experiment)
        return frozenset(map(self.experiment.space.encode, sample))

    @cached_property
    def _samples(self) -> tuple[tuple[Architecture, ...], ...]:
        """What is scored after training, split by sub-space."""
        return pipeline.ranking_parts(self.experiment)

    def _initial_state(self, unit: Unit, work: Work) -> TrainState:
        training = self.experiment.spec.training
        if unit.kind == "warm-up" or not training.warm_up_steps:
            state = fresh_state(self.experiment, unit.subspace)
            if training.inherit_from is not None:
                work.log.append(("info", self._inherit(unit, state, training.inherit_from)))
            return state
        assert unit.subspace is not None
        with self.db.reading() as session:
            warm = self._finished_state(session, unit.run_id, "warm-up")
        return inherited_state(self.experiment, warm, unit.subspace)

    def _inherit(self, unit: Unit, state: TrainState, run_id: int) -> str:
        """Start a supernet from one of another run; return what people should know about it."""
        spec, ours = self.experiment.spec, self.experiment.supernets
        with self.db.reading() as session:
            source = session.get(Run, run_id)
            if source is None:
                raise InvalidCheckpoint(
                    f"Run {run_id}, whose weights {unit.key} starts from, was deleted; clone this "
                    "run with another training.inherit_from."
                )
            found = inheritance.inheritance(source, spec, ours)
            donor = found.donors[unit.subspace]
            artifact = inheritance.checkpoint(session, run_id, donor)
            session.expunge_all()
        try:
            if artifact is None:
                raise InvalidCheckpoint("the database names no checkpoint")
            data = self._bytes(artifact)
            inherit(state, found.supernets, donor.subspace, data, self.experiment.device)
        except InvalidCheckpoint as error:
            raise InvalidCheckpoint(
                f"Of run {run_id}, from which {unit.key} inherits, {donor} cannot be read "
                f"({error}); clone this run with another training.inherit_from."
            ) from error
        return (
            f"{unit.key}: the weights are those of run {run_id}, {donor}, step {artifact.step} "
            f"(checkpoint SHA-256 {artifact.sha256}), in a supernet of width "
            f"{ours.size(unit.subspace).width}; momentum starts at zero."
        )

    def _resumed(
        self, unit: Unit, work: Work, read: Callable[[Artifact], Resumed]
    ) -> Resumed | None:
        """Return the newest state of a unit that can be read, None if there is none.

        What happened is added to `work.log`, unreadable checkpoints to `work.unreadable`.
        """
        with self.db.reading() as session:
            artifacts = checkpoints.newest_first(session, unit.id)
            session.expunge_all()
        for artifact in artifacts:
            known = self.states.knows(artifact.path)
            try:
                state = read(artifact)
            except InvalidCheckpoint as error:
                work.unreadable.append(artifact)
                text = f"{unit.key}: {error}; falling back to the checkpoint before it."
                work.log.append(("warning", text))
                continue
            if not known:
                text = (
                    f"{unit.key}: resumed from step {artifact.step} of checkpoint {artifact.path}."
                )
                work.log.append(("info", text))
            return state
        if unit.attempt > 1:
            text = f"{unit.key}: no checkpoint can be resumed from; starting at the beginning."
            work.log.append(("info", text))
        return None

    def _train_state(self, artifact: Artifact) -> TrainState:
        known = self.states.take(artifact.path)
        return self._decoded(artifact) if known is None else known

    def _search_state(self, artifact: Artifact) -> SearchState:
        try:
            return SearchState.model_validate_json(self._bytes(artifact))
        except ValidationError as error:
            raise InvalidCheckpoint(f"{artifact.path} is no search state: {error}") from error

    def _finished_state(self, session: Session, run_id: int, key: str) -> TrainState:
        """Return the supernet that a finished unit left; nobody trains it any further."""
        unit = session.scalars(select(Unit).where(Unit.run_id == run_id, Unit.key == key)).one()
        artifacts = checkpoints.newest_first(session, unit.id)
        if not artifacts:
            raise InvalidCheckpoint(f"The finished supernet of {key} is gone; clone the run.")
        known = self.states.get(artifacts[0].path)
        if known is not None:
            return known
        try:
            state = self._decoded(artifacts[0])
        except InvalidCheckpoint as error:
            raise InvalidCheckpoint(
                f"The finished supernet of {key} cannot be read ({error}); clone the run."
            ) from error
        self.states.put(artifacts[0].path, state)
        return state

    def _decoded(self, artifact: Artifact) -> TrainState:
        return TrainState.from_bytes(self.experiment, self._bytes(artifact))

    def _bytes(self, artifact: Artifact) -> bytes:
        return checkpoints.read_checked(self.settings.artifact_folder, artifact)
