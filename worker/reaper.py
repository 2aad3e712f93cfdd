"""Puts right what crashes and lost messages leave behind (`python -m worker.reaper`).

Every few seconds: leases that ran out are returned, runs whose units say that they are over are
ended, runs that a full disk paused go on once there is room, and wake-ups are sent for whatever is
ready. Each step locks the run and looks again, so two reapers do no harm.
"""

import sys
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import delete, func, make_url, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from backend.db import Database, db_now
from backend.logs import configure_logs
from backend.models import Artifact, EventRow, Job, Unit, WorkerSlot
from backend.queue import wake
from backend.runs import leases, lifecycle
from backend.runs.leases import CLAIMABLE_RUN_STATES, Failure, FailureClass, Lease, StaleAttempt
from backend.runs.states import ACTIVE_RUN_STATES, lock_job
from backend.settings import Settings
from backend.storage import has_room
from worker.plan import settle
from worker.signals import StopSignals

SLOT_FORGOTTEN_SECONDS = 600.0
"""A slot that has been silent for so long is no longer listed."""

ROOM_IN_CHECKPOINTS = 4
"""So many of a run's largest checkpoint must fit before a full disk counts as having room again."""

_log = structlog.get_logger(__name__)


def reap(db: Database, settings: Settings) -> None:
    """Look once at everything."""
    with db.reading() as session:
        expired = leases.expired(session)
        active = list(session.scalars(select(Job.id).where(Job.state.in_(ACTIVE_RUN_STATES))))
        without_room = _runs_without_room(session, settings)
    for lease in expired:
        return_expired(db, settings, lease)
    for run_id in active:
        with db.unit_of_work() as session:
            settle(session, run_id)
    for run_id, num_bytes in without_room.items():
        resume_if_room(db, settings, run_id, num_bytes)
    with db.reading() as session:
        ready = _runs_with_work(session) if _some_slot_is_idle(session) else []
    for run_id in ready:
        wake(settings, run_id)
    with db.unit_of_work() as session:
        silent = WorkerSlot.seen_at < db_now(-SLOT_FORGOTTEN_SECONDS)
        session.execute(delete(WorkerSlot).where(silent))


def return_expired(db: Database, settings: Settings, lease: Lease) -> None:
    """Return a unit whose lease ran out, unless it was renewed or returned meanwhile."""
    text = f"The lease of {lease.owner} expired: its worker stopped answering."
    failure = Failure(FailureClass.LOST, text)
    try:
        with db.unit_of_work() as session:
            leases.verify(session, lease)
            if leases.is_expired(session, lease):
                leases.fail(session, lease, failure, settings.max_fruitless_attempts)
                settle(session, lease.run_id)
    except StaleAttempt as error:
        _log.info("the unit was returned already", reason=str(error))


def resume_if_room(db: Database, settings: Settings, run_id: int, num_bytes: int) -> None:
    """Queue a run again that a full disk paused, if `num_bytes` fit by now and more are left."""
    for folder in _folders(settings):
        if not has_room(folder, settings.resume_free_bytes, num_bytes):
            return
    with db.unit_of_work() as session:
        run = lock_job(session, run_id, Job)
        if _waits_for_room(run):
            lifecycle.resume(session, run, "Resumed: the disk has room again.")


def serve(settings: Settings) -> int:
    """Reap until SIGTERM or SIGINT; return the exit code."""
    stop = StopSignals()
    db = Database(settings.database, wake=partial(wake, settings))
    try:
        while not stop.wait(settings.reap_seconds):
            try:
                reap(db, settings)
            except OperationalError as error:
                _log.warning("the database does not answer", error=str(error.orig))
    finally:
        db.close()
    return 0


def main() -> int:
    """Serve with the settings of the environment."""
    configure_logs()
    return serve(Settings())


def _runs_without_room(session: Session, settings: Settings) -> dict[int, int]:
    """Return the runs that a full disk paused some time ago, each with the bytes it should find."""
    lately = (
        select(EventRow.id)
        .where(
            EventRow.run_id == Job.id,
            EventRow.kind == "run-state",
            EventRow.created_at > db_now(-settings.resume_seconds),
        )
        .exists()
    )
    rows = session.execute(
        select(Job.id, func.coalesce(func.max(Artifact.num_bytes), 0))
        .outerjoin(Artifact, Artifact.run_id == Job.id)
        .where(Job.state == "paused", Job.failure_class == FailureClass.STORAGE, ~lately)
        .group_by(Job.id)
    )
    return {run_id: ROOM_IN_CHECKPOINTS * largest for run_id, largest in rows}


def _waits_for_room(run: Job) -> bool:
    return run.state == "paused" and run.failure_class == FailureClass.STORAGE


def _folders(settings: Settings) -> list[Path]:
    """Return where checkpoints and, if it is a file, the database lie."""
    settings.artifact_folder.mkdir(parents=True, exist_ok=True)
    folders = [settings.artifact_folder]
    database = make_url(settings.database)
    if database.drivername == "sqlite" and database.database:
        folders.append(Path(database.database).parent)
    return folders


def _some_slot_is_idle(session: Session) -> bool:
    # Messages to busy slots would pile up in Redis, and they look for work before they rest.
    idle = select(WorkerSlot.name).where(WorkerSlot.unit_id.is_(None)).limit(1)
    return session.scalar(idle) is not None


def _runs_with_work(session: Session) -> list[int]:
    statement = (
        select(Unit.run_id)
        .join(Job)
        .where(Unit.state == "ready", Job.state.in_(CLAIMABLE_RUN_STATES))
        .distinct()
    )
    return list(session.scalars(statement))


if __name__ == "__main__":
    sys.exit(main())
