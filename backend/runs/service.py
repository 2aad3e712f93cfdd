"""Creating, listing, changing and removing runs. Every function takes the session first.

The caller opens the transaction (`Database.unit_of_work`); workers are woken once it has
committed.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import delete, literal, select
from sqlalchemy.orm import Session, selectinload

from backend.columns import is_id
from backend.db import after_commit, wake_after_commit
from backend.errors import ApiError, NotFound
from backend.models import Artifact, EventRow, Run, Unit
from backend.paging import Page, decode_cursor, encode_cursor
from backend.runs import inheritance, lifecycle
from backend.runs.checks import check_spec, resolved
from backend.runs.reading import read_run, summaries
from backend.runs.schemas import RunPatch, RunRead, RunSummary
from backend.runs.states import append_event, lock_run
from backend.validation import field_errors, sentence
from nas.spec import RunSpec

LISTED = "runs"
"""What the cursors of the run list are good for."""


def create_run(
    session: Session,
    spec: RunSpec,
    *,
    note: str = "",
    cloned_from: int | None = None,
    artifact_folder: Path | None = None,
) -> RunRead:
    """Queue a run.

    It starts with one unit, `partition`; the worker plans the others once that is done.

    Args:
        session: a writing transaction.
        spec: what it is to do.
        note: of its author.
        cloned_from: the run whose spec it has, changed or not.
        artifact_folder: see `check_spec`.

    Raises:
        Unprocessable: if the spec cannot be executed, naming the field.
    """
    references = check_spec(session, spec, artifact_folder)
    spec = spec.model_copy(update={"search": references.searcher})
    if spec.retrain is not None:
        plan = resolved(spec.retrain, references.dataset)
        spec = spec.model_copy(update={"retrain": plan})
    run = Run(
        name=spec.name,
        spec=spec,
        space=references.space,
        dataset=references.dataset,
        benchmark=references.benchmark,
        truth=references.truth,
        note=note,
        cloned_from=cloned_from,
        inherits_from=None if references.source is None else references.source.id,
    )
    session.add(run)
    session.flush()
    session.add(Unit(run_id=run.id, key="partition", kind="partition", state="ready", total=1))
    origin = "Run queued." if cloned_from is None else f"Run queued as a clone of {cloned_from}."
    append_event(session, run, "run-state", origin, data={"from": None, "to": "queued"})
    wake_after_commit(session, run.id)
    return read_run(session, run)


def require_run(session: Session, run_id: int) -> Run:
    """Return the row of a run.

    Raises:
        NotFound: if there is no such run.
    """
    run = session.get(Run, run_id) if is_id(run_id) else None
    if run is None:
        raise NotFound("run", run_id)
    return run


def get_run(session: Session, run_id: int) -> RunRead:
    """Return everything about a run.

    Raises:
        NotFound: if there is no such run.
    """
    return read_run(session, require_run(session, run_id))


def get_revisions(session: Session, run_ids: Sequence[int]) -> list[int]:
    """Return the numbers that rise with every change of runs, in the given order, for cheap polling.

    Raises:
        NotFound: naming the first run that does not exist.
    """
    known = [run_id for run_id in run_ids if is_id(run_id)]
    rows = session.execute(select(Run.id, Run.revision).where(Run.id.in_(known)))
    found = {run_id: revision for run_id, revision in rows}
    for run_id in run_ids:
        if run_id not in found:
            raise NotFound("run", run_id)
    return [found[run_id] for run_id in run_ids]


def list_runs(
    session: Session,
    *,
    state: str | None = None,
    archived: bool | None = False,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[RunSummary]:
    """Return runs, newest first.

    Args:
        session: a transaction.
        state: only runs in this state.
        archived: only archived runs, or only others; None for both.
        limit: at most this many.
        cursor: `next_cursor` of the page before.
    """
    versions = (
        selectinload(named) for named in (Run.space, Run.dataset, Run.benchmark, Run.truth)
    )
    statement = select(Run).options(*versions).order_by(Run.id.desc()).limit(limit + 1)
    if state is not None:
        statement = statement.where(Run.state == state)
    if archived is not None:
        statement = statement.where(Run.archived == archived)
    if cursor is not None:
        # A literal of its own width: the column's may be too narrow for an invented cursor.
        (last,) = decode_cursor(cursor, LISTED, int)
        statement = statement.where(Run.id < literal(last))
    runs = session.scalars(statement).all()
    shown = runs[:limit]
    return Page(
        items=summaries(session, shown),
        next_cursor=encode_cursor(LISTED, [shown[-1].id]) if len(runs) > limit else None,
    )


def update_run(session: Session, run_id: int, patch: RunPatch) -> RunRead:
    """Change a run's name, note or place in the archive; what is absent stays.

    Raises:
        NotFound: if there is no such run.
    """
    run = lock_run(session, run_id)
    changes = patch.model_dump(exclude_unset=True, exclude_none=True)
    for field, value in changes.items():
        setattr(run, field, value)
    if changes:
        named = ", ".join(sorted(changes))
        append_event(session, run, "edit", f"Changed {named}.", data=changes)
    return read_run(session, run)


def delete_run(session: Session, run_id: int, artifact_folder: Path) -> None:
    """Remove a finished run, its results and, once that is committed, its files.

    Raises:
        NotFound: if there is no such run.
        Conflict: if it has not finished, or if unfinished runs inherit from it.
    """
    run = lock_run(session, run_id)
    lifecycle.require(run, "delete")
    inheritance.require_no_heirs(session, run)
    paths = session.scalars(select(Artifact.path).where(Artifact.run_id == run_id)).all()
    # Ahead of the units, to which they refer without an index.
    session.execute(delete(EventRow).where(EventRow.run_id == run_id))
    session.execute(delete(Run).where(Run.id == run_id))
    for path in paths:
        # Gone already is as good as removed: the purge may run twice.
        after_commit(session, partial((artifact_folder / path).unlink, missing_ok=True))


def cancel(session: Session, run_id: int) -> RunRead:
    """Stop a run. Raises `NotFound`, `Conflict`."""
    return _act(session, run_id, "cancel")


def pause(session: Session, run_id: int) -> RunRead:
    """Pause a run at its units' next checkpoints. Raises `NotFound`, `Conflict`."""
    return _act(session, run_id, "pause")


def resume(session: Session, run_id: int) -> RunRead:
    """Queue a paused run again. Raises `NotFound`, `Conflict`."""
    return _act(session, run_id, "resume")


def retry(session: Session, run_id: int) -> RunRead:
    """Queue a failed or cancelled run again. Raises `NotFound`, `Conflict`."""
    return _act(session, run_id, "retry")


def clone(
    session: Session,
    run_id: int,
    changes: Mapping[str, Any] | None = None,  # Any: JSON values
    *,
    artifact_folder: Path | None = None,
) -> RunRead:
    """Queue a new run with the spec of another one, changed where `changes` says so.

    Args:
        session: a transaction.
        run_id: the run to copy.
        changes: a JSON merge patch (RFC 7396) of the spec: null removes a field, so that its
            default applies.
        artifact_folder: see `check_spec`.

    Raises:
        NotFound: if there is no such run.
        Unprocessable: if the changed spec is not valid or cannot be executed.
    """
    original = require_run(session, run_id)
    merged = merge_patch(original.spec.model_dump(mode="json"), dict(changes or {}))
    try:
        spec = RunSpec.model_validate(merged)
    except ValidationError as error:
        errors = field_errors(error.errors(include_url=False), merged)
        raise ApiError(sentence(errors), 422, errors=errors) from error
    return create_run(session, spec, cloned_from=original.id, artifact_folder=artifact_folder)


def merge_patch(target: Any, patch: Any) -> Any:  # Any: JSON values
    """Apply a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _act(session: Session, run_id: int, action: str) -> RunRead:
    return read_run(session, lifecycle.act(session, run_id, action, Run))
