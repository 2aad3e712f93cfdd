"""One attempt at one unit: every transaction in which it stores something."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy.orm import Session

from backend.db import Database, after_commit
from backend.models import Unit
from backend.runs import leases
from backend.runs.leases import Failure, Lease
from backend.runs.states import append_event
from backend.settings import Settings
from nas.events import Event
from worker import checkpoints
from worker.execution import Work
from worker.plan import settle
from worker.telemetry import UnitTelemetry
from worker.writer import CheckpointWriter, Written

Conclusion = Callable[[Session, Unit], None]


class UnitRecorder(Protocol):
    """Gathers the events of one attempt, and turns them into rows."""

    telemetry: UnitTelemetry

    def add(self, event: Event, seconds: float) -> None:
        """Gather one event that took the science so many seconds."""

    def rewind(self, session: Session, unit: Unit, position: int) -> None:
        """Forget what an earlier attempt stored beyond the position that the unit resumes from."""

    def write(self, session: Session, unit: Unit) -> None:
        """Store what was gathered."""

    def let_go(self, session: Session, unit: Unit) -> None:
        """Store the rest of the telemetry, in the transaction in which the attempt ends."""

    def finish(self, session: Session, unit: Unit) -> None:
        """Draw the conclusions of a unit that is done, in the transaction that made it so."""


class Attempt:
    """Stores the work of one lease; each transaction first verifies that the lease still holds.

    Args:
        db: the database.
        settings: folders and intervals.
        lease: what was claimed.
        recorder: turns events into rows.
        folder: of the unit's checkpoints, relative to the artifact folder.
    """

    def __init__(
        self, db: Database, settings: Settings, lease: Lease, recorder: UnitRecorder, folder: str
    ) -> None:
        self._db = db
        self._settings = settings
        self._lease = lease
        self._recorder = recorder
        self._writer = CheckpointWriter(self._root, folder, lease.attempt)
        self._written: list[Written] = []
        self._write_seconds = 0.0
        self._newest_checkpoint: str | None = None
        self._changed = False
        self._stored_at = self._frozen_at = time.monotonic()

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
            if unit.kind in ("landmarks", "rank", "combine", "stand-alone"):
                unit.progress = work.position()
            named = checkpoints.newest_first(session, unit.id)
            debris = checkpoints.debris(self._root, unit, named)
            self._delete_after_commit(session, debris)

    def add(self, event: Event, seconds: float) -> None:
        """Take one event, which took the science so long, to be stored with the next transaction."""
        self._recorder.add(event, seconds)
        self._changed = True

    def store_if_due(self, work: Work) -> None:
        """Store what has gathered, and begin a checkpoint, if the last ones are old enough.

        A checkpoint is recorded once it is on disk, by the first transaction after that; the rows
        of the progress that it holds are in that transaction or an earlier one. As there is an
        event in between, a recorded state is one from which training has gone on in health.

        Raises:
            StaleAttempt: if the lease no longer holds.
            StorageFull: if the checkpoint begun before did not fit on the disk.
            TrainingDiverged: if it holds a number that is not finite.
        """
        self._take_written(wait=False)
        now = time.monotonic()
        if now - self._stored_at < self._settings.record_seconds:
            return
        if self._checkpoint_is_due(now) and not self._writer.is_busy:
            self._begin_checkpoint(work)
        self._commit()

    def finish(self, work: Work) -> str | None:
        """Store the rest, mark the unit as done, and plan what follows from it.

        Returns:
            The path of this attempt's newest checkpoint, if it has written one.

        Raises:
            StaleAttempt: if the lease no longer holds; nothing was stored.
            StorageFull: if the checkpoint did not fit on the disk; nothing was stored.
            TrainingDiverged: if it holds a number that is not finite; nothing was stored.
        """

        def conclude(session: Session, unit: Unit) -> None:
            if unit.kind in ("search", "retrain", leases.HELPER):
                # A small space may hold fewer candidates than the budget; training may stop early;
                # nobody knows beforehand how much others evaluate.
                unit.total = unit.progress
            if not work.leaves_state:
                outdated = checkpoints.forget_all(session, unit)
                self._delete_after_commit(session, outdated)
            for following in work.following:
                following.run_id = unit.run_id
                session.add(following)
            leases.finish(session, self._lease, f"{unit.key}: done.")
            self._recorder.finish(session, unit)
            settle(session, unit.run_id)

        if work.leaves_state:
            self._write_the_newest(work)
        else:
            # What it leaves are rows, or the file of its weights, not a state to go on from.
            self._take_written(wait=True)
        return self._commit(conclude)

    def release(self, work: Work, reason: str) -> str | None:
        """Store the rest and put the unit back among the ready ones; returns and raises likewise."""

        def conclude(session: Session, unit: Unit) -> None:
            self._recorder.let_go(session, unit)
            leases.release(session, self._lease, f"{unit.key}: {reason}.")
            settle(session, unit.run_id)

        self._write_the_newest(work)
        return self._commit(conclude)

    def finish_round(self, work: Work) -> tuple[bool, str | None]:
        """Store a round's part; put the unit back if others must advance first.

        Returns:
            Whether the unit was put back, and the path of its checkpoint.
        """
        self._take_written(wait=False)
        waits = False

        def look(session: Session, unit: Unit) -> None:
            nonlocal waits
            # The round that was just stored must count.
            session.flush()
            if unit.kind == "train" and unit.progress < unit.total:
                advance = leases.training_advance(session, unit.run_id)
                waits = not advance.may_advance(unit.id)

        path = self._commit(look)
        if waits:
            path = self.release(work, "finished a round; less advanced supernets go first")
        return waits, path

    def close(self) -> None:
        """Leave no thread, and no file that is not recorded."""
        self._writer.close()
        unrecorded = [written.stored.path for written in self._written]
        checkpoints.delete_files(self._root, unrecorded)

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

    def _commit(self, conclude: Conclusion | None = None) -> str | None:
        """Store the gathered rows, and name the written checkpoints, in one transaction.

        Args:
            conclude: done last in the same transaction.

        Returns:
            The path of this attempt's newest checkpoint, if it has written one.
        """
        written = self._written
        with self._verified() as (session, unit):
            self._recorder.write(session, unit)
            for one in written:
                outdated = checkpoints.record(session, unit, one.stored, one.position)
                unit.fruitless_attempts = 0
                self._delete_after_commit(session, outdated)
            if conclude is not None:
                conclude(session, unit)
        self._written = []
        self._stored_at = time.monotonic()
        if written:
            self._newest_checkpoint = written[-1].stored.path
        return self._newest_checkpoint

    def _checkpoint_is_due(self, now: float) -> bool:
        # It counts once it is recorded, so it is begun earlier by what that takes.
        interval = self._settings.checkpoint_seconds
        ahead = self._write_seconds + 2 * self._settings.record_seconds
        return now - self._frozen_at >= max(interval - ahead, interval / 2)

    def _begin_checkpoint(self, work: Work) -> None:
        if work.freeze is None or not self._changed:
            return
        self._frozen_at = time.monotonic()
        self._changed = False
        with self._recorder.telemetry.checkpointing():
            self._writer.begin(work.freeze(), work.position())

    def _take_written(self, *, wait: bool) -> None:
        with self._recorder.telemetry.checkpointing():
            written = self._writer.take(wait=wait)
        if written is not None:
            self._written.append(written)
            self._write_seconds = written.seconds

    def _write_the_newest(self, work: Work) -> None:
        """Put the state as it is now on disk, and wait for it."""
        self._take_written(wait=True)
        self._begin_checkpoint(work)
        self._take_written(wait=True)

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
