"""Checkpoints put on disk beside the training: copied between two steps, written by a thread."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from worker import checkpoints
from worker.checkpoints import StoredFile

Frozen = Callable[[], bytes]
"""A copy of a state, as what makes its bytes."""


@dataclass(frozen=True, slots=True)
class Written:
    """A checkpoint that is safely on disk and that no row names yet.

    Attributes:
        stored: the file.
        position: of the unit when the state was copied.
        seconds: that making its bytes and writing them took.
    """

    stored: StoredFile
    position: int
    seconds: float


class CheckpointWriter:
    """Writes the checkpoints of one attempt in a thread of its own, one at a time.

    Whoever takes a written one records it; a file that nobody took is deleted at the end.

    Args:
        root: the artifact folder.
        folder: of the unit's checkpoints, relative to `root`.
        attempt: the fencing token, part of every name.
    """

    def __init__(self, root: Path, folder: str, attempt: int) -> None:
        self._root = root
        self._prefix = f"{folder}/attempt-{attempt:04d}"
        self._number = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[Written] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint has been begun and not been taken."""
        return self._pending is not None

    def begin(self, frozen: Frozen, position: int) -> None:
        """Write a copied state while the caller goes on; nothing else may be under way."""
        assert self._pending is None
        self._number += 1
        path = f"{self._prefix}-{self._number:05d}.ckpt"
        self._pending = self._thread.submit(self._write, path, frozen, position)

    def take(self, *, wait: bool) -> Written | None:
        """Return what was begun, once it is on disk.

        Args:
            wait: for its end; otherwise None means that there is nothing, or nothing yet.

        Raises:
            StorageFull: if it did not fit on the disk.
            TrainingDiverged: if it holds a number that is not finite.
        """
        pending = self._pending
        if pending is None or not (wait or pending.done()):
            return None
        self._pending = None
        return pending.result()

    def close(self) -> None:
        """Wait for the thread, and delete what it wrote if nobody took it."""
        self._thread.shutdown()
        pending, self._pending = self._pending, None
        if pending is not None and pending.exception() is None:
            checkpoints.delete_files(self._root, [pending.result().stored.path])

    def _write(self, path: str, frozen: Frozen, position: int) -> Written:
        began = time.monotonic()
        stored = checkpoints.write_durably(self._root, path, frozen())
        return Written(stored, position, time.monotonic() - began)
