"""What people may do to a run, and in which of its states."""

from collections.abc import Callable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db import wake_after_commit
from backend.errors import Conflict
from backend.models import Job, Unit
from backend.runs.states import Locked, lock_job, move_run, move_unit

# Action -> states of the run in which it is allowed; `clone` and edits always are.
ACTIONS: Mapping[str, frozenset[str]] = {
    "cancel": frozenset({"queued", "running", "pausing", "paused"}),
    "pause": frozenset({"running"}),
    "resume": frozenset({"paused"}),
    "retry": frozenset({"failed", "cancelled"}),
    "delete": frozenset({"succeeded", "failed", "cancelled"}),
    "retrain": frozenset({"queued", "running", "pausing", "paused", "succeeded"}),
}

OF_RUNS_ALONE = ("clone", "retrain")
"""Actions that a build does not have."""


def allowed_actions(state: str) -> list[str]:
    """Return the names of the actions that a run in `state` allows, sorted."""
    return sorted([action for action, states in ACTIONS.items() if state in states] + ["clone"])


def actions_of(job: Job) -> list[str]:
    """Return the same of a run or a build."""
    named = allowed_actions(job.state)
    return [name for name in named if name not in OF_RUNS_ALONE or job.kind == "run"]


def require(run: Job, action: str) -> None:
    """Refuse an action that the run's state forbids.

    Raises:
        Conflict: naming the allowed actions.
    """
    if run.state not in ACTIONS[action]:
        allowed = actions_of(run)
        raise Conflict(
            f"{run.title} is {run.state}: {action} is not possible now; "
            f"possible: {', '.join(allowed)}.",
            state=run.state,
            allowed_actions=allowed,
        )


def cancel(session: Session, run: Job) -> None:
    """Stop a run: at once if no slot works on it, else when the last one has let go."""
    require(run, "cancel")
    move_run(session, run, "cancelling", "Cancel requested.")
    stop_if_idle(session, run)


def pause(session: Session, run: Job) -> None:
    """Let the run's units return to `ready` at their next checkpoint, and start no others."""
    require(run, "pause")
    move_run(session, run, "pausing", "Pause requested.")
    stop_if_idle(session, run)


def pause_for(session: Session, run: Job, cause: str, message: str) -> None:
    """Pause a running run for a cause that goes away by itself; the worker then resumes it.

    A run that is being stopped already is left to that.

    Args:
        session: with the run's row taken.
        run: of the unit that met the cause.
        cause: its failure class.
        message: for people, with what would end it.
    """
    if run.state == "running":
        run.failure_class, run.failure_message = cause, message
        move_run(session, run, "pausing", message)


def resume(session: Session, run: Job, message: str = "Resumed.") -> None:
    """Queue a paused run again."""
    require(run, "resume")
    move_run(session, run, "queued", message)
    wake_after_commit(session, run.id)


def retry(session: Session, run: Job) -> None:
    """Queue a failed or cancelled run again; what is done stays done.

    Attempts keep counting, because they fence off writers of the past; the count of attempts
    without a checkpoint starts anew.
    """
    require(run, "retry")
    units = _units(session, run)
    leased = [unit.key for unit in units if unit.state == "leased"]
    if leased:
        raise Conflict(
            f"{run.title}: {', '.join(leased)} is still stopping; retry in a moment.",
            state=run.state,
            allowed_actions=[name for name in actions_of(run) if name == "clone"],
        )
    move_run(session, run, "queued", "Retry requested.")
    done = {unit.key for unit in units if unit.state == "done"}
    for unit in units:
        unit.fruitless_attempts = 0
        to = "ready" if done.issuperset(unit.depends_on) else "waiting"
        if unit.state == "lost":
            move_unit(session, unit, "ready", f"{unit.key}: ready again.")
        elif unit.state in ("failed", "cancelled"):
            move_unit(session, unit, to, f"{unit.key}: {to} again.")
    wake_after_commit(session, run.id)


RUN_ACTIONS: Mapping[str, Callable[[Session, Job], None]] = {
    "cancel": cancel,
    "pause": pause,
    "resume": resume,
    "retry": retry,
}


def act(session: Session, job_id: int, action: str, kind: type[Locked]) -> Locked:
    """Do one of `RUN_ACTIONS` to a run or a build and return it.

    Raises:
        NotFound: if there is none of this kind.
        Conflict: if its state forbids the action.
    """
    run = lock_job(session, job_id, kind)
    RUN_ACTIONS[action](session, run)
    session.flush()
    return run


def stop_if_idle(session: Session, run: Job) -> None:
    """Complete a requested cancel or pause if no slot executes a unit of the run.

    To be called with the run's row taken (`lock_run`); doing it again changes nothing.
    """
    if run.state not in ("pausing", "cancelling"):
        return
    units = _units(session, run)
    leased = any(unit.state == "leased" for unit in units)
    if run.state == "cancelling":
        for unit in units:
            if unit.state in ("waiting", "ready", "lost"):
                move_unit(session, unit, "cancelled", f"{unit.key}: cancelled.")
        if not leased:
            move_run(session, run, "cancelled", "Cancelled; no unit is being executed.")
    elif not leased:
        move_run(session, run, "paused", "Paused; no unit is being executed.")


def _units(session: Session, run: Job) -> list[Unit]:
    session.flush()
    statement = select(Unit).where(Unit.run_id == run.id).order_by(Unit.id)
    return list(session.scalars(statement.execution_options(populate_existing=True)))
