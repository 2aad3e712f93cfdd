"""A runner's work on whole runs, in this process: what it stores, and how it resumes."""

import errno
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest
import torch
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.migrate import upgrade
from backend.models import Candidate, Metric, RoundPart, Run, Score, Unit
from backend.runs import leases, results
from backend.runs.leases import Lease
from backend.settings import Settings
from nas import pipeline
from nas.data.digits import digits
from nas.errors import TrainingDiverged
from nas.experiment import Experiment
from nas.spaces import catalogue
from nas.spec import round_boundaries
from nas.training import loop
from nas.training.schedule import Route, Schedule
from nas.training.state import TrainState, fresh_state, inherited_state
from tests.worker.running import (
    DrainWhen,
    after_looks,
    artifacts,
    final_tensors,
    run_here,
    run_to_end,
    same_bits,
    tensors_of,
)
from tests.worker.support import Deployment, add_truth, tiny_spec, unit_of
from worker.control import Control
from worker.reaper import reap
from worker.runner import Runner


@pytest.fixture
def eager(embedded: Deployment) -> Deployment:
    """Stores at every event, so that a test of some seconds sees what a long run does."""
    eager_settings = embedded.settings.model_copy(
        update={"record_seconds": 1e-6, "checkpoint_seconds": 1e-6}
    )
    return Deployment(embedded.db, eager_settings)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The final weights of `tiny_spec()`, executed without any interruption."""
    settings = Settings(home=tmp_path_factory.mktemp("undisturbed"))
    upgrade(settings)
    db = Database(settings.database)
    install_catalogue(db, settings)
    deployment = Deployment(db, settings)
    run_id = deployment.create(tiny_spec())
    run_to_end(deployment, run_id)
    tensors = final_tensors(deployment, run_id)
    db.close()
    return tensors


@pytest.fixture(autouse=True)
def _frequent_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training report after every step; a unit of these runs ends before the first report."""
    monkeypatch.setattr("nas.training.loop.REPORT_SECONDS", 0.0)


class SmallDisk:
    """A disk that can be filled up: a file system of its own where that can be mounted.

    Elsewhere the system's calls say what they would say on a full one.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._ballast = folder / "ballast"
        command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
        self.is_real = subprocess.run(command, capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        if self.is_real:
            with (
                self._ballast.open("wb", buffering=0) as file,
                pytest.raises(OSError, match="No space left"),
            ):
                file.writelines(bytes(4096) for _ in range(2000))
        else:
            self._monkeypatch.setattr(os, "fsync", _no_space)
            self._monkeypatch.setattr(os, "posix_fallocate", _no_space)

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)
        self._monkeypatch.undo()

    def close(self) -> None:
        if self.is_real:
            subprocess.run(["umount", "--lazy", self.folder], check=True)


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    # A patch of its own: what the other fixtures have patched stays when it is undone.
    with pytest.MonkeyPatch.context() as patch:
        disk = SmallDisk(folder, patch)
        yield disk
    disk.close()


def failure_of_run(deployment: Deployment, run_id: int) -> tuple[str | None, str]:
    with deployment.db.reading() as session:
        run = session.get_one(Run, run_id)
        return run.failure_class, run.failure_message or ""


def interrupted(deployment: Deployment, run_id: int, looks: int) -> None:
    """Run until a runner, of a slot of its own, has drained in the middle of a unit."""
    assert run_here(deployment, run_id, after_looks(looks), owner=f"slot-{looks}")


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_whole_run_stores_everything_it_promises(deployment: Deployment) -> None:
    add_truth(deployment.db)
    spec = tiny_spec(benchmark="ordered")
    run_id = deployment.create(spec)
    run_to_end(deployment, run_id)
    assert deployment.state(run_id) == "succeeded"
    assert set(deployment.unit_states(run_id).values()) == {"done"}
    with deployment.db.reading() as session:
        assert [row.index for row in results.subspaces(session, run_id)] == [0, 1]
        overall = [
            (row.stage, row.step, row.num_architectures)
            for row in results.correlations(session, run_id)
            if row.scope == "overall"
        ]
        live = [("live", step, 10) for step in round_boundaries(spec)]
        assert overall == [*live, ("final", 60, 24)]
        units = {unit.key: unit for unit in results.units(session, run_id)}
        assert all(unit.progress == unit.total for unit in units.values())
        balance = results.balance(session, run_id)
        newest = {(row.unit, row.subspace): row for row in balance}
        trained = {"warm-up": 0, "train-0": 0, "train-1": 0}
        for (unit, _), row in newest.items():
            trained[unit] += row.updates
            # Each step chose one operation per decision.
            assert [sum(chosen.values()) for chosen in row.operation_updates] == [row.updates] * 3
        assert trained["warm-up"] == 20
        assert trained["train-0"] + trained["train-1"] == 40
        older = [row for row in balance if row not in newest.values()]
        assert older
        assert all(row.operation_updates == [] for row in older)
        series = set(session.scalars(select(Metric.series).where(Metric.run_id == run_id)))
        assert series == {"loss", "learning_rate", "steps_per_second"}
        candidates = results.candidates(session, run_id)
        assert [row.evaluation for row in candidates] == list(range(1, 13))
        best = min(row.true_rank or 0 for row in candidates)
        assert best >= 1


def test_a_run_ends_with_the_weights_that_the_science_alone_gives(
    undisturbed: dict[str, torch.Tensor],
) -> None:
    spec, space = tiny_spec(), catalogue()["digits-mini"]
    experiment = Experiment(spec, space, spec.splitter.split(space), digits())
    warm = fresh_state(experiment, None)
    list(pipeline.train_unit(experiment, warm))
    expected = {}
    for subspace in experiment.partition.subspaces:
        state = inherited_state(experiment, warm, subspace.index)
        list(pipeline.train_unit(experiment, state))
        expected |= tensors_of(state)
    assert {name.split("/")[0] for name in expected} == {"train-0", "train-1"}
    assert same_bits(expected, undisturbed)


def test_a_run_spread_over_five_slots_ends_as_an_uninterrupted_one(
    embedded: Deployment, eager: Deployment
) -> None:
    calm, disturbed = eager.create(tiny_spec()), eager.create(tiny_spec())
    run_to_end(embedded, calm)
    for looks in (4, 9, 17, 30):
        interrupted(eager, disturbed, looks)
    run_to_end(eager, disturbed)
    assert eager.state(disturbed) == "succeeded"
    assert sum("resumed from step" in text for text in eager.messages(disturbed)) >= 3
    assert same_bits(final_tensors(eager, calm), final_tensors(eager, disturbed))
    for columns in (
        (Score.stage, Score.step, Score.architecture, Score.score),
        (Candidate.evaluation, Candidate.architecture, Candidate.score),
    ):
        with eager.db.reading() as session:
            one, other = (
                session.execute(
                    select(*columns)
                    .where(columns[0].class_.run_id == run_id)
                    .order_by(*columns[:-1])
                ).all()
                for run_id in (calm, disturbed)
            )
        assert one
        assert one == other


def test_a_runner_begins_no_further_unit_where_memory_is_short(embedded: Deployment) -> None:
    short = embedded.settings.model_copy(update={"min_free_memory_bytes": 2**60})
    run_id = embedded.create(tiny_spec())
    assert run_here(Deployment(embedded.db, short), run_id)
    states = embedded.unit_states(run_id)
    assert (states["partition"], states["warm-up"]) == ("done", "ready")
    assert run_here(embedded, run_id)
    assert embedded.state(run_id) == "succeeded"


def test_a_slot_alone_keeps_the_supernets_within_one_round(embedded: Deployment) -> None:
    spec = tiny_spec(
        splitter={"kind": "nonlinearity", "num_subspaces": 3},
        training={"steps": 80, "warm_up_steps": 0},
        ranking={"every_steps": 10},
        search=None,
    )
    run_id = embedded.create(spec)
    run_to_end(embedded, run_id)
    with embedded.db.reading() as session:
        order = session.execute(
            select(Unit.key, RoundPart.step)
            .join(Unit, Unit.id == RoundPart.unit_id)
            .where(RoundPart.run_id == run_id)
        ).all()
        assert len(order) == 3 * 8
        # The events tell the order in which the parts were stored.
        keys = {unit.id: unit.key for unit in session.scalars(select(Unit))}
        assert set(keys.values()) >= {"train-0", "train-1", "train-2"}
    done = dict.fromkeys(("train-0", "train-1", "train-2"), 0)
    for event in embedded.events(run_id):
        if event.kind == "data" and event.unit in done and "scores" in event.data["tables"]:
            done[event.unit] = event.data["progress"] // 10
            assert max(done.values()) - min(done.values()) <= 1, done
    assert set(done.values()) == {8}


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_it_and_says_so(
    eager: Deployment, undisturbed: dict[str, torch.Tensor]
) -> None:
    disturbed = eager.create(tiny_spec())
    interrupted(eager, disturbed, 12)
    newest, before = artifacts(eager, disturbed, "warm-up")
    flip_a_byte(eager.settings.artifact_folder / newest.path)
    run_to_end(eager, disturbed)
    log = eager.messages(disturbed)
    assert f"{newest.path} is damaged" in log[0]
    assert log[1] == (f"warm-up: resumed from step {before.step} of checkpoint {before.path}.")
    assert same_bits(undisturbed, final_tensors(eager, disturbed))


def test_without_a_readable_checkpoint_the_unit_starts_at_the_beginning_and_says_so(
    eager: Deployment, undisturbed: dict[str, torch.Tensor]
) -> None:
    disturbed = eager.create(tiny_spec())
    interrupted(eager, disturbed, 12)
    for artifact in artifacts(eager, disturbed, "warm-up"):
        (eager.settings.artifact_folder / artifact.path).unlink()
    run_to_end(eager, disturbed)
    assert "starting at the beginning" in eager.messages(disturbed)[2]
    assert same_bits(undisturbed, final_tensors(eager, disturbed))


def test_a_damaged_final_supernet_fails_the_run_with_a_sentence(eager: Deployment) -> None:
    run_id = eager.create(tiny_spec())

    def trained() -> bool:
        states = eager.unit_states(run_id)
        return states.get("train-0") == states.get("train-1") == "done"

    run_here(eager, run_id, DrainWhen(trained))
    flip_a_byte(eager.settings.artifact_folder / artifacts(eager, run_id, "train-0")[0].path)
    run_to_end(eager, run_id)
    assert eager.state(run_id) == "failed"
    kind, message = failure_of_run(eager, run_id)
    assert kind == "storage"
    assert "finished supernet of train-0 cannot be read" in message


def test_what_was_stored_beyond_the_checkpoint_is_forgotten_on_resume(
    embedded: Deployment,
) -> None:
    recording = Deployment(
        embedded.db, embedded.settings.model_copy(update={"record_seconds": 1e-6})
    )
    run_id = recording.create(tiny_spec(ranking={"every_steps": 10}))
    interrupted(recording, run_id, 7)
    (checkpoint,) = artifacts(recording, run_id, "warm-up")
    with recording.db.unit_of_work() as session:
        unit = unit_of(session, run_id, "warm-up")
        for step in range(checkpoint.step + 1, checkpoint.step + 4):
            session.add(
                Metric(unit_id=unit.id, run_id=run_id, series="loss", step=step, value=-1.0)
            )
    run_to_end(recording, run_id)
    with recording.db.reading() as session:
        lowest = session.scalar(
            select(func.min(Metric.value)).where(Metric.run_id == run_id, Metric.series == "loss")
        )
    assert lowest is not None
    assert lowest > 0


def test_a_full_disk_pauses_the_run_until_there_is_room_and_loses_nothing(
    embedded: Deployment, small_disk: SmallDisk, undisturbed: dict[str, torch.Tensor]
) -> None:
    changes = {
        "artifacts": small_disk.folder,
        "record_seconds": 1e-6,
        "checkpoint_seconds": 1e-6,
        "resume_free_bytes": 0,
        "resume_seconds": 0.0,
    }
    eager = Deployment(embedded.db, embedded.settings.model_copy(update=changes))
    install_catalogue(eager.db, eager.settings)
    run_id = eager.create(tiny_spec())
    interrupted(eager, run_id, 6)
    kept = artifacts(eager, run_id, "warm-up")
    small_disk.fill()
    run_to_end(eager, run_id)
    assert eager.state(run_id) == "paused"
    kind, message = failure_of_run(eager, run_id)
    assert kind == "storage"
    assert re.search(
        r"disk of .* is full: a checkpoint of [\d,]+ bytes .*intact.*goes on by itself", message
    )
    with eager.db.reading() as session:
        unit = unit_of(session, run_id, "warm-up")
        assert (unit.state, unit.fruitless_attempts) == ("ready", 0)
    pauses = [event for event in eager.events(run_id) if event.data.get("to") == "pausing"]
    assert [(event.level, event.message) for event in pauses] == [("warning", message)]
    assert [one.path for one in artifacts(eager, run_id, "warm-up")] == [one.path for one in kept]
    folder = (small_disk.folder / kept[0].path).parent
    assert {path.name for path in folder.iterdir()} == {Path(one.path).name for one in kept}
    reap(eager.db, eager.settings)
    assert eager.state(run_id) == "paused"
    small_disk.empty()
    reap(eager.db, eager.settings)
    assert eager.state(run_id) == "queued"
    assert failure_of_run(eager, run_id) == (None, "")
    run_to_end(eager, run_id)
    assert eager.state(run_id) == "succeeded"
    assert any(f"resumed from step {kept[0].step} " in text for text in eager.messages(run_id))
    assert same_bits(undisturbed, final_tensors(eager, run_id))


def test_a_database_without_room_keeps_the_unit_until_the_pause_can_be_recorded(
    eager: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = eager.create(tiny_spec())
    interrupted(eager, run_id, 6)
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    real, calls = leases.verify, count()

    def verify(session: Session, lease: Lease) -> tuple[Run, Unit]:
        # The first transaction succeeds; then there is no room for three of them.
        if 1 <= next(calls) <= 3:
            raise OperationalError("UPDATE", {}, full)
        return real(session, lease)

    pauses: list[float] = []
    monkeypatch.setattr(leases, "verify", verify)
    monkeypatch.setattr("worker.runner.time.sleep", pauses.append)
    assert run_here(eager, run_id)
    assert len(pauses) == 2
    assert eager.state(run_id) == "paused"
    assert failure_of_run(eager, run_id)[0] == "storage"
    assert eager.act(run_id, "resume") == "queued"


def test_an_error_in_the_program_is_tried_three_times_and_then_named(
    embedded: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[object]:
        raise ZeroDivisionError("half of nothing")
        yield

    monkeypatch.setattr(pipeline, "train_unit", broken)
    run_id = embedded.create(tiny_spec())
    run_to_end(embedded, run_id)
    with embedded.db.reading() as session:
        assert unit_of(session, run_id, "warm-up").attempt == 3
    kind, message = failure_of_run(embedded, run_id)
    assert kind == "bug"
    assert "ZeroDivisionError: half of nothing" in message


def test_a_run_that_cannot_succeed_is_not_tried_again(
    embedded: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(*_: object) -> Iterator[object]:
        raise TrainingDiverged("the training loss is nan; lower training.learning_rate")
        yield

    monkeypatch.setattr(pipeline, "train_unit", diverged)
    run_id = embedded.create(tiny_spec())
    run_to_end(embedded, run_id)
    assert failure_of_run(embedded, run_id) == (
        "bad spec",
        "warm-up: the training loss is nan; lower training.learning_rate",
    )
    with embedded.db.reading() as session:
        assert unit_of(session, run_id, "warm-up").attempt == 1


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint_for_the_retry(
    eager: Deployment, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, torch.Tensor]
) -> None:
    real, spoiled_step = loop.update, 12

    def spoil(
        experiment: Experiment,
        state: TrainState,
        schedule: Schedule,
        routes: Sequence[Route],
        *further: object,
    ) -> float:
        if state.next_step == spoiled_step:
            with torch.no_grad():
                state.supernet.get_parameter("classifier.bias").fill_(float("nan"))
        return real(experiment, state, schedule, routes, *further)

    monkeypatch.setattr(loop, "update", spoil)
    run_id = eager.create(tiny_spec())
    run_to_end(eager, run_id)
    kind, message = failure_of_run(eager, run_id)
    assert kind == "bad spec"
    named = re.match(
        r"warm-up: the training loss is nan at global step 12, architecture (\S+);", message
    )
    assert named is not None
    space = catalogue()["digits-mini"]
    assert space.is_valid(space.decode(named[1]))
    newest = artifacts(eager, run_id, "warm-up")[0]
    assert 0 < newest.step <= spoiled_step
    monkeypatch.setattr(loop, "update", real)
    assert eager.act(run_id, "retry") == "queued"
    run_to_end(eager, run_id)
    assert any(f"resumed from step {newest.step} " in text for text in eager.messages(run_id))
    assert same_bits(undisturbed, final_tensors(eager, run_id))


def test_a_runner_that_lost_its_lease_stores_nothing_more(
    eager: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = eager.create(tiny_spec())
    interrupted(eager, run_id, 8)
    real = pipeline.train_unit

    def robbed(*arguments: object) -> Iterator[object]:
        for number, event in enumerate(real(*arguments)):
            if number == 5:
                with eager.db.unit_of_work() as session:
                    leases.renew(session, "robbed", -1.0)
                    (lease,) = leases.expired(session)
                    leases.release(session, lease, "taken")
                before.append(eager.events(run_id))
            yield event

    before: list[object] = []
    monkeypatch.setattr(pipeline, "train_unit", robbed)
    lease = eager.claim(run_id, "robbed")
    assert lease is not None
    folder = (eager.settings.artifact_folder / artifacts(eager, run_id, "warm-up")[0].path).parent
    Runner(eager.db, eager.settings, Control(), lease).work()
    assert before == [eager.events(run_id)]
    named = {Path(artifact.path).name for artifact in artifacts(eager, run_id, "warm-up")}
    assert {path.name for path in folder.iterdir()} == named


def test_a_damaged_dataset_is_a_storage_failure(embedded: Deployment) -> None:
    run_id = embedded.create(tiny_spec())
    with embedded.db.reading() as session:
        path = session.get_one(Run, run_id).dataset.path
    flip_a_byte(embedded.settings.artifact_folder / path)
    run_to_end(embedded, run_id)
    kind, message = failure_of_run(embedded, run_id)
    assert kind == "storage"
    assert "import the dataset again" in message


def test_weights_do_not_depend_on_how_often_they_are_stored(
    eager: Deployment, undisturbed: dict[str, torch.Tensor]
) -> None:
    run_id = eager.create(tiny_spec())
    run_to_end(eager, run_id)
    assert same_bits(final_tensors(eager, run_id), undisturbed)
    assert not same_bits(
        undisturbed, {name: torch.zeros_like(value) for name, value in undisturbed.items()}
    )
