import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from backend.db import Database
from backend.models import TelemetryRow, Unit
from backend.runs import results
from nas.events import (
    ArchitecturesScored,
    PartSeconds,
    RoundFinished,
    SupernetBalance,
    TrainingProgressed,
)
from tests.worker.running import after_looks, run_here, run_to_end
from tests.worker.support import Deployment, skip_to_training, tiny_spec, unit_of
from worker import telemetry
from worker.resources import Usage
from worker.telemetry import UnitTelemetry

PARTS = ("data", "forward", "backward", "optimizer", "ranking", "checkpoint")


def progressed(updates: int, images: int, **changes: float) -> TrainingProgressed:
    seconds = {"data": 0.1, "forward": 0.2, "backward": 0.3, "optimizer": 0.05, **changes}
    return TrainingProgressed(
        step=updates,
        updates=updates,
        loss=1.0,
        learning_rate=0.1,
        steps_per_second=1.0,
        part_seconds=PartSeconds(**seconds),
        balance=(
            SupernetBalance(0, updates, updates, images - 10, (), (), (), ()),
            SupernetBalance(1, updates, updates, 10, (), (), (), ()),
        ),
    )


class Readings:
    """Resources whose readings are given."""

    def __init__(self, *readings: Usage) -> None:
        self._readings = iter(readings)

    def read(self) -> Usage:
        return next(self._readings)


NOTHING = Usage(None, None, None, None)


class Clock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self, zone) -> datetime:
        return datetime.fromtimestamp(1_800_000_000 + self.seconds, zone)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(telemetry, "datetime", found)
    monkeypatch.setattr(telemetry, "time", found)
    return found


@pytest.fixture
def unit_id(embedded: Deployment) -> int:
    run_id = skip_to_training(embedded, tiny_spec(), [10, 10])
    with embedded.db.reading() as session:
        return unit_of(session, run_id, "train-0").id


def write(
    db: Database, unit_id: int, gathered: UnitTelemetry, step: int, *, last: bool = False
) -> bool:
    with db.unit_of_work() as session:
        return gathered.write(session, session.get_one(Unit, unit_id), step, last=last)


def rows(db: Database) -> list[TelemetryRow]:
    with db.reading() as session:
        return list(session.scalars(select(TelemetryRow).order_by(TelemetryRow.at)))


def test_a_row_is_what_happened_since_the_one_before(
    embedded: Deployment, unit_id: int, clock: Clock
):
    usages = [
        Usage(10.0, 500, 0.5, 1000),
        Usage(11.5, 900, 0.25, 2000),
        Usage(12.0, 700, 0.75, 1500),
    ]
    gathered = UnitTelemetry(Readings(*usages), updates=5, images=400)
    gathered.add(progressed(7, 528), 0.7)
    gathered.add(progressed(8, 592), 0.7)
    gathered.add(ArchitecturesScored(8, ()), 0.25)
    clock.seconds += 2.0
    with gathered.checkpointing():
        clock.seconds += 0.125
    assert write(embedded.db, unit_id, gathered, 8)
    gathered.add(progressed(12, 848, data=0.5), 1.0)
    clock.seconds += 1.0
    write(embedded.db, unit_id, gathered, 12)
    first, second = rows(embedded.db)
    assert (first.step, first.updates, first.images) == (8, 3, 192)
    assert first.seconds == pytest.approx(2.125)
    found = [getattr(first, f"{part}_seconds") for part in PARTS]
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.1, 0.25, 0.125])
    assert (first.cpu_seconds, first.memory_bytes) == (1.5, 900)
    assert first.gpu_seconds == pytest.approx(0.25 * 2.125)
    assert first.gpu_memory_bytes == 2000
    assert first.at == datetime.fromtimestamp(1_800_000_102, UTC)
    assert (second.step, second.updates, second.images) == (12, 4, 256)
    assert (second.seconds, second.data_seconds, second.ranking_seconds) == (1.0, 0.5, 0.0)
    assert second.gpu_seconds == pytest.approx(0.75)


def test_an_event_that_is_added_twice_counts_once(
    embedded: Deployment, unit_id: int, clock: Clock
):
    gathered = UnitTelemetry()
    for _ in range(2):
        gathered.add(progressed(3, 192), 0.6)
    clock.seconds += 5
    write(embedded.db, unit_id, gathered, 3)
    clock.seconds += 5
    gathered.add(progressed(3, 192), 0.6)
    assert not write(embedded.db, unit_id, gathered, 3)
    (row,) = rows(embedded.db)
    assert (row.updates, row.images, row.forward_seconds) == (3, 192, pytest.approx(0.2))


def test_a_row_covers_a_second_or_more_unless_the_attempt_ends(
    embedded: Deployment, unit_id: int, clock: Clock
):
    gathered = UnitTelemetry(updates=0, images=10)
    for tenth in range(1, 36):
        gathered.add(progressed(tenth, 10 + 64 * tenth), 0.1)
        clock.seconds += 0.125
        write(embedded.db, unit_id, gathered, tenth, last=tenth == 35)
    found = rows(embedded.db)
    # The last three eighths of a second lie in a second that has a row.
    assert [row.seconds for row in found] == [1, 1, 1, 1.375]
    assert [row.updates for row in found] == [8, 8, 8, 11]


def test_the_longer_a_unit_was_worked_on_the_coarser_its_rows(
    embedded: Deployment, unit_id: int, clock: Clock
):
    before = UnitTelemetry()
    before.add(ArchitecturesScored(0, ()), 1.0)
    clock.seconds += 2000
    write(embedded.db, unit_id, before, 0)
    # A five-hundredth of 2,000 seconds is four, also for another attempt; of 2,004 it is more.
    gathered = UnitTelemetry()
    for step in range(1, 10):
        gathered.add(progressed(step, 64 * step), 0.1)
        clock.seconds += 1
        write(embedded.db, unit_id, gathered, step)
    clock.seconds += 1
    write(embedded.db, unit_id, gathered, 9, last=True)
    assert [row.seconds for row in rows(embedded.db)] == [2000, 4, 5]


def test_two_attempts_within_one_second_share_its_row(
    embedded: Deployment, unit_id: int, clock: Clock
):
    for attempt, updates in ((1, 2), (2, 5)):
        with embedded.db.unit_of_work() as session:
            session.get_one(Unit, unit_id).attempt = attempt
        usages = (Usage(1.0, 800 // attempt, None, None), Usage(1.5, 800 // attempt, None, None))
        gathered = UnitTelemetry(Readings(*usages), updates=updates - 2, images=10)
        gathered.add(progressed(updates, 74), 0.1)
        clock.seconds += 0.25
        assert not write(embedded.db, unit_id, gathered, updates)
        assert write(embedded.db, unit_id, gathered, updates, last=True)
    (row,) = rows(embedded.db)
    assert (row.attempt, row.step, row.updates, row.images) == (2, 5, 4, 128)
    assert (row.seconds, row.cpu_seconds, row.memory_bytes) == (0.5, 1.0, 800)
    assert (row.gpu_seconds, row.gpu_memory_bytes) == (None, None)


def test_a_unit_that_neither_trained_nor_scored_has_no_row(
    embedded: Deployment, unit_id: int, clock: Clock
):
    gathered = UnitTelemetry(Readings(NOTHING, NOTHING))
    gathered.add(RoundFinished(3), 4.0)
    with gathered.checkpointing():
        clock.seconds += 4
    assert not write(embedded.db, unit_id, gathered, 3)
    gathered.add(ArchitecturesScored(3, ()), 2.0)
    clock.seconds += 2
    assert write(embedded.db, unit_id, gathered, 3)
    (row,) = rows(embedded.db)
    # Time that had no row yet is not lost.
    assert (row.seconds, row.ranking_seconds, row.checkpoint_seconds) == (6.0, 2.0, 4.0)
    assert (row.cpu_seconds, row.memory_bytes) == (None, None)


def test_the_telemetry_of_a_run_fits_its_work(embedded: Deployment, monkeypatch):
    monkeypatch.setattr("nas.training.loop.REPORT_SECONDS", 0.0)
    run_id = embedded.create(tiny_spec())
    began, cpu_before = time.monotonic(), time.process_time()
    # In the middle of the warm-up the unit is put back; another attempt goes on.
    run_here(embedded, run_id, after_looks(8))
    run_to_end(embedded, run_id)
    elapsed, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_before
    assert embedded.state(run_id) == "succeeded"
    with embedded.db.reading() as session:
        units = {unit.id: unit for unit in results.units(session, run_id)}
        found = list(session.scalars(select(TelemetryRow).order_by(TelemetryRow.at)))
    keys = {units[row.unit_id].key for row in found}
    assert {"warm-up", "train-0", "train-1", "search"} <= keys
    assert "partition" not in keys
    assert all(row.at.microsecond == 0 for row in found)
    totals = {key: [row for row in found if units[row.unit_id].key == key] for key in keys}
    assert sum(row.updates for row in totals["warm-up"]) == 20
    assert sum(row.updates for row in totals["train-0"] + totals["train-1"]) == 40
    assert sum(row.images for row in found) == 60 * 8
    assert {row.attempt for row in totals["warm-up"]} <= {1, 2}
    assert totals["train-0"][-1].step == 60
    for row in found:
        parts = [getattr(row, f"{part}_seconds") for part in PARTS]
        assert min(parts) >= 0
        assert 0 < sum(parts) <= row.seconds
        assert row.memory_bytes > 100e6
    for part in PARTS:
        assert sum(getattr(row, f"{part}_seconds") for row in totals["train-0"]) > 0, part
    assert sum(row.seconds for row in found) < elapsed
    assert sum(row.cpu_seconds for row in found) < cpu_seconds + 0.1
