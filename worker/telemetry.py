"""Where a unit's time goes and what its process uses: at most one row per unit and second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.models import TelemetryRow, Unit
from nas.events import (
    ArchitecturesScored,
    CandidateEvaluated,
    CandidatesScored,
    Event,
    LatencyMeasured,
    PartSeconds,
    ScorerPrepared,
    StandAloneProgressed,
    TrainingProgressed,
)
from worker.resources import Resources, Usage

LEAST_SECONDS = 1.0
"""That a row covers, but for the last one of an attempt."""

FINEST = 1 / 500
"""Likewise, as a part of all the time for which the unit has been worked on.

So days of work are not as many rows as they have seconds: after a day a unit has some 3,000.
"""


@dataclass(slots=True)
class Spent:
    """What a unit did, and how long the parts of it took, since the last row."""

    updates: int = 0
    images: int = 0
    data_seconds: float = 0.0
    forward_seconds: float = 0.0
    backward_seconds: float = 0.0
    optimizer_seconds: float = 0.0
    ranking_seconds: float = 0.0
    checkpoint_seconds: float = 0.0


class UnitTelemetry:
    """Gathers the telemetry of one attempt at one unit.

    Only what is new counts, so an event that is added twice changes nothing. Work that a later
    attempt must repeat stays counted: its time was spent.

    Args:
        resources: of this process.
        updates: optimizer steps that the unit has made before this attempt.
        images: training images times architectures that it saw in them.
        began: moment (`time.monotonic`) at which the attempt began; None for now.
    """

    def __init__(
        self,
        resources: Resources | None = None,
        *,
        updates: int = 0,
        images: int = 0,
        began: float | None = None,
    ) -> None:
        self._resources = resources or Resources()
        self._updates = updates
        self._images = images
        self._spent = Spent()
        self._written_at = time.monotonic() if began is None else began
        self._usage = self._resources.read()
        self._total: float | None = None
        self._has_worked = False

    def add(self, event: Event, seconds: float) -> None:
        """Take one event that took the science so many seconds."""
        match event:
            case TrainingProgressed():
                self._add_training(event)
            case StandAloneProgressed():
                self._spent.updates += event.updates
                self._spent.images += event.images
                self._add_parts(event.part_seconds)
            case (
                ArchitecturesScored()
                | ScorerPrepared()
                | CandidateEvaluated()
                | CandidatesScored()
                | LatencyMeasured()
            ):
                self._spent.ranking_seconds += seconds
            case _:
                return
        self._has_worked = True

    @contextmanager
    def checkpointing(self) -> Iterator[None]:
        """Count the time inside as that for which a checkpoint holds up the work."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent.checkpoint_seconds += time.monotonic() - began

    def write(self, session: Session, unit: Unit, step: int, *, last: bool = False) -> bool:
        """Store what was gathered, if that is due; return whether it was stored.

        It is once the unit has trained or scored, and long enough after the row before.

        Args:
            session: a writing transaction in which the attempt is verified.
            unit: whose attempt it is.
            step: global steps, architectures or evaluations behind the unit.
            last: the attempt ends, so that a row of less than a second is due too.
        """
        if self._total is None:
            self._total = _total_seconds(session, unit)
        now = time.monotonic()
        least = 0.0 if last else max(LEAST_SECONDS, FINEST * self._total)
        if not self._has_worked or self._spent == Spent() or now - self._written_at < least:
            return False
        at = datetime.now(UTC).replace(microsecond=0)
        # A unit that is put back and claimed again within a second adds to the same row.
        row = session.get(TelemetryRow, (unit.id, at))
        if row is None:
            row = _empty_row(unit, at)
            session.add(row)
        usage, seconds = self._resources.read(), now - self._written_at
        row.attempt, row.step = unit.attempt, step
        row.seconds += seconds
        self._total += seconds
        for part in fields(Spent):
            setattr(row, part.name, getattr(row, part.name) + getattr(self._spent, part.name))
        _add_usage(row, self._usage, usage, seconds)
        self._spent, self._written_at, self._usage = Spent(), now, usage
        return True

    def _add_training(self, event: TrainingProgressed) -> None:
        images = sum(count.images for count in event.balance)
        if event.updates <= self._updates:
            return
        self._spent.updates += event.updates - self._updates
        self._spent.images += images - self._images
        self._updates, self._images = event.updates, images
        self._add_parts(event.part_seconds)

    def _add_parts(self, parts: PartSeconds) -> None:
        self._spent.data_seconds += parts.data
        self._spent.forward_seconds += parts.forward
        self._spent.backward_seconds += parts.backward
        self._spent.optimizer_seconds += parts.optimizer


def _total_seconds(session: Session, unit: Unit) -> float:
    statement = select(func.sum(TelemetryRow.seconds)).where(TelemetryRow.unit_id == unit.id)
    return session.scalar(statement) or 0.0


def _empty_row(unit: Unit, at: datetime) -> TelemetryRow:
    zeros = {part.name: 0 for part in fields(Spent)}
    return TelemetryRow(unit_id=unit.id, run_id=unit.run_id, at=at, seconds=0.0, **zeros)


def _add_usage(row: TelemetryRow, before: Usage, usage: Usage, seconds: float) -> None:
    if before.cpu_seconds is not None and usage.cpu_seconds is not None:
        row.cpu_seconds = (row.cpu_seconds or 0.0) + usage.cpu_seconds - before.cpu_seconds
    if usage.gpu_share is not None:
        row.gpu_seconds = (row.gpu_seconds or 0.0) + usage.gpu_share * seconds
    if usage.memory_bytes is not None:
        row.memory_bytes = max(row.memory_bytes or 0, usage.memory_bytes)
    if usage.gpu_memory_bytes is not None:
        row.gpu_memory_bytes = max(row.gpu_memory_bytes or 0, usage.gpu_memory_bytes)
