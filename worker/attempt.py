"""One attempt at one unit: every transaction in which it stores something."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from backend.db import Database, after_commit
from backend.models import Unit
from backend.runs import leases
from backend.runs.leases import Failure, Lease, StaleAttempt
from backend.runs.states import append_event
from backend.settings import Settings
from nas.events import Event
from worker import checkpoints
from worker.checkpoints import StoredFile
from worker.execution import Work
from worker.plan import settle
from worker.recorder import Recorder

Conclusion = Callable[[Session, Unit], None]


class Attempt:
    """Stores the work of one lease; each transaction first verifies that the lease still holds.

    Args:
        db: the database.
        settings: folders and intervals.
        lease: what was claimed.
        recorder: turns events into rows.
    """

    def __init__(self, db: Database, settings: Settings, lease: Lease, recorder: Recorder) -> None:
        self._db = db
        self._settings = settings
        self._lease = lease
        self._recorder = recorder
        self._num_checkpoints = 0
        self._newest_checkpoint: str | None = None
        self._changed = False
        self._stored_at = self._checkpoint_at = time.monotonic()

    def begin(self, work: Work) -> None:
        """Store where the unit resumes, and remove what an earlier attempt left beyond that.

        Raises:
            StaleAttempt: if the lease no longer holds.
        """
        with self._verified() as (session, unit):
            for artifact in work.unreadable:
                checkpoints.forget(session, artifact)
            for level, message in work.log:
                append_event(session, unit, "log", message, level=level)
            self._recorder.rewind(session, unit, work.position())
            if unit.kind == "rank":
                unit.progress = work.position()
            named = checkpoints.newest_first(session, unit.id)
            debris = checkpoints.debris(self._root, unit, named)
            self._delete_after_commit(session, debris)

    def add(self, event: Event, seconds: float) -> None:
        """Take one event, which took the science so long, to be stored with the next transaction."""
        self._recorder.add(event, seconds)
        self._changed = True

    def store_if_due(self, work: Work) -> None:
        """Store what has gathered, and a checkpoint, if the last ones are old enough.

        Raises:
            StaleAttempt: if the lease no longer holds.
            StorageFull: if a checkpoint did not fit on the disk.
        """
        now = time.monotonic()
        checkpoint_due = now - self._checkpoint_at >= self._settings.checkpoint_seconds
        if now - self._stored_at >= self._settings.record_seconds:
            self.store(work, checkpoint=checkpoint_due)

    def store(
        self, work: Work, *, checkpoint: bool, conclude: Conclusion | None = None
    ) -> str | None:
        """Store the gathered rows in one transaction, with a checkpoint if asked for.

        Args:
            work: the unit's work, for its state and position.
            checkpoint: write the state too, if it changed since the last time.
            conclude: done last in the same transaction.

        Returns:
            The path of this attempt's newest checkpoint, if it has written one.

        Raises:
            StaleAttempt: if the lease no longer holds; nothing was stored.
            StorageFull: if the checkpoint did not fit on the disk; nothing was stored.
        """
        stored = self._write_checkpoint(work) if checkpoint and self._changed else None
        try:
            with self._verified() as (session, unit):
                self._recorder.write(session, unit)
                if stored is not None:
                    outdated = checkpoints.record(session, unit, stored, work.position())
                    unit.fruitless_attempts = 0
                    self._delete_after_commit(session, outdated)
                if conclude is not None:
                    conclude(session, unit)
        except StaleAttempt:
            if stored is not None:
                checkpoints.delete_files(self._root, [stored.path])
            raise
        self._stored_at = time.monotonic()
        if stored is not None:
            self._changed, self._checkpoint_at = False, self._stored_at
            self._newest_checkpoint = stored.path
        return self._newest_checkpoint

    def finish(self, work: Work) -> str | None:
        """Store the rest, mark the unit as done, and plan what follows from it."""

        def conclude(session: Session, unit: Unit) -> None:
            if unit.kind == "search":
                # A small space may hold fewer candidates than the budget.
                unit.total = unit.progress
            for following in work.following:
                following.run_id = unit.run_id
                session.add(following)
            leases.finish(session, self._lease, f"{unit.key}: done.")
            self._recorder.finish(session, unit)
            settle(session, unit.run_id)

        return self.store(work, checkpoint=True, conclude=conclude)

    def release(self, work: Work, reason: str) -> str | None:
        """Store the rest and put the unit back among the ready ones."""

        def conclude(session: Session, unit: Unit) -> None:
            self._recorder.let_go(session, unit)
            leases.release(session, self._lease, f"{unit.key}: {reason}.")
            settle(session, unit.run_id)

        return self.store(work, checkpoint=True, conclude=conclude)

    def finish_round(self, work: Work) -> tuple[bool, str | None]:
        """Store a round's part; put the unit back if others must advance first.

        Returns:
            Whether the unit was put back, and the path of its checkpoint.
        """
        waits = False

        def conclude(session: Session, unit: Unit) -> None:
            nonlocal waits
            # The round that was just stored must count.
            session.flush()
            if unit.kind != "train" or unit.progress >= unit.total:
                return
            if not leases.training_advance(session, unit.run_id).may_advance(unit.id):
                waits = True
                self._recorder.let_go(session, unit)
                text = f"{unit.key}: finished a round; less advanced supernets go first."
                leases.release(session, self._lease, text)

        path = self.store(work, checkpoint=True, conclude=conclude)
        return waits, path

    def cancel(self) -> None:
        """Give the unit up in a run that is being cancelled."""
        with self._verified() as (session, unit):
            leases.cancel(session, self._lease)
            settle(session, unit.run_id)

    @property
    def _root(self) -> Path:
        return self._settings.artifact_folder

    @contextlib.contextmanager
    def _verified(self) -> Iterator[tuple[Session, Unit]]:
        with self._db.unit_of_work() as session:
            _, unit = leases.verify(session, self._lease)
            yield session, unit

    def _write_checkpoint(self, work: Work) -> StoredFile | None:
        if work.snapshot is None:
            return None
        self._num_checkpoints += 1
        name = f"attempt-{self._lease.attempt:04d}-{self._num_checkpoints:05d}.ckpt"
        with self._recorder.telemetry.checkpointing():
            return checkpoints.write_durably(self._root, f"{work.folder}/{name}", work.snapshot())

    def _delete_after_commit(self, session: Session, paths: Sequence[str]) -> None:
        after_commit(session, lambda: checkpoints.delete_files(self._root, paths))


def record_failure(db: Database, settings: Settings, lease: Lease, failure: Failure) -> None:
    """Store that an attempt failed, and what that means for the unit and the run.

    Raises:
        StaleAttempt: if the lease no longer holds.
    """
    with db.unit_of_work() as session:
        leases.fail(session, lease, failure, settings.max_fruitless_attempts)
        settle(session, lease.run_id)
