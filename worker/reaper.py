"""Puts right what crashes and lost messages leave behind (`python -m worker.reaper`).

Every few seconds: leases that ran out are returned, runs whose units say that they are over are
ended, and wake-ups are sent for whatever is ready. Each step locks the run and looks again, so
two reapers do no harm.
"""

import sys
from functools import partial

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from backend.db import Database, db_now
from backend.logs import configure_logs
from backend.models import Run, Unit, WorkerSlot
from backend.queue import wake
from backend.runs import leases
from backend.runs.leases import CLAIMABLE_RUN_STATES, Failure, FailureClass, Lease, StaleAttempt
from backend.runs.states import ACTIVE_RUN_STATES
from backend.settings import Settings
from worker.plan import settle
from worker.signals import StopSignals

SLOT_FORGOTTEN_SECONDS = 600.0
"""A slot that has been silent for so long is no longer listed."""

_log = structlog.get_logger(__name__)


def reap(db: Database, settings: Settings) -> None:
    """Look once at everything."""
    with db.reading() as session:
        expired = leases.expired(session)
        active = list(session.scalars(select(Run.id).where(Run.state.in_(ACTIVE_RUN_STATES))))
    for lease in expired:
        return_expired(db, settings, lease)
    for run_id in active:
        with db.unit_of_work() as session:
            settle(session, run_id)
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


def _some_slot_is_idle(session: Session) -> bool:
    # Messages to busy slots would pile up in Redis, and they look for work before they rest.
    idle = select(WorkerSlot.name).where(WorkerSlot.unit_id.is_(None)).limit(1)
    return session.scalar(idle) is not None


def _runs_with_work(session: Session) -> list[int]:
    statement = (
        select(Unit.run_id)
        .join(Run)
        .where(Unit.state == "ready", Run.state.in_(CLAIMABLE_RUN_STATES))
        .distinct()
    )
    return list(session.scalars(statement))


if __name__ == "__main__":
    sys.exit(main())
