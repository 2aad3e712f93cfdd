"""Why a queued run is not running yet, in a sentence for people."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db import db_now
from backend.models import Unit, WorkerSlot

SLOT_SEEN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Slots:
    """Worker slots that reported lately.

    Attributes:
        alive: how many.
        busy: how many of them said that they execute a unit.
        run_ids: of the runs whose units those are.
        held_back: of the others, why each begins no unit; None where nothing holds it back.
        max_processes: the most processes that some slot can train a unit with; None: any number.
    """

    alive: int
    busy: int
    run_ids: Collection[int] = frozenset()
    held_back: Sequence[str | None] = ()
    max_processes: int | None = None


def slots(session: Session) -> Slots:
    """Count the slots that reported in the last `SLOT_SEEN_SECONDS`, by the database's clock."""
    rows = session.execute(
        select(Unit.run_id, WorkerSlot.held_back, WorkerSlot.max_processes)
        .select_from(WorkerSlot)
        .outerjoin(Unit, Unit.id == WorkerSlot.unit_id)
        .where(WorkerSlot.seen_at > db_now(-SLOT_SEEN_SECONDS))
    ).all()
    executed = [row.run_id for row in rows if row.run_id is not None]
    limits = [row.max_processes for row in rows]
    return Slots(
        alive=len(rows),
        busy=len(executed),
        run_ids=frozenset(executed),
        held_back=tuple(row.held_back for row in rows if row.run_id is None),
        max_processes=None if None in limits else max(limits, default=None),
    )


def executed_of(session: Session, ids: Sequence[int]) -> set[int]:
    """Return those of some jobs of which a slot executes a unit."""
    leased = select(Unit.run_id).where(Unit.run_id.in_(ids), Unit.state == "leased")
    return set(session.scalars(leased))


def waiting_reason(
    state: str,
    found: Slots,
    *,
    run_id: int | None = None,
    is_executed: bool = False,
    processes: int = 1,
) -> str | None:
    """Say why a run waits; None if it does not.

    Args:
        state: of the run.
        found: the worker slots.
        run_id: of the run; None if no slot can know it yet.
        is_executed: whether a slot holds one of its units. A running run waits too, if no slot
            is left that could go on with it.
        processes: that train each unit of the run.
    """
    if state not in ("queued", "running") or is_executed:
        return None
    if not found.alive:
        return (
            f"No worker slot has reported in the last {SLOT_SEEN_SECONDS:.0f} seconds: "
            "start one with `efsnas worker`."
        )
    if found.max_processes is not None and processes > found.max_processes:
        return (
            f"training.processes is {processes}, and no worker slot has that many GPUs: start one "
            "with `efsnas worker --slots 1` on a host that has them."
        )
    reasons = [reason for reason in found.held_back if reason is not None]
    if reasons and found.busy + len(reasons) >= found.alive:
        return f"No worker slot has enough free memory: {reasons[0]}."
    if state == "running":
        return None  # between two of its units
    # Slots report every few seconds: after a quick pause and resume the slot's last word may still
    # be about this very run.
    if found.busy >= found.alive and run_id not in found.run_ids:
        named = "The only worker slot is" if found.alive == 1 else f"All {found.alive} slots are"
        return f"{named} busy with another run."
    return "Waiting for a free worker slot to take it, which is a matter of seconds."
