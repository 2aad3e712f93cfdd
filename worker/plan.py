"""The units of a run, in which order they may start, and what their states mean for the run.

    partition -> [landmarks x N] -> [warm-up] -> train x K -> rank x N -> [combine] -> search
    -> retrain x N

Beside the search stand units that evaluate candidates for it, where slots have nothing else to do;
nothing depends on them, and they are done when the search is.

What is retrained is known when the search has ended; people may add to it at any time
(`backend.runs.retraining`).

Only landmarks that the run trains itself have units. Combined scorers rank against architectures of
all sub-spaces, so one unit computes them when all rank units are done.

With weight banks (routing `accumulated`) one supernet holds all sub-spaces, so there is one train
unit instead of K.

The order lives here and in the `depends_on` of each unit; the science knows nothing of it.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db import wake_after_commit
from backend.errors import NotFound
from backend.models import Job, Unit
from backend.runs.leases import HELPER
from backend.runs.lifecycle import stop_if_idle
from backend.runs.states import lock_job, move_run, move_unit
from nas.spec import RunSpec

ARCHITECTURES_PER_CHUNK = 250

LANDMARKS_PER_CHUNK = 5
"""So few, because training one takes long and several slots can train at the same time."""

ACTIVE = ("queued", "running", "pausing", "cancelling")


def train_key(spec: RunSpec, subspace: int) -> str:
    """Return the key of the unit that trains a sub-space's supernet."""
    return "train" if spec.supernet.has_banks else f"train-{subspace}"


def chunk_sizes(num_architectures: int) -> list[int]:
    """Return the sizes of the rank units that score `num_architectures` of one sub-space."""
    return _chunks(num_architectures, ARCHITECTURES_PER_CHUNK)


def units_after_partition(spec: RunSpec, sample_sizes: Sequence[int]) -> list[Unit]:
    """Return every unit that follows the partition, without their run.

    Args:
        spec: of the run.
        sample_sizes: architectures per sub-space that are scored after training.
    """
    warm_up_steps = spec.training.warm_up_steps
    units: list[Unit] = []
    before_training = ["partition"]
    landmark_units = _landmark_units(spec)
    if landmark_units:
        units += landmark_units
        before_training = [unit.key for unit in landmark_units]
    if warm_up_steps:
        units.append(_unit("warm-up", "warm-up", before_training, warm_up_steps))
        before_training = ["warm-up"]
    owners: dict[str, int | None] = {
        train_key(spec, subspace): subspace for subspace in range(len(sample_sizes))
    }
    if spec.supernet.has_banks:
        owners = dict.fromkeys(owners)
    own_steps = spec.training.steps - warm_up_steps
    for key, owner in owners.items():
        units.append(_unit(key, "train", before_training, own_steps, subspace=owner))
    ranks: list[str] = []
    for subspace, size in enumerate(sample_sizes):
        for chunk, total in enumerate(chunk_sizes(size)):
            key = f"rank-{subspace}-{chunk}"
            ranks.append(key)
            needed = [train_key(spec, subspace)]
            units.append(_unit(key, "rank", needed, total, subspace=subspace, chunk=chunk))
    combined = len(spec.ranking.combined_scorers) * sum(sample_sizes)
    if combined:
        units.append(_unit("combine", "combine", list(ranks), combined))
        ranks.append("combine")
    if spec.search is not None:
        needed = [*owners, *ranks]
        units.append(_unit("search", "search", needed, spec.search.budget))
        for chunk in range(spec.search.num_helpers):
            units.append(_unit(f"{HELPER}-{chunk}", HELPER, needed, 0, chunk=chunk))
    return units


def settle(session: Session, run_id: int) -> Job | None:
    """Draw the conclusions of the units' states: promote what may start, end what is over.

    Doing it again changes nothing, so that whoever changed a unit calls it, and the reaper calls
    it for every active run in case that caller died.

    Returns:
        The run; None if it was deleted.
    """
    try:
        run = lock_job(session, run_id, Job)
    except NotFound:
        return None
    if run.state not in ACTIVE:
        return run
    units = list(
        session.scalars(
            select(Unit)
            .where(Unit.run_id == run.id)
            .order_by(Unit.id)
            .execution_options(populate_existing=True)
        )
    )
    if run.state == "cancelling":
        stop_if_idle(session, run)
        return run
    failed = [unit for unit in units if unit.state == "failed"]
    if failed and run.state != "queued":
        _fail_run(session, run, units, failed[0])
        return run
    _dismiss_helpers(session, units)
    _promote(session, units)
    if run.state == "queued":
        return run
    if units and all(unit.state == "done" for unit in units):
        move_run(session, run, "succeeded", f"{run.title} succeeded.")
    else:
        stop_if_idle(session, run)
    return run


def _landmark_units(spec: RunSpec) -> list[Unit]:
    if spec.landmarks is None or not spec.landmarks.trainings:
        return []
    return [
        _unit(
            f"landmarks-{chunk}",
            "landmarks",
            ["partition"],
            size * spec.landmarks.trainings,
            chunk=chunk,
        )
        for chunk, size in enumerate(_chunks(spec.landmarks.choice.number, LANDMARKS_PER_CHUNK))
    ]


def _chunks(number: int, largest: int) -> list[int]:
    full, rest = divmod(number, largest)
    return [largest] * full + ([rest] if rest else [])


def _unit(
    key: str,
    kind: str,
    depends_on: Sequence[str],
    total: int,
    *,
    subspace: int | None = None,
    chunk: int | None = None,
) -> Unit:
    return Unit(
        key=key,
        kind=kind,
        subspace=subspace,
        chunk=chunk,
        depends_on=list(depends_on),
        state="waiting",
        total=total,
    )


def _dismiss_helpers(session: Session, units: Sequence[Unit]) -> None:
    if not any(unit.kind == "search" and unit.state == "done" for unit in units):
        return
    for unit in units:
        # One that is leased looks at the search itself.
        if unit.kind == HELPER and unit.state in ("waiting", "ready", "lost"):
            unit.total = unit.progress
            move_unit(session, unit, "done", f"{unit.key}: the search has ended.")


def _promote(session: Session, units: Sequence[Unit]) -> None:
    done = {unit.key for unit in units if unit.state == "done"}
    for unit in units:
        if unit.state == "waiting" and done.issuperset(unit.depends_on):
            move_unit(session, unit, "ready", f"{unit.key}: all it needs is done.")
            wake_after_commit(session, unit.run_id)


def _fail_run(session: Session, run: Job, units: Sequence[Unit], failed: Unit) -> None:
    # A leased unit loses its lease here, so whatever its runner still writes is refused.
    for unit in units:
        if unit.state in ("waiting", "ready", "lost", "leased"):
            move_unit(session, unit, "cancelled", f"{unit.key}: cancelled, {failed.key} failed.")
    run.failure_class = failed.failure_class
    run.failure_message = f"{failed.key}: {failed.failure_message}"
    move_run(session, run, "failed", run.failure_message)
