"""The telemetry of a run, down-sampled by the database so that sums stay true."""

from sqlalchemy import RowMapping, case, func, select
from sqlalchemy.orm import Session

from backend.models import TelemetryRow, Unit
from backend.runs.schemas import TelemetryRead

DEFAULT_POINTS = 500
MOST_POINTS = 10_000
TRAINING_KINDS = ("warm-up", "train")

ADDED = (
    "seconds",
    "updates",
    "images",
    "data_seconds",
    "forward_seconds",
    "backward_seconds",
    "optimizer_seconds",
    "ranking_seconds",
    "checkpoint_seconds",
    "cpu_seconds",
    "gpu_seconds",
)
NEWEST_OR_MOST = ("at", "attempt", "step", "memory_bytes", "gpu_memory_bytes")
TRAINING_PARTS = ("data", "forward", "backward", "optimizer")


def telemetry(session: Session, run_id: int, points: int = DEFAULT_POINTS) -> list[TelemetryRead]:
    """Return the rows of every unit by time, units in the order of their planning.

    Of a unit with more than `points` rows, each 2, 4, 8, ... that follow one another become one. A
    power of two, so that a growing series keeps its earlier points.

    Args:
        session: a transaction.
        run_id: the run; an unknown one has no rows.
        points: largest number per unit, at least 1.
    """
    counts = session.execute(
        select(TelemetryRow.unit_id, func.count())
        .where(TelemetryRow.run_id == run_id)
        .group_by(TelemetryRow.unit_id)
    ).all()
    if not counts:
        return []
    strides = {unit_id: _stride(count, points) for unit_id, count in counts}
    number = func.row_number().over(partition_by=TelemetryRow.unit_id, order_by=TelemetryRow.at)
    group = (number - 1) // case(strides, value=TelemetryRow.unit_id)
    numbered = (
        select(TelemetryRow, group.label("group")).where(TelemetryRow.run_id == run_id).subquery()
    )
    groups = (
        select(
            numbered.c.unit_id,
            numbered.c.group,
            *(func.sum(numbered.c[name]).label(name) for name in ADDED),
            *(func.max(numbered.c[name]).label(name) for name in NEWEST_OR_MOST),
        )
        .group_by(numbered.c.unit_id, numbered.c.group)
        .subquery()
    )
    statement = (
        select(Unit.key, Unit.kind, Unit.subspace, groups)
        .join(groups, groups.c.unit_id == Unit.id)
        .order_by(Unit.id, groups.c.group)
    )
    return [_read(row) for row in session.execute(statement).mappings()]


def _stride(count: int, points: int) -> int:
    stride = 1
    while count > stride * points:
        stride *= 2
    return stride


def _read(row: RowMapping) -> TelemetryRead:
    seconds = row["seconds"]
    training = sum(row[f"{part}_seconds"] for part in TRAINING_PARTS)
    useful = training + row["ranking_seconds"]
    trains = row["kind"] in TRAINING_KINDS and seconds > 0
    taken = ("at", "attempt", "step", "memory_bytes", "gpu_memory_bytes", "checkpoint_seconds")
    return TelemetryRead(
        unit=row["key"],
        kind=row["kind"],
        subspace=row["subspace"],
        seconds=seconds,
        updates=int(row["updates"]),
        images=int(row["images"]),
        steps_per_second=float(row["updates"]) / seconds if trains else None,
        samples_per_second=float(row["images"]) / seconds if trains else None,
        ranking_seconds=row["ranking_seconds"],
        # The clocks of the parts are not that of the whole.
        other_seconds=max(seconds - useful - row["checkpoint_seconds"], 0.0),
        useful_share=min(useful / seconds, 1.0) if seconds > 0 else 0.0,
        cpu_percent=_percent(row["cpu_seconds"], seconds),
        gpu_percent=_percent(row["gpu_seconds"], seconds),
        **{f"{part}_seconds": row[f"{part}_seconds"] for part in TRAINING_PARTS},
        **{name: row[name] for name in taken},
    )


def _percent(busy: float | None, seconds: float) -> float | None:
    return None if busy is None or seconds <= 0 else 100 * busy / seconds
