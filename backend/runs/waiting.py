"""Why a queued run is not running yet, in a sentence for people."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db import db_now
from backend.models import WorkerSlot

SLOT_SEEN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Slots:
    """Worker slots that reported lately, and how many of them execute a unit."""

    alive: int
    busy: int


def slots(session: Session) -> Slots:
    """Count the slots that reported in the last `SLOT_SEEN_SECONDS`, by the database's clock."""
    alive, busy = session.execute(
        select(func.count(WorkerSlot.name), func.count(WorkerSlot.unit_id)).where(
            WorkerSlot.seen_at > db_now(-SLOT_SEEN_SECONDS)
        )
    ).one()
    return Slots(alive=alive, busy=busy)


def waiting_reason(state: str, found: Slots, *, is_executed: bool = False) -> str | None:
    """Say why a run waits; None if it does not.

    Args:
        state: of the run.
        found: the worker slots.
        is_executed: whether a slot holds one of its units. A running run waits too, if no slot
            is left that could go on with it.
    """
    if state not in ("queued", "running") or is_executed:
        return None
    if not found.alive:
        return (
            f"No worker slot has reported in the last {SLOT_SEEN_SECONDS:.0f} seconds: "
            "start one with `efsnas worker`."
        )
    if state == "running":
        return None  # between two of its units
    if found.busy >= found.alive:
        named = "The only worker slot is" if found.alive == 1 else f"All {found.alive} slots are"
        return f"{named} busy with another run."
    return "Waiting for a free worker slot to take it, which is a matter of seconds."
