"""The states of runs and units, every legal move between them, and the history a move leaves.

Whoever changes a run and its units in one transaction takes the run's row first (`lock_run`, or
`bump`): with one order of locks no two transactions can wait for each other, and a run's event
ids rise in the order in which they are committed, on which resumable event streams rest.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from backend.columns import is_id
from backend.db import db_now
from backend.errors import IllegalTransition, NotFound
from backend.models import Build, EventRow, Job, Run, Unit

# `pausing` may also end, because the last leased unit may finish or fail before it reaches a
# checkpoint. It is begun by people, or by a unit that met a full disk: the run's failure class then
# says `storage` until it is queued again, by people or by the reaper once there is room.
# `succeeded` is left for `queued` when people ask for further retrainings.
RUN_TRANSITIONS: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"running", "cancelling"}),
    "running": frozenset({"succeeded", "failed", "pausing", "cancelling"}),
    "pausing": frozenset({"paused", "succeeded", "failed", "cancelling"}),
    "paused": frozenset({"queued", "cancelling"}),
    "cancelling": frozenset({"cancelled"}),
    "cancelled": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
    "succeeded": frozenset({"queued"}),
}

# `failed` and `cancelled` are left again only when their run is retried. Helpers of a search are
# done with it, whether or not they ever began.
UNIT_TRANSITIONS: Mapping[str, frozenset[str]] = {
    "waiting": frozenset({"ready", "cancelled", "done"}),
    "ready": frozenset({"leased", "cancelled", "done"}),
    "leased": frozenset({"done", "failed", "lost", "ready", "cancelled"}),
    "lost": frozenset({"ready", "failed", "cancelled", "done"}),
    "done": frozenset(),
    "failed": frozenset({"waiting", "ready"}),
    "cancelled": frozenset({"waiting", "ready"}),
}

Locked = TypeVar("Locked", bound=Job)
WORDS: Mapping[type[Job], str] = {Run: "run", Build: "benchmark build", Job: "run"}

ACTIVE_RUN_STATES = frozenset({"queued", "running", "pausing", "paused", "cancelling"})
FINISHED_RUN_STATES = frozenset({"succeeded", "failed", "cancelled"})


def lock_job(session: Session, job_id: int, kind: type[Locked]) -> Locked:
    """Return a job of some kind as it is now, its row locked until the transaction ends.

    Args:
        session: a writing transaction.
        job_id: of a run or of a build.
        kind: `Run`, `Build`, or `Job` for either.

    Raises:
        NotFound: if there is none.
    """
    found = None
    if is_id(job_id):
        statement = select(kind).where(kind.id == job_id).with_for_update()
        found = session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NotFound(WORDS[kind], job_id)
    return found


def lock_run(session: Session, run_id: int) -> Run:
    """Return a run likewise. Raises `NotFound`."""
    return lock_job(session, run_id, Run)


def bump(session: Session, run_id: int) -> None:
    """Raise the run's revision by one: something that a viewer may want to see has changed."""
    session.execute(
        update(Job)
        .where(Job.id == run_id)
        .values(revision=Job.revision + 1)
        .execution_options(synchronize_session=False)
    )
    loaded = session.identity_map.get(identity_key(Job, run_id))
    if loaded is not None:
        session.expire(loaded, ["revision"])


def append_event(
    session: Session,
    row: Job | Unit,
    kind: str,
    message: str,
    *,
    level: str = "info",
    data: Mapping[str, Any] | None = None,  # Any: JSON values, depends on kind
) -> None:
    """Append one line to the history of a run, or of a unit of it, and bump the revision."""
    unit_id, run_id = (row.id, row.run_id) if isinstance(row, Unit) else (None, row.id)
    with session.no_autoflush:  # the run's row is taken before any other
        bump(session, run_id)
    session.add(
        EventRow(
            run_id=run_id,
            unit_id=unit_id,
            kind=kind,
            level=level,
            message=message,
            data=dict(data or {}),
        )
    )
    session.flush()


def move_run(session: Session, run: Job, to: str, message: str = "") -> None:
    """Move a run to the state `to` and record it.

    Raises:
        IllegalTransition: if `RUN_TRANSITIONS` has no such move.
    """
    origin = run.state
    if to not in RUN_TRANSITIONS[origin]:
        raise IllegalTransition(run.title, origin, to, RUN_TRANSITIONS[origin])
    run.state = to
    if to == "running" and run.started_at is None:
        run.started_at = db_now()
    if to in FINISHED_RUN_STATES:
        run.finished_at = db_now()
    if to == "queued":
        run.finished_at = None
    if to in ("queued", "cancelling", "succeeded"):
        run.failure_class = run.failure_message = None
    _record(session, run, "run-state", origin, message or f"{run.title}: {origin} -> {to}.")


def move_unit(session: Session, unit: Unit, to: str, message: str = "") -> None:
    """Move a unit to the state `to` and record it.

    Leaving `leased` gives up the lease; the attempt stays, because it is the fencing token.

    Raises:
        IllegalTransition: if `UNIT_TRANSITIONS` has no such move.
    """
    origin = unit.state
    if to not in UNIT_TRANSITIONS[origin]:
        raise IllegalTransition(f"Unit {unit.key}", origin, to, UNIT_TRANSITIONS[origin])
    unit.state = to
    if to == "leased" and unit.started_at is None:
        unit.started_at = db_now()
    if origin == "leased":
        unit.owner = unit.lease_until = None
    if to in ("done", "failed", "cancelled"):
        unit.finished_at = db_now()
    if to in ("waiting", "ready"):
        unit.finished_at = unit.failure_class = unit.failure_message = None
    _record(session, unit, "unit-state", origin, message or f"{unit.key}: {origin} -> {to}.")


def _record(session: Session, row: Job | Unit, kind: str, origin: str, message: str) -> None:
    data: dict[str, str | int] = {"from": origin, "to": row.state}
    if isinstance(row, Unit):
        data |= {"unit": row.key, "attempt": row.attempt}
    paused_by_failure = row.state in ("pausing", "paused") and row.failure_class is not None
    is_warning = row.state == "lost" or paused_by_failure
    level = "error" if row.state == "failed" else "warning" if is_warning else "info"
    append_event(session, row, kind, message, level=level, data=data)
