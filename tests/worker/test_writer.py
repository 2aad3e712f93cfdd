"""Checkpoints beside the training: one at a time, recorded in order, and nothing left behind."""

import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from backend.runs import results
from nas.errors import TrainingDiverged
from nas.events import TrainingProgressed
from tests.worker.running import DrainWhen, artifacts, run_here
from tests.worker.support import SLOT, Deployment, skip_to_training, tiny_spec, unit_of
from worker import checkpoints
from worker.attempt import Attempt
from worker.checkpoints import StorageFull, StoredFile
from worker.execution import Execution, Work
from worker.recorder import Recorder
from worker.writer import CheckpointWriter

FOLDER = "runs/1/train-0"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[CheckpointWriter]:
    with closing(CheckpointWriter(tmp_path, FOLDER, attempt=3)) as made:
        yield made


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_was_begun_is_taken_once_with_the_position_it_was_copied_at(
    writer: CheckpointWriter, tmp_path: Path
) -> None:
    assert writer.take(wait=True) is None
    for number, position in ((1, 10), (2, 25)):
        writer.begin(lambda: b"weights", position)
        taken = writer.take(wait=True)
        assert taken is not None
        assert taken.stored.path == f"{FOLDER}/attempt-0003-0000{number}.ckpt"
        assert taken.position == position
        assert not writer.is_busy
    assert len(files(tmp_path)) == 2


def test_a_checkpoint_under_way_is_not_waited_for(writer: CheckpointWriter) -> None:
    go = threading.Event()

    def slow() -> bytes:
        assert go.wait(60)
        return b"weights"

    writer.begin(slow, 1)
    assert writer.take(wait=False) is None
    assert writer.is_busy
    go.set()
    taken = writer.take(wait=True)
    assert taken is not None
    assert taken.stored.num_bytes == 7


@pytest.mark.parametrize("error", [StorageFull("full"), TrainingDiverged("nan")])
def test_what_went_wrong_in_the_thread_is_raised_where_the_checkpoint_is_taken(
    writer: CheckpointWriter, tmp_path: Path, error: Exception
) -> None:
    def fail() -> bytes:
        raise error

    writer.begin(fail, 1)
    with pytest.raises(type(error)):
        writer.take(wait=True)
    assert files(tmp_path) == {}
    writer.begin(lambda: b"next", 2)
    assert writer.take(wait=True) is not None


def test_a_file_that_nobody_took_is_deleted(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, FOLDER, attempt=1)
    writer.begin(lambda: b"weights", 1)
    writer.close()
    assert files(tmp_path) == {}


def test_training_goes_on_while_a_checkpoint_is_written_and_its_row_comes_after(
    embedded: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.training.loop.REPORT_SECONDS", 0.0)
    eager = Deployment(
        embedded.db,
        embedded.settings.model_copy(update={"record_seconds": 1e-6, "checkpoint_seconds": 1e-6}),
    )
    run_id = eager.create(tiny_spec())
    go, write = threading.Event(), checkpoints.write_durably

    def slow(root: Path, relative: str, data: bytes) -> StoredFile:
        assert go.wait(60)
        return write(root, relative, data)

    monkeypatch.setattr(checkpoints, "write_durably", slow)
    seen: list[tuple[int, int | None]] = []

    def looked() -> bool:
        units = eager.unit_states(run_id)
        if units.get("warm-up") != "leased":
            return bool(seen)
        with eager.db.reading() as session:
            progress = unit_of(session, run_id, "warm-up").progress
            recorded = [row.step for row in results.artifacts(session, run_id)]
        seen.append((progress, max(recorded, default=None)))
        if progress >= 8:
            go.set()
        return progress >= 18

    assert run_here(eager, run_id, DrainWhen(looked))
    held = [progress for progress, step in seen if step is None]
    assert max(held) >= 8
    stored = [(progress, step) for progress, step in seen if step is not None]
    assert all(step <= progress for progress, step in stored)
    newest, before = artifacts(eager, run_id, "warm-up")
    with eager.db.reading() as session:
        assert newest.step == unit_of(session, run_id, "warm-up").progress
    assert before.step < newest.step


def test_at_most_the_interval_lies_between_the_newest_recorded_state_and_a_kill(
    embedded: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = embedded.settings
    assert (settings.checkpoint_seconds, settings.record_seconds) == (20.0, 1.0)
    spec = tiny_spec()
    run_id = skip_to_training(embedded, spec, [12, 12])
    lease = embedded.claim(run_id)
    assert lease is not None
    clock, written_after = [1000.0], 0.75
    monkeypatch.setattr("worker.attempt.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr("worker.writer.time", SimpleNamespace(monotonic=lambda: clock[0]))
    take = CheckpointWriter.take
    begun_at: list[float] = []

    def timely(writer: CheckpointWriter, *, wait: bool) -> object:
        due = bool(begun_at) and clock[0] - begun_at[-1] >= written_after
        return take(writer, wait=True) if wait or due else None

    monkeypatch.setattr(CheckpointWriter, "take", timely)
    step = count(1)
    position = [0]

    def freeze() -> object:
        begun_at.append(clock[0])
        return lambda: b"state"

    work = Work(FOLDER, iter(()), position=lambda: position[0], freeze=freeze)
    recorder = Recorder(spec=spec, truth=None, num_validation=10)
    longest = 0.0
    times = {0: clock[0]}
    with closing(Attempt(embedded.db, settings, lease, recorder, FOLDER)) as attempt:
        while clock[0] < 1070:
            clock[0] += 0.25
            position[0] = next(step)
            times[position[0]] = clock[0]
            attempt.add(TrainingProgressed(position[0], position[0], 1.0, 0.1, 1.0, ()), 0.25)
            attempt.store_if_due(work)
            with embedded.db.reading() as session:
                recorded = [row.step for row in results.artifacts(session, run_id)]
            longest = max(longest, clock[0] - times[max(recorded, default=0)])
    assert 15 < longest <= 20
    assert len(begun_at) == 3
    assert lease.owner == SLOT


def test_an_attempt_whose_weights_are_not_finite_stores_no_checkpoint_of_them(
    embedded: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:

    training = Execution._training

    def spoiled(execution: Execution, unit: object) -> Work:
        work = training(execution, unit)
        state = work.state
        assert state is not None
        with torch.no_grad():
            next(state.supernet.parameters()).fill_(float("nan"))
        work.events = iter([TrainingProgressed(3, 3, 1.0, 0.1, 1.0, ())])
        return work

    monkeypatch.setattr(Execution, "_training", spoiled)
    run_id = embedded.create(tiny_spec())
    while run_here(embedded, run_id):
        pass
    assert embedded.state(run_id) == "failed"
    assert artifacts(embedded, run_id, "warm-up") == []
    with embedded.db.reading() as session:
        assert "not finite" in (unit_of(session, run_id, "warm-up").failure_message or "")
