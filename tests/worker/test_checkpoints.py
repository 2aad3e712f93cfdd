"""Checkpoint files: whole or absent, checked when read, few."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.models import Artifact
from nas.errors import InvalidCheckpoint
from tests.worker.support import Deployment, skip_to_training, tiny_spec, unit_of
from worker import checkpoints
from worker.checkpoints import StorageFull, StoredFile
from worker.failures import failure_of

NAME = "runs/1/train-0/attempt-0001-00001.ckpt"


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    stored = checkpoints.write_durably(tmp_path, NAME, b"weights")
    assert files(tmp_path) == [NAME]
    assert stored.num_bytes == 7
    artifact = Artifact(path=stored.path, sha256=stored.sha256)
    assert checkpoints.read_checked(tmp_path, artifact) == b"weights"


@pytest.mark.parametrize("boundary", ["os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_of_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boundary: str
) -> None:
    checkpoints.write_durably(tmp_path, NAME, b"old")
    monkeypatch.setattr(boundary, no_space)
    with pytest.raises(StorageFull, match=r"full.*5 bytes.*intact"):
        checkpoints.write_durably(tmp_path, NAME, b"newer")
    assert files(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"old"


def test_a_device_without_room_counts_as_full() -> None:
    device = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space left") as raised:
            os.write(device, b"x")
    finally:
        os.close(device)
    assert failure_of(raised.value).pauses


def test_a_crash_before_the_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.write_durably(tmp_path, NAME, b"old")
    # Neither an OSError nor handled: as if the process ended there.
    monkeypatch.setattr("pathlib.Path.replace", _crash)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.write_durably(tmp_path, NAME, b"newer")
    assert (tmp_path / NAME).read_bytes() == b"old"


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged"),
        (lambda path: path.write_bytes(b"\xff" + path.read_bytes()[1:]), "damaged"),
    ],
    ids=["missing", "short", "flipped"],
)
def test_a_file_that_is_not_what_was_written_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    stored = checkpoints.write_durably(tmp_path, NAME, b"weights")
    damage(tmp_path / NAME)
    with pytest.raises(InvalidCheckpoint, match=said):
        checkpoints.read_checked(tmp_path, Artifact(path=NAME, sha256=stored.sha256))


def test_the_newest_two_checkpoints_of_a_unit_are_kept(embedded: Deployment) -> None:
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    outdated = []
    with embedded.db.unit_of_work() as session:
        unit = unit_of(session, run_id, "train-0")
        for step in range(1, 5):
            stored = StoredFile(f"file-{step}", "0" * 64, 1)
            outdated += checkpoints.record(session, unit, stored, step)
        kept = [artifact.step for artifact in checkpoints.newest_first(session, unit.id)]
    assert kept == [4, 3]
    assert outdated == ["file-1", "file-2"]


def test_files_that_no_row_names_are_found(embedded: Deployment) -> None:
    root = embedded.settings.artifact_folder
    run_id = skip_to_training(embedded, tiny_spec(), [1, 1])
    with embedded.db.unit_of_work() as session:
        unit = unit_of(session, run_id, "train-0")
        folder = checkpoints.unit_folder(unit)
        named = checkpoints.write_durably(root, f"{folder}/named", b"x")
        checkpoints.write_durably(root, f"{folder}/orphan", b"x")
        checkpoints.record(session, unit, named, 1)
        found = checkpoints.newest_first(session, unit.id)
        assert checkpoints.debris(root, unit, found) == [f"{folder}/orphan"]
