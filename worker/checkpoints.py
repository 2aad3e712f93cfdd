"""Checkpoint files: written so that a crash leaves the old one or the new one, never half of one.

A file's name holds the attempt that wrote it, so a stale attempt cannot touch a newer one's file.
The row that names a file, with its hash, is committed together with the progress it belongs to;
a file that no row names is debris of a crash.
"""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.models import Artifact, Unit
from backend.storage import NO_SPACE
from nas.errors import InvalidCheckpoint

KEPT_PER_UNIT = 2
"""The newest, and one to fall back to."""


class StorageFull(Exception):
    """A checkpoint could not be written because the disk or the quota is full."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is safely on disk.

    Attributes:
        path: relative to the artifact folder.
        sha256: of its bytes, hexadecimal.
    """

    path: str
    sha256: str
    num_bytes: int


def unit_folder(unit: Unit) -> str:
    """Return the folder of a unit's checkpoints, relative to the artifact folder."""
    return f"runs/{unit.run_id}/{unit.key}"


def write_durably(root: Path, relative: str, data: bytes) -> StoredFile:
    """Write a file under `root` so that it is whole and on disk, or absent.

    Raises:
        StorageFull: if there is no room; nothing is left of the attempt.
    """
    target = root / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        if error.errno in NO_SPACE:
            raise StorageFull(
                f"The disk of {root} is full: a checkpoint of {len(data):,} bytes did not fit. "
                "The one before it is intact."
            ) from error
        raise
    return StoredFile(relative, hashlib.sha256(data).hexdigest(), len(data))


def read_checked(root: Path, artifact: Artifact) -> bytes:
    """Return the bytes of a stored file.

    Raises:
        InvalidCheckpoint: if the file is missing, or is not what was written.
    """
    try:
        data = (root / artifact.path).read_bytes()
    except FileNotFoundError:
        raise InvalidCheckpoint(f"{artifact.path} is missing") from None
    found = hashlib.sha256(data).hexdigest()
    if found != artifact.sha256:
        raise InvalidCheckpoint(
            f"{artifact.path} is damaged: its SHA-256 is {found}, {artifact.sha256} was recorded"
        )
    return data


def newest_first(session: Session, unit_id: int) -> list[Artifact]:
    """Return the checkpoints of a unit, the newest first."""
    return list(
        session.scalars(
            select(Artifact)
            .where(Artifact.unit_id == unit_id, Artifact.kind == "checkpoint")
            .order_by(Artifact.id.desc())
        )
    )


def record(session: Session, unit: Unit, stored: StoredFile, step: int) -> list[str]:
    """Name a written checkpoint in the database and forget those too old to be needed.

    Args:
        session: the transaction of the progress that the checkpoint holds.
        unit: the unit, leased by the attempt that wrote the file.
        stored: the file.
        step: the unit's position: global steps, or evaluations.

    Returns:
        Paths of files to delete once the transaction is committed.
    """
    session.add(
        Artifact(
            run_id=unit.run_id,
            unit_id=unit.id,
            kind="checkpoint",
            attempt=unit.attempt,
            step=step,
            path=stored.path,
            sha256=stored.sha256,
            num_bytes=stored.num_bytes,
        )
    )
    session.flush()
    outdated = newest_first(session, unit.id)[KEPT_PER_UNIT:]
    for artifact in outdated:
        session.delete(artifact)
    return [artifact.path for artifact in outdated]


def forget(session: Session, artifact: Artifact) -> None:
    """Remove the row of a checkpoint that cannot be read."""
    stored = session.get(Artifact, artifact.id)
    if stored is not None:
        session.delete(stored)


def forget_all(session: Session, unit: Unit) -> list[str]:
    """Remove the rows of a unit's checkpoints; return the paths of files to delete."""
    session.flush()
    found = newest_first(session, unit.id)
    for artifact in found:
        session.delete(artifact)
    return [artifact.path for artifact in found]


def delete_files(root: Path, paths: Sequence[str]) -> None:
    """Delete files that no row names any more."""
    for path in paths:
        (root / path).unlink(missing_ok=True)


def debris(root: Path, unit: Unit, named: list[Artifact]) -> list[str]:
    """Return the files in a unit's folder that a crashed attempt left and no row names."""
    folder = root / unit_folder(unit)
    if not folder.is_dir():
        return []
    known = {artifact.path for artifact in named}
    found = (str(path.relative_to(root)) for path in sorted(folder.iterdir()))
    return [path for path in found if path not in known]


def _sync_folder(folder: Path) -> None:
    # The rename itself must reach the disk, or a power cut could bring the old name back.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
